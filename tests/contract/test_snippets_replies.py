"""The code of the replies table runs, alone, and prints the numbers of the table."""

import re

import pytest
from test_snippets import run

from core.branches import Branches
from core.conversation import Conversation
from demos import chat_document
from demos.chat_document import REPLIES
from demos.ui import replies

pytestmark = pytest.mark.usefixtures("float32_only")


def test_replies_code(smollm2):
    """Tokens, total bits and bits per token of each reply."""
    past = chat_document.end_turn(smollm2, Branches.of(Conversation()), "", "Say hi.")[0]
    for handler in (REPLIES.reply, REPLIES.retry):
        *_, view = handler(smollm2, past, "sampled", 1.0, 1, 6)
        past = view[0]
    update, code, _ = replies.table(smollm2, past)
    _, printed = run(code)
    assert len(printed.splitlines()) == len(update["rows"]) == 2
    for line, row in zip(printed.splitlines(), update["rows"], strict=True):
        n, total, mean = map(float, re.findall(r"[0-9.]+", line)[:3])
        _, _, shown_n, shown_total, shown_mean = row["cells"]
        assert int(n) == int(shown_n["text"])
        for value, cell in ((total, shown_total), (mean, shown_mean)):
            exact = float(cell["facts"][0][1].split()[0])
            assert value == pytest.approx(exact, abs=1e-3)

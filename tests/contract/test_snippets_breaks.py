"""The code of a broken template runs, alone, and prints the numbers of its panel."""

import re

import pytest
from test_snippets import run

from core.branches import Branches
from core.conversation import Conversation
from demos import chat_document
from demos.chat_document import BREAKS
from demos.ui import breaking

pytestmark = pytest.mark.usefixtures("float32_only")


@pytest.mark.parametrize("kind", [breaking.MARKER, breaking.OPENING, breaking.CONTROL])
def test_break_code(smollm2, kind):
    """Both lists, the probability of each token in the other document, and the divergence."""
    past = chat_document.end_turn(smollm2, Branches.of(Conversation()), "", "Say hi.")[0]
    text = breaking.prepared(smollm2)[1]
    *_, true_list, broken_list, numbers, code = BREAKS.show(smollm2, past, None, kind, text)
    _, printed = run(code)
    *rows, sums = printed.splitlines()
    shown = [*true_list["rows"], *broken_list["rows"]]
    assert len(rows) == len(shown)
    for line, row in zip(rows, shown, strict=True):
        assert float(re.findall(r" (\S+), in the other", line)[0]) == pytest.approx(
            row["prob"], abs=1e-4
        )
    exact = {fact["name"]: fact["exact"] for fact in numbers["facts"]}
    kl, moved = map(float, re.findall(r"\d+\.\d+", sums))
    assert kl == pytest.approx(float(exact["KL divergence"].split()[0]), abs=2e-3)
    assert moved == pytest.approx(float(exact["probability moved"]), abs=1e-4)

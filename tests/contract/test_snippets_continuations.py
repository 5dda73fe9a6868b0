"""The code of the panels that ask what comes next if prints the numbers the panels show."""

import re

import pytest
from test_snippets import run

from core.branches import Branches
from core.document import Document
from demos.ui import audit, beams, recovery, what_if

pytestmark = pytest.mark.usefixtures("float32_only")
TEXT = "The capital of France is"


@pytest.fixture(scope="module")
def branches(smollm2):
    ids = tuple(token.id for token in smollm2.tokenize(TEXT))
    return Branches.of(Document(ids))


def last(views):
    return list(views)[-1]


def text_of(engine, cell):
    return engine.decode([token["id"] for token in cell])


def fact_of(row, name):
    """The number at the beginning of what hovering over a row says of something."""
    return float(dict(row["facts"])[name].split()[0].rstrip(","))


def test_recovery_code(smollm2, branches):
    """Rank, text, the forced token's bits, the sum, and the average after it, row by row."""
    table, _, code = last(recovery.recover(smollm2, branches, None, 6))
    _, printed = run(code)
    assert len(printed.splitlines()) == len(table["rows"]) == 10
    for line, row in zip(printed.splitlines(), table["rows"], strict=True):
        rank, forced, _, after, *_ = row["cells"]
        assert line.startswith(f"{rank} {text_of(smollm2, [*forced, *after])!r} ")
        numbers = [float(number) for number in re.findall(r"(\d+\.\d{4}) ", line)]
        wanted = [fact_of(row, name) for name in
                  ("forced token", "total bits", "bits per token after")]  # fmt: skip
        assert numbers == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("position", [0, 2, 4])
def test_what_if_code(smollm2, branches, position):
    """The change of every token from the new one on, and all of them together."""
    span = {"start": position, "stop": position + 1}
    facts, strip, _, code = last(what_if.with_text(smollm2, branches, span, " big"))
    _, printed = run(code)
    *lines, total = printed.splitlines()
    chips = strip["tokens"][max(1, position) :]
    for i, (line, chip) in enumerate(zip(lines, chips, strict=True), start=max(1, position)):
        shown = dict(map(tuple, chip["facts"]))["change"].replace("−", "-")
        assert line.startswith(f"{i} ")
        assert float(line.split()[-2]) == pytest.approx(float(shown.split()[0]), abs=5e-4)
    exact = {fact["name"]: fact["exact"] for fact in facts["facts"]}["total change"]
    wanted = float(exact.replace("−", "-").split()[0])
    assert float(total.split()[0]) == pytest.approx(wanted, abs=1e-3)


def test_beams_code(smollm2, branches):
    """The texts of the last step with their log-probs, and greedy decoding's."""
    both, table, code = last(beams.search(smollm2, branches, None, 3, 5))
    _, printed = run(code)
    *kept, greedy = printed.splitlines()
    shown = [row for row in table["rows"] if row["cells"][1].startswith("kept")][-3:]
    for line, row in zip(kept, shown, strict=True):
        logprob = fact_of(row, "total log-prob")
        assert line.startswith("beam ")
        assert float(line.split()[-1]) == pytest.approx(logprob, abs=1e-3)
    for line, row in ((kept[0], both["rows"][0]), (greedy, both["rows"][1])):
        assert f"{text_of(smollm2, row['cells'][1])!r}" in line
        assert float(line.split()[-1]) == pytest.approx(fact_of(row, "total log-prob"), abs=1e-3)


@pytest.mark.parametrize("position", [0, 5])
def test_audit_code(smollm2, branches, position):
    """What was predicted and what stands at each position, with probability and rank."""
    span = {"start": position, "stop": position + 1}
    table, code = last(audit.audit(smollm2, branches, span))
    _, printed = run(code)
    for line, row in zip(printed.splitlines(), table["rows"][1:], strict=True):
        at, _, _, stands, _, rank, predicted, _ = row["cells"]
        assert line.startswith(f"{at} predicted {text_of(smollm2, predicted)!r} ")
        prob = re.search(r" (\d\.\d{6})", line)[1]
        assert float(prob) == pytest.approx(fact_of(row, "predicted there"), abs=1e-4)
        if stands == "nothing yet":
            assert "stands" not in line
            continue
        own, own_rank = line.split()[-2:]
        assert f"stands {text_of(smollm2, stands)!r} " in line
        assert own_rank == rank.replace(",", "")
        assert float(own) == pytest.approx(fact_of(row, "stands there"), rel=1e-3)

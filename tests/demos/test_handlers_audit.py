"""Position by position: the panel's handler as a plain function."""

import math
from itertools import pairwise

import numpy as np
import pytest
from handling import assert_sentence, last, passage_ids, row_facts, span
from hypothesis import given
from hypothesis import strategies as st

from core.branches import Branches
from core.display import format_prob
from core.document import Document
from core.errors import NoPrediction
from demos.ui import scoring
from demos.ui.audit import MOST_ROWS, audit, shown_positions

TEXT = "The cat sat on the mat, and the dog sat on the log."


def opened(engine, text=TEXT):
    ids = (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))
    return Branches.of(Document(ids))


@pytest.mark.parametrize("at", [None, 0, 4])
def test_each_row_is_the_row_before(engine, at):
    """Row i shows what next() gives after tokens 0…i-1: the shift by one, held row by row."""
    branches = opened(engine)
    ids = branches.now.ids
    table, _ = last(audit(engine, branches, None if at is None else span(at)))
    for row in table["rows"]:
        position, logits_row, before, stands, prob, rank, predicted, best_prob = row["cells"]
        i = int(position)
        if i == 0:
            assert (logits_row, prob, predicted) == ("none", "no prediction", "")
            assert passage_ids(stands) == [ids[0]]
            continue
        assert int(logits_row) == i - 1
        given = engine.next(ids[:i])
        best = int(np.argmax(given.logprob_by_id))
        assert passage_ids(predicted) == [best]
        assert best_prob == format_prob(math.exp(given.logprob_of(best)))
        shown = [token["id"] for token in before if "id" in token]
        assert shown == list(ids[max(0, i - 4) : i])
        if i == len(ids):
            assert (stands, prob, rank) == ("nothing yet", "", "")
            continue
        assert passage_ids(stands) == [ids[i]]
        assert rank == f"{given.rank_of(ids[i]):,}"
        exact = float(row_facts(row)["stands there"].split(",")[0])
        assert exact == pytest.approx(math.exp(given.logprob_of(ids[i])), rel=1e-3)


@given(st.integers(1, 60), st.data())
def test_the_positions_shown(n, data):
    """At most 20 in a row, the selected one among them, as many as there are, all if they fit."""
    position = data.draw(st.integers(0, n))
    start, stop = shown_positions(position, n)
    assert 0 <= start <= position < stop <= n + 1
    assert stop - start == min(MOST_ROWS, n + 1)


def test_the_selected_one_is_marked_and_the_title_says_what_is_shown(toy):
    """One row is marked; first and last position, and the length of the document, are said."""
    branches = opened(toy)
    n = len(branches.now)
    for at in (0, 7, 30, n):
        table, code = last(audit(toy, branches, span(at)))
        positions = [int(row["cells"][0]) for row in table["rows"]]
        assert all(b == a + 1 for a, b in pairwise(positions))
        assert [p for p, row in zip(positions, table["rows"], strict=True)
                if row["tone"] == "here"] == [at]  # fmt: skip
        said = f"Positions {positions[0]} to {positions[-1]} of a document of {n} tokens"
        assert table["title"].startswith(said)
        assert ("next token" in table["title"]) == (positions[-1] == n)
        assert f"range({max(1, positions[0])}, {positions[-1] + 1})" in code


def test_a_long_document_says_how_far_it_is(toy):
    """While it is scored the title counts; what is shown at the end is the table."""
    text = "The cat. " * (scoring.LONG // 8)
    *waiting, (table, _) = audit(toy, opened(toy, text), None)
    assert waiting
    assert all(view["title"].startswith("Scoring: ") for view, _ in waiting)
    assert len(table["rows"]) == MOST_ROWS


def test_stopping_ends_the_scoring(toy):
    """Closed while it is under way."""
    text = "The cat. " * (scoring.LONG // 8)
    views = audit(toy, opened(toy, text), None)
    next(views)
    views.close()


def test_an_empty_document(toy):
    """There is nothing to audit, and the sentence says what to do."""
    with pytest.raises(NoPrediction) as error:
        last(audit(toy, Branches.of(Document()), None))
    assert_sentence(error)

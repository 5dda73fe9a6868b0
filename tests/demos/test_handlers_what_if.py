"""One token replaced: the panel's handlers as plain functions."""

import time

import gradio as gr
import numpy as np
import pytest
from handling import (
    BAD_TEXTS,
    Counting,
    assert_sentence,
    chip_facts,
    chip_ids,
    chosen_rows,
    click,
    exact,
    facts,
    last,
    span,
)
from hypothesis import given
from hypothesis import strategies as st

from core.branches import Branches
from core.document import Document
from core.engines.toy import ToyEngine
from core.errors import InputError
from core.palette import change_level
from demos.ui import scoring, what_if
from demos.ui.what_if import alternatives, follow, with_pick, with_text

TOY = ToyEngine()
TEXT = "The cat sat on the mat"
NUMBER = "−+0123456789."


def opened(engine, text=TEXT):
    ids = (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))
    return Branches.of(Document(ids))


def signed(text):
    """The number at the beginning of a text like “−1.25 bits”."""
    return float(text.split()[0].replace("−", "-"))


def changes(strip):
    """What each chip says its change is; None where it says none or no prediction."""
    said = [chip_facts(chip)["change"] for chip in strip["tokens"]]
    return [signed(text) if text.endswith(" bits") else None for text in said]


def assert_is_scoring_from_scratch(engine, before_ids, view, position, token_id):
    """Strip and sums against two scorings of the two documents, the long way."""
    numbers, strip, chart, code = view
    edited = [*before_ids[:position], token_id, *before_ids[position + 1 :]]
    assert chip_ids(strip) == edited
    before, after = engine.score(before_ids), engine.score(edited)
    wanted = (before.logprobs.astype(np.float64) - after.logprobs) / np.log(2)
    for i, change in enumerate(changes(strip)):
        if i < position or i == 0:
            assert change is None
        else:
            assert change == pytest.approx(wanted[i], abs=2e-4)
    later = float(wanted[position + 1 :].sum())
    total = float(np.nansum(wanted[position:]))
    assert signed(exact(numbers)["later tokens"]) == pytest.approx(later, abs=1e-3)
    assert signed(exact(numbers)["total change"]) == pytest.approx(total, abs=1e-3)
    assert list(chart.data[0].x) == list(range(position, len(edited)))
    assert f"position, token_id = {position}, {token_id}" in code


@pytest.mark.parametrize("position", [0, 1, 3, -1])
def test_it_is_the_edited_document_scored_from_scratch(engine, position):
    """Any position, the first and the last too."""
    branches = opened(engine)
    ids = branches.now.ids
    position %= len(ids)
    token_id = engine.tokenize("x")[0].id
    view = last(with_text(engine, branches, span(position), "x"))
    assert_is_scoring_from_scratch(engine, ids, view, position, token_id)


@given(st.text("abc the", min_size=1, max_size=12), st.data())
def test_any_document_any_token(text, data):
    """The same for any text, place and token."""
    branches = opened(TOY, text)
    ids = branches.now.ids
    position = data.draw(st.integers(0, len(ids) - 1))
    token_id = data.draw(st.integers(0, 258).filter(lambda i: i != ids[position]))
    view = last(with_text(TOY, branches, span(position), f"id {token_id}"))
    assert_is_scoring_from_scratch(TOY, ids, view, position, token_id)


def test_the_first_token_has_no_prediction(engine):
    """Position 0 replaced: said so, never 0 bits; the later tokens have their changes."""
    branches = opened(engine)
    numbers, strip, _, _ = last(with_text(engine, branches, span(0), "x"))
    assert facts(numbers)["at the new token"] == "no prediction"
    assert "no prediction" in chip_facts(strip["tokens"][0])["change"]
    assert "change" not in strip["tokens"][0]
    assert all(change is not None for change in changes(strip)[1:])


def test_colours_are_steps_of_the_change(toy):
    """Each chip's step is that of its change; what stands before the new token has none."""
    strip = last(with_text(toy, opened(toy), span(4), "z"))[1]
    for i, (chip, change) in enumerate(zip(strip["tokens"], changes(strip), strict=True)):
        assert chip.get("change") == (None if i < 4 else change_level(change))
    assert strip["tokens"][4]["mark"] == "new"


def test_the_alternatives_are_what_was_predicted_there(engine):
    """The most likely tokens of the selected place, the one that stands marked; each can go in."""
    branches = opened(engine)
    ids = branches.now.ids
    listed = alternatives(engine, branches, span(3))
    top = [int(i) for i in engine.next(ids[:3]).top(what_if.N_ALTERNATIVES)]
    assert [row["id"] for row in listed["rows"]][: len(top)] == top
    (stands,) = chosen_rows(listed)
    assert stands["id"] == ids[3]
    n = next(i for i, row in enumerate(listed["rows"]) if row["id"] != ids[3])
    view = last(with_pick(engine, branches, click(listed, n)))
    assert_is_scoring_from_scratch(engine, ids, view, 3, listed["rows"][n]["id"])


@pytest.mark.parametrize("at", [None, span(0)])
def test_no_alternatives(toy, at):
    """At the end no token stands; before the first nothing predicts: an empty list says so."""
    listed = alternatives(toy, opened(toy), at)
    assert listed["rows"] == []
    assert listed["title"]


def test_a_click_on_an_older_list(toy):
    """Alternatives of a document that has changed since are refused with a sentence."""
    pick = click(alternatives(toy, opened(toy), span(5)), 0)
    with pytest.raises(InputError) as error:
        last(with_pick(toy, opened(toy, "A dog sat"), pick))
    assert_sentence(error)
    with pytest.raises(InputError):
        last(with_pick(toy, opened(toy), None))


def test_one_token_or_its_id(smollm2):
    """A text of one token is that token; “id 42” is the token with that id."""
    (rome,) = smollm2.tokenize(" Rome")
    assert what_if.one_token(smollm2, " Rome") == rome.id
    assert what_if.one_token(smollm2, f"id {rome.id}") == rome.id
    assert what_if.one_token(smollm2, f" ID{rome.id} ") == rome.id
    assert what_if.one_token(smollm2, "4") == smollm2.tokenize("4")[0].id


@pytest.mark.parametrize("text", ["two words", "id 999999", "id -1", *BAD_TEXTS.values()])
def test_what_is_not_one_token_is_refused(toy, text):
    """A sentence that says what to do; nothing of the text is repeated."""
    with pytest.raises(InputError) as error:
        last(with_text(toy, opened(toy), span(3), text))
    assert_sentence(error)
    assert "two words" not in str(error.value)


@pytest.mark.parametrize("at", [None, span(400), "x"])
def test_a_place_must_be_selected(toy, at):
    """With nothing selected, or the next token, there is nothing to replace."""
    with pytest.raises(InputError) as error:
        last(with_text(toy, opened(toy), at, "x"))
    assert_sentence(error)


def test_the_token_that_stands_there_is_no_change(toy):
    """Replaced by itself: refused with a sentence."""
    with pytest.raises(InputError) as error:
        last(with_text(toy, opened(toy), span(1), "T"))
    assert_sentence(error)


def test_the_document_is_not_changed(toy):
    """The branches that went in are as they were."""
    branches = opened(toy)
    ids = branches.now.ids
    last(with_text(toy, branches, span(2), "x"))
    assert branches == opened(toy)
    assert branches.now.ids == ids


def test_a_long_document_says_how_far_it_is(toy):
    """While it is scored, twice, the numbers count up to the whole."""
    text = "The cat. " * (scoring.LONG // 8)

    class Slow(Counting):
        def score(self, ids, report, **options):
            slow = iter([0.3, 0.3])  # s, so that the page follows; the other reports take none

            def slowly(*news):
                report(*news)
                time.sleep(next(slow, 0))

            return toy.score(ids, report=slowly, **options)

    *waiting, view = with_text(Slow(toy), opened(toy, text), span(9), "x")
    assert waiting
    assert all("Scoring: " in facts(numbers)["under way"] for numbers, *_ in waiting)
    assert "total change" in facts(view[0])


def test_only_an_open_panel_asks_the_model(toy):
    """Folded, a view that changes costs nothing; unfolded the alternatives are of its place."""
    for folded in (False, None, "true"):
        assert follow(None, None, None, folded) == gr.skip()
    assert follow(toy, opened(toy), span(5), True) == alternatives(toy, opened(toy), span(5))

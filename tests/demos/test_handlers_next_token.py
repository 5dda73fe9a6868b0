"""The Next-Token demo's handlers as plain functions."""

import pytest
from handling import BAD_TEXTS, assert_sentence, chip_ids, chosen_rows, click, facts, last, span

from core.engines.toy import ToyEngine
from core.errors import ContextTooLong, InputError
from demos import next_token
from demos.ui import views

TEXT = "The cat"


def opened(engine, text=TEXT):
    document, _, candidates, *_ = next_token.start(engine, text)
    return document, candidates


def test_start_opens_at_the_end(engine):
    """A text becomes the document, prefix included; the next token is on show."""
    document, strip, candidates, *_ = next_token.start(engine, TEXT)
    wanted = [*engine.info.prefix_ids, *(t.id for t in engine.tokenize(TEXT))]
    assert list(document.ids) == wanted == chip_ids(strip)
    assert strip["tokens"][-1]["mark"] == "next"
    assert strip["value"] == {"start": len(document), "stop": len(document) + 1}
    assert candidates["title"].startswith("Next token")
    assert not chosen_rows(candidates)


def test_list_and_rest_are_the_models_own_distribution(engine):
    """Candidates are the engine's most likely tokens; with the rest they sum to 1."""
    document, candidates = opened(engine)
    distribution = engine.next(document.ids)
    n = next_token.N_LISTED
    assert [row["id"] for row in candidates["rows"]] == list(distribution.top(n))
    assert [row["rank"] for row in candidates["rows"]] == list(range(1, n + 1))
    total = sum(row["prob"] for row in candidates["rows"]) + candidates["rest"]["prob"]
    assert total == pytest.approx(1, abs=1e-5)
    assert f"{engine.info.vocab_size - n:,} tokens" in candidates["rest"]["label"]


def test_facts_give_entropy_over_the_whole_vocabulary(toy):
    """The entropy on show is that of the whole distribution, in bits."""
    document, _, _, shown, *_ = next_token.start(toy, TEXT)
    wanted = toy.next(document.ids).entropy_bits
    assert facts(shown)["entropy"] == f"{wanted:.2f} bits"


def test_choose_appends_exactly_one_id(engine):
    """A click on a candidate appends its id, and no earlier id changes."""
    document, candidates = opened(engine)
    for n in (1, 0, 4):
        pick = click(candidates, n)
        before = document.ids
        document, strip, candidates, *_ = next_token.choose(engine, document, None, pick)
        assert document.ids == (*before, pick["id"])
        assert strip["value"]["start"] == len(document)


def test_stale_candidate_click_changes_nothing(toy):
    """A second click on a list that has already been used appends nothing."""
    document, candidates = opened(toy)
    pick = click(candidates, 1)
    document = next_token.choose(toy, document, span(len(document)), pick)[0]
    again = next_token.choose(toy, document, span(len(document)), pick)[0]
    assert again.ids == document.ids


def test_the_same_ids_in_another_text_are_another_document(toy):
    """A click made on one text does not land in another."""
    _, candidates = opened(toy, "The dog")
    document, _ = opened(toy)
    after = next_token.choose(toy, document, None, click(candidates, 0))[0]
    assert after.ids == document.ids


def test_choose_at_an_earlier_token_goes_on_from_there(toy):
    """A candidate chosen at an earlier token replaces it and what came after it, no id before."""
    document, _ = opened(toy)
    document = last(next_token.always_the_top_one(toy, document))[0]
    at = len(document) - 4
    _, _, candidates, *_ = next_token.look(toy, document, span(at))
    pick = click(candidates, 2)
    after = next_token.choose(toy, document, span(at), pick)[0]
    assert after.ids == (*document.ids[:at], pick["id"])
    assert next_token.undo(toy, after)[0].ids == document.ids


def test_earlier_token_shows_what_it_was_chosen_from(engine):
    """Clicking a chosen token shows the distribution before it, with that token marked."""
    document, candidates = opened(engine)
    pick = click(candidates, 3)
    document = next_token.choose(engine, document, None, pick)[0]
    document = last(next_token.always_the_top_one(engine, document))[0]
    at = len(document) - 11
    _, strip, shown, *_ = next_token.look(engine, document, span(at))
    assert [row["id"] for row in chosen_rows(shown)] == [pick["id"]]
    assert shown["rows"] == [
        row | ({"chosen": True, "flag": "chosen"} if row["id"] == pick["id"] else {})
        for row in candidates["rows"]
    ]
    assert f"(token {at})" in shown["title"]
    assert "value" not in strip  # the page has the selection, or by now a later one


def test_a_token_outside_the_list_is_shown_apart(engine):
    """A token of the document that is not among the listed ones is the last row, set apart."""
    document, _ = opened(engine, "The catqz")
    at = len(document) - 1
    _, _, shown, *_ = next_token.look(engine, document, span(at))
    [row] = chosen_rows(shown)
    assert row["id"] == document.ids[at]
    assert row["apart"] == (row["rank"] > next_token.N_LISTED)
    assert row["apart"]
    assert len(shown["rows"]) == next_token.N_LISTED + 1


def test_first_token_has_no_prediction(engine):
    """Where nothing stands before a token the list says so, instead of showing numbers."""
    document, _ = opened(engine)
    _, _, shown, numbers, chart, code = next_token.look(engine, document, span(0))
    assert "no prediction" in shown["title"]
    assert shown["rows"] == []
    assert numbers["facts"] == []
    assert chart is None
    assert code == ""


def test_always_the_top_one_appends_ten(engine):
    """Ten tokens are appended, each the most likely one, each shown when it is made."""
    document, _ = opened(engine)
    views_shown = list(next_token.always_the_top_one(engine, document))
    assert len(views_shown) == 10
    ids = document.ids
    for shown, *_ in views_shown:
        ids = (*ids, int(engine.next(ids).top(1)[0]))
        assert shown.ids == ids


def test_undo_and_reset(toy):
    """Undo goes back one choice; reset goes back to the text, and can itself be undone."""
    given, candidates = opened(toy)
    one = next_token.choose(toy, given, None, click(candidates, 0))[0]
    ten = last(next_token.always_the_top_one(toy, one))[0]
    assert next_token.undo(toy, ten)[0].ids == ten.ids[:-1]
    again = next_token.reset(toy, ten)[0]
    assert again.ids == given.ids
    assert next_token.undo(toy, again)[0].ids == ten.ids
    assert next_token.undo(toy, given)[0].ids == given.ids


@pytest.mark.parametrize("at", [0, 3, 7])
def test_chart_never_sends_a_whole_vocabulary(engine, at):
    """The chart holds at most 300 points, whatever the vocabulary."""
    document, _ = opened(engine)
    chart = next_token.show(engine, document, min(at, len(document)))[4]
    assert chart is None or all(len(trace.x) <= 300 for trace in chart.data)


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_text_is_a_sentence(toy, text):
    """Text that can't be used raises an InputError that says what to do."""
    with pytest.raises(InputError) as error:
        next_token.start(toy, text)
    assert_sentence(error)


def test_a_document_past_the_context_is_a_sentence():
    """More tokens than the engine takes raise ContextTooLong, at the start and while appending."""
    small = ToyEngine(context_length=12)
    with pytest.raises(ContextTooLong) as error:
        next_token.start(small, "more than eleven bytes")
    assert_sentence(error)
    document = next_token.start(small, "eight by")[0]
    shown = []
    with pytest.raises(ContextTooLong):
        shown.extend(next_token.always_the_top_one(small, document))


@pytest.mark.parametrize("token_id", [-1, 10**9, "7", None, 1.5])
def test_a_candidate_no_click_can_make_is_a_sentence(toy, token_id):
    """An id outside the vocabulary raises an InputError."""
    document, candidates = opened(toy)
    with pytest.raises(InputError) as error:
        next_token.choose(toy, document, None, {"id": token_id, "at": candidates["at"]})
    assert_sentence(error)


@pytest.mark.parametrize("picked", [None, "x", {}, {"start": -1}, {"start": 10**9}, {"start": "0"}])
def test_a_selection_that_is_not_there_means_the_end(toy, picked):
    """A selection of another document shows the next token."""
    document, _ = opened(toy)
    assert views.picked_position(picked, len(document)) == len(document)
    assert next_token.look(toy, document, picked)[2]["title"].startswith("Next token")

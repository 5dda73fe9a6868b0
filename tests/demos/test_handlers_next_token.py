"""The Next-Token demo's handlers as plain functions."""

import pytest
from handling import (
    BAD_TEXTS,
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

from core import display
from core.branches import Branches
from core.document import Document
from core.engines.toy import ToyEngine
from core.errors import ContextTooLong, InputError, NoPrediction
from demos import next_token
from demos.next_token import STEPS
from demos.ui import views, writing

TEXT = "The cat"


def opened(engine, text=TEXT):
    """(history, candidate list) of a text that was just given."""
    history, _, candidates, *_ = next_token.start(engine, text)
    return history, candidates


def test_start_opens_at_the_end(engine):
    """A text becomes the document, prefix included; the next token is on show."""
    history, strip, candidates, *_ = next_token.start(engine, TEXT)
    document = history.now
    wanted = [*engine.info.prefix_ids, *(t.id for t in engine.tokenize(TEXT))]
    assert list(document.ids) == wanted == chip_ids(strip)
    assert strip["tokens"][-1]["mark"] == "next"
    assert strip["value"] == {"start": len(document), "stop": len(document) + 1}
    assert candidates["title"].startswith("Next token")
    assert not chosen_rows(candidates)
    assert document.picked() == []
    assert history.undo() == history


def test_list_and_rest_are_the_models_own_distribution(engine):
    """Candidates are the engine's most likely tokens; with the rest they sum to 1."""
    history, candidates = opened(engine)
    distribution = engine.next(history.now.ids)
    n = writing.N_LISTED
    assert [row["id"] for row in candidates["rows"]] == list(distribution.top(n))
    assert [row["rank"] for row in candidates["rows"]] == list(range(1, n + 1))
    total = sum(row["prob"] for row in candidates["rows"]) + candidates["rest"]["prob"]
    assert total == pytest.approx(1, abs=1e-5)
    assert f"{engine.info.vocab_size - n:,} tokens" in candidates["rest"]["label"]


def test_facts_give_entropy_over_the_whole_vocabulary(toy):
    """The entropy on show is that of the whole distribution, in bits."""
    history, _, _, shown, *_ = next_token.start(toy, TEXT)
    wanted = toy.next(history.now.ids).entropy_bits
    assert facts(shown)["entropy"] == f"{wanted:.2f} bits"


def test_choose_appends_exactly_one_id(engine):
    """A click on a candidate appends its id with its numbers, and no earlier id changes."""
    history, candidates = opened(engine)
    for n in (1, 0, 4):
        pick = click(candidates, n)
        before = history.now.ids
        history, strip, candidates, *_ = STEPS.choose(engine, history, pick)
        assert history.now.ids == (*before, pick["id"])
        assert strip["value"]["start"] == len(history.now)
        assert history.now.picked()[-1] == (len(before), engine.next(before).candidate(pick["id"]))


def test_picked_tokens_are_marked_with_what_the_model_gave_them(engine):
    """The strip marks what was picked, with the numbers of the list it was picked from."""
    history, candidates = opened(engine)
    row = candidates["rows"][2]
    strip = STEPS.choose(engine, history, click(candidates, 2))[1]
    *given, picked, end = strip["tokens"]
    assert picked["mark"] == "chosen"
    assert end["mark"] == "next"
    assert all("mark" not in chip for chip in given)
    assert {term: chip_facts(picked)[term] for term, _ in row["facts"]} == dict(row["facts"])


def test_stale_candidate_click_changes_nothing(toy):
    """A second click on a list that has already been used appends nothing."""
    history, candidates = opened(toy)
    pick = click(candidates, 1)
    history = STEPS.choose(toy, history, pick)[0]
    again = STEPS.choose(toy, history, pick)[0]
    assert again == history


def test_the_same_ids_in_another_text_are_another_document(toy):
    """A click made on one text does not land in another."""
    _, candidates = opened(toy, "The dog")
    history, _ = opened(toy)
    after = STEPS.choose(toy, history, click(candidates, 0))[0]
    assert after.now.ids == history.now.ids


def test_choose_at_an_earlier_token_goes_on_from_there(toy):
    """A candidate chosen at an earlier token replaces it and what came after it, no id before."""
    history, _ = opened(toy)
    history = last(next_token.always_the_top_one(toy, history))[0]
    ids = history.now.ids
    for at in (len(ids) - 4, 3):  # among the picked, and in the text that was given
        _, _, candidates, *_ = STEPS.look(toy, history, span(at))
        pick = click(candidates, 2)
        after = STEPS.choose(toy, history, pick)[0]
        assert after.now.ids == (*ids[:at], pick["id"])
        kept = {i: token for i, token in history.now.picks.items() if i < at}
        assert after.now.picks == kept | {at: toy.next(ids[:at]).candidate(pick["id"])}
        assert STEPS.undo(toy, after)[0].now == history.now


def test_earlier_token_shows_what_it_was_chosen_from(engine):
    """Clicking a chosen token shows the distribution before it, with that token marked."""
    history, candidates = opened(engine)
    pick = click(candidates, 3)
    history = STEPS.choose(engine, history, pick)[0]
    history = last(next_token.always_the_top_one(engine, history))[0]
    at = len(history.now) - 11
    looked, strip, shown, *_ = STEPS.look(engine, history, span(at))
    assert looked == history
    assert tuple(chip_ids(strip)) == history.now.ids
    assert [row["id"] for row in chosen_rows(shown)] == [pick["id"]]
    assert shown["rows"] == [
        row | ({"chosen": True, "flag": "chosen"} if row["id"] == pick["id"] else {})
        for row in candidates["rows"]
    ]
    assert f"(token {at})" in shown["title"]
    assert "value" not in strip  # the page has the selection, or by now a later one


def test_a_look_sends_the_tokens_but_no_selection_back(toy):
    """The page has the selection already, or a newer one; a choice does move it to the end."""
    history, candidates = opened(toy)
    for picked in (span(2), span(0), None):
        strip = STEPS.look(toy, history, picked)[1]
        assert "value" not in strip
        assert tuple(chip_ids(strip)) == history.now.ids
    chosen = STEPS.choose(toy, history, click(candidates, 0))
    assert chosen[1]["value"] == span(len(chosen[0].now))


def test_a_token_outside_the_list_is_shown_apart(engine):
    """A token of the document that is not among the listed ones is the last row, set apart."""
    history, _ = opened(engine, "The catqz")
    at = len(history.now) - 1
    _, _, shown, *_ = STEPS.look(engine, history, span(at))
    [row] = chosen_rows(shown)
    assert row["id"] == history.now.ids[at]
    assert row["apart"] == (row["rank"] > writing.N_LISTED)
    assert row["apart"]
    assert len(shown["rows"]) == writing.N_LISTED + 1


def test_first_token_has_no_prediction(engine):
    """Where nothing stands before a token the list says so, instead of showing numbers."""
    history, _ = opened(engine)
    _, _, shown, numbers, chart, code, _ = STEPS.look(engine, history, span(0))
    assert "no prediction" in shown["title"]
    assert shown["rows"] == []
    assert numbers["facts"] == []
    assert chart is None
    assert code == ""


def test_always_the_top_one_appends_ten(engine):
    """Ten tokens are appended, each the most likely one, each shown when it is made."""
    history, _ = opened(engine)
    views_shown = list(next_token.always_the_top_one(engine, history))
    assert len(views_shown) == 10
    ids = history.now.ids
    for shown, *_ in views_shown:
        best = engine.next(ids).candidate(engine.next(ids).top(1)[0])
        assert best.rank == 1
        ids = (*ids, best.id)
        assert shown.now.ids == ids
        assert shown.now.picked()[-1] == (len(ids) - 1, best)


def test_undo_and_reset(toy):
    """Undo goes back one choice; reset goes back to the text, and can itself be undone."""
    given, candidates = opened(toy)
    one = STEPS.choose(toy, given, click(candidates, 0))[0]
    ten = last(next_token.always_the_top_one(toy, one))[0]
    assert STEPS.undo(toy, ten)[0].now.ids == ten.now.ids[:-1]
    again = next_token.reset(toy, ten)[0]
    assert again.now == given.now
    assert STEPS.undo(toy, again)[0].now == ten.now
    assert STEPS.undo(toy, given)[0] == given
    assert next_token.reset(toy, given)[0] == given


def test_undo_walks_back_to_the_text(toy):
    """Undo again and again shows each document there was, down to the text that was given."""
    history, _ = opened(toy)
    given = history.now
    for _ in range(3):
        history = last(next_token.always_the_top_one(toy, history))[0]
    longest = history.now.ids
    for n in range(len(longest) - 1, len(given) - 1, -1):
        history, strip, *_ = STEPS.undo(toy, history)
        assert tuple(chip_ids(strip)) == history.now.ids == longest[:n]
    assert history.now == given


@pytest.mark.parametrize("at", [0, 3, 7])
def test_chart_never_sends_a_whole_vocabulary(engine, at):
    """The chart holds at most 300 points, whatever the vocabulary."""
    history, _ = opened(engine)
    chart = next_token.show(engine, history, min(at, len(history.now)))[4]
    assert chart is None or all(len(trace.x) <= 300 for trace in chart.data)


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_text_is_a_sentence(toy, text):
    """Text that can't be used raises an InputError that says what to do."""
    with pytest.raises(InputError) as error:
        next_token.start(toy, text)
    assert_sentence(error)


def test_a_document_past_the_context_is_a_sentence():
    """More tokens than the engine takes raise ContextTooLong, at the start and when appending."""
    small = ToyEngine(context_length=12)
    with pytest.raises(ContextTooLong) as error:
        next_token.start(small, "more than eleven bytes")
    assert_sentence(error)
    history, _, candidates, *_ = next_token.start(small, "eleven byte")
    for call in (
        lambda: last(next_token.always_the_top_one(small, history)),
        lambda: STEPS.choose(small, history, click(candidates, 0)),
    ):
        with pytest.raises(ContextTooLong, match=r"13 tokens; .* at most 12") as error:
            call()
        assert_sentence(error)


def test_appending_stops_where_the_document_is_full():
    """With room for fewer than ten tokens those are appended, and that is no error."""
    small = ToyEngine(context_length=12)
    history, _ = opened(small, "eight by")
    shown = [len(view[0].now) for view in next_token.always_the_top_one(small, history)]
    assert shown == [10, 11, 12]


def test_nothing_to_predict_from_is_a_sentence(toy):
    """Before there is a document, every button says what to do."""
    empty = Branches.of(Document())
    for call in (
        lambda: last(next_token.always_the_top_one(toy, empty)),
        lambda: STEPS.look(toy, empty, None),
        lambda: STEPS.choose(toy, empty, None),
        lambda: STEPS.undo(toy, empty),
        lambda: next_token.reset(toy, empty),
    ):
        with pytest.raises(NoPrediction) as error:
            call()
        assert_sentence(error)


@pytest.mark.parametrize("token_id", [-1, 10**9, "7", None, 1.5])
def test_a_candidate_no_click_can_make_is_a_sentence(toy, token_id):
    """An id outside the vocabulary raises an InputError."""
    history, candidates = opened(toy)
    with pytest.raises(InputError) as error:
        STEPS.choose(toy, history, {"id": token_id, "at": candidates["at"]})
    assert_sentence(error)


@pytest.mark.parametrize("picked", [None, "x", {}, {"start": -1}, {"start": 10**9}, {"start": "0"}])
def test_a_selection_that_is_not_there_means_the_end(toy, picked):
    """A selection of another document shows the next token."""
    history, _ = opened(toy)
    assert views.picked_position(picked, len(history.now)) == len(history.now)
    assert STEPS.look(toy, history, picked)[2]["title"].startswith("Next token")


@pytest.mark.parametrize("n", [0, 1, 3])
def test_looking_ahead_is_choosing_then_greedy(engine, n):
    """Under each listed candidate stands what choosing it and then always the top one writes."""
    history, strip, listing, *_ = next_token.start(engine, "The cat")
    ahead = writing.look_ahead(engine, history, strip["value"], n)["ahead"]
    if n == 0:
        assert ahead is None
        return
    assert ahead["at"] == listing["at"]
    for row, line in zip(listing["rows"], ahead["lines"], strict=True):
        ids, parts = (*history.now.ids, row["id"]), []
        for _ in range(n):
            ids = (*ids, int(engine.next(ids).top(1)[0]))
            parts += display.parts(engine.vocabulary.token(ids[-1]))
            if ids[-1] in engine.info.stop_ids:
                break
        assert line["parts"] == parts


@pytest.mark.parametrize("bad", [-1, 9, 2.5, "many", None])
def test_a_look_ahead_of_no_length_is_a_sentence(toy, bad):
    """Numbers outside 0 to 8 are refused with the range."""
    history, strip, *_ = next_token.start(toy, "The cat")
    with pytest.raises(InputError) as error:
        writing.look_ahead(toy, history, strip["value"], bad)
    assert_sentence(error)


def test_selected_tokens_show_the_sum_of_their_bits(engine):
    """Five tokens selected: their total is what scoring the document gives for them, added up."""
    history, _ = opened(engine, "The capital of France is Paris, a city")
    history = last(next_token.always_the_top_one(engine, history))[0]
    ids = history.now.ids
    bits = engine.score(ids).surprisals_bits
    for start, stop in [(len(ids) - 6, len(ids) - 1), (1, 6), (0, len(ids))]:
        shown = STEPS.look(engine, history, span(start, stop))[3]
        wanted = bits[max(start, 1) : stop].sum()
        assert float(exact(shown)["selected"].split()[0]) == pytest.approx(wanted, abs=1e-3)
        n = stop - max(start, 1)
        counted = f"{n} tokens" if start else f"{n} of {stop} tokens"
        assert facts(shown)["selected"].startswith(f"{counted}, {wanted:.2f}"[:-1])
    for one in (span(3), None, span(len(ids))):
        assert "selected" not in facts(STEPS.look(engine, history, one)[3])

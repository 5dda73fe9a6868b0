"""Forced tokens: the panel's handlers as plain functions, against scoring from scratch."""

import numpy as np
import pytest
from handling import BAD_TEXTS, assert_sentence, chip_ids, click, span

from core.branches import Branches
from core.document import Document
from core.errors import ContextTooLong, InputError
from demos.next_token import STEPS
from demos.ui import forcing
from demos.ui.forcing import Forcing

TEXT = "The cat sat on the mat"
WORDS = " and slept"
FORCING = Forcing(STEPS)


def opened(engine, text=TEXT):
    ids = (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))
    return Branches.of(Document(ids))


def ids_of(engine, text):
    return tuple(token.id for token in engine.tokenize(text))


def assert_picks_are_scored(engine, document, positions):
    """Every chosen token has the log-prob and rank that scoring the whole document gives it."""
    scored = engine.score(document.ids)
    assert sorted(document.picks) == list(positions)
    for at, pick in document.picks.items():
        assert pick.id == document.ids[at]
        assert pick.logprob == pytest.approx(float(scored.logprobs[at]), abs=1e-4)
        assert pick.rank == int(scored.ranks[at])


@pytest.mark.parametrize("rank", [1, 2, 10])
def test_a_rank_is_the_token_of_that_rank(engine, rank):
    """“The 10th” appends the tenth of the distribution at the end, and it can be undone."""
    before = opened(engine)
    after = FORCING.take_rank(engine, before, None, rank)[0]
    wanted = int(engine.next(before.now.ids).order[rank - 1])
    assert after.now.ids == (*before.now.ids, wanted)
    assert_picks_are_scored(engine, after.now, [len(before.now)])
    assert after.undo().now.ids == before.now.ids


def test_a_rank_at_an_earlier_place_forks_there(engine):
    """With a token selected the choice is made there; the old continuation is kept as a path."""
    before = opened(engine)
    after = FORCING.take_rank(engine, before, span(3), 2)[0]
    wanted = int(engine.next(before.now.ids[:3]).order[1])
    assert after.now.ids == (*before.now.ids[:3], wanted)
    assert before.now.ids in {end.ids for end in after.ends}


@pytest.mark.parametrize("rank", [0, -1, 10**9, 2.5, None, "x"])
def test_a_rank_that_is_none_is_told(engine, rank):
    """Nothing but a whole number from 1 to the size of the vocabulary."""
    with pytest.raises(InputError) as caught:
        FORCING.take_rank(engine, opened(engine), None, rank)
    assert_sentence(caught)


def test_own_words_are_their_own_tokens(engine):
    """The words' own ids, nothing merged with what stands before; the box is emptied."""
    before = opened(engine)
    after, *_, box = FORCING.take_text(engine, before, None, WORDS)
    words = ids_of(engine, WORDS)
    assert after.now.ids == (*before.now.ids, *words)
    n = len(before.now)
    assert_picks_are_scored(engine, after.now, range(n, n + len(words)))
    assert box == ""


def test_selected_tokens_give_way_and_the_rest_stays(engine):
    """Tokens 2 and 3 replaced: what stood before and after is there, id for id."""
    before = opened(engine)
    ids, words = before.now.ids, ids_of(engine, WORDS)
    after, *_ = FORCING.swap(engine, before, span(2, 4), WORDS)
    assert after.now.ids == (*ids[:2], *words, *ids[4:])
    assert_picks_are_scored(engine, after.now, range(2, 2 + len(words)))
    assert before.now.ids in {end.ids for end in after.ends}


def test_later_choices_stay_choices_with_new_numbers(engine):
    """A token chosen after the replaced ones moves along and gets what the model says now."""
    chosen = FORCING.take_rank(engine, opened(engine), None, 3)[0]
    words, last = ids_of(engine, WORDS), len(chosen.now) - 1
    after, *_ = FORCING.swap(engine, chosen, span(1), WORDS)
    moved = last + len(words) - 1
    assert_picks_are_scored(engine, after.now, [*range(1, 1 + len(words)), moved])


def test_replacing_needs_a_selection(engine):
    """At the “?” there is nothing to replace, and the page says what to do."""
    before = opened(engine)
    with pytest.raises(InputError, match="Select the tokens") as caught:
        FORCING.swap(engine, before, span(len(before.now)), WORDS)
    assert_sentence(caught)


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
@pytest.mark.parametrize("handler", [FORCING.take_text, FORCING.swap], ids=["append", "replace"])
def test_words_that_are_none_are_told(engine, handler, text):
    """A sentence, whatever is sent."""
    with pytest.raises(InputError) as caught:
        handler(engine, opened(engine), span(1), text)
    assert_sentence(caught)


def test_words_past_the_context_are_told(toy):
    """More tokens than the model can read are refused before it is asked."""
    words = "a" * (toy.info.context_length - 5)
    with pytest.raises((ContextTooLong, InputError)) as caught:
        FORCING.take_text(toy, opened(toy), None, words)
    assert_sentence(caught)


def test_found_tokens_have_the_probabilities_of_the_place(engine):
    """Each row of the search says what the model gives that token there; a click writes it."""
    before = opened(engine)
    listing, code = forcing.find(engine, before, span(3), "a")
    logprobs = engine.next(before.now.ids[:3]).logprob_by_id
    found = [row["id"] for row in listing["rows"]]
    assert found
    assert found == sorted(found, key=lambda i: (-logprobs[i], i))
    assert all(b"a" in engine.vocabulary.token(i).piece.lower() for i in found)
    assert str(found[0]) in code
    after = STEPS.choose(engine, before, click(listing, 0))[0]
    assert after.now.ids == (*before.now.ids[:3], found[0])
    assert after.now.picks[3].logprob == pytest.approx(float(logprobs[found[0]]), abs=1e-5)


def test_enter_takes_the_first_that_is_found(engine):
    """What Enter writes is the first row of the list, at the selected place."""
    before = opened(engine)
    first = forcing.find(engine, before, span(3), "a")[0]["rows"][0]["id"]
    after = FORCING.take_found(engine, before, span(3), "a")[0]
    assert after.now.ids == (*before.now.ids[:3], first)
    assert_picks_are_scored(engine, after.now, [3])


@pytest.mark.parametrize("query", ["", None, "\u2603\u2603\u2603", "id 9999999"])
def test_enter_with_nothing_found_is_told(engine, query):
    """A sentence, and nothing is written."""
    with pytest.raises(InputError) as caught:
        FORCING.take_found(engine, opened(engine), None, query)
    assert_sentence(caught)


def test_a_search_for_nothing_shows_nothing(engine):
    """An empty box is an empty list without code; a text no token holds says so."""
    assert forcing.find(engine, opened(engine), None, "")[0]["rows"] == []
    listing, code = forcing.find(engine, opened(engine), None, "\u2603\u2603\u2603")
    assert (listing["rows"], code) == ([], "")
    assert "No token holds" in listing["title"]


def test_the_ids_are_shown_before_they_are_taken(engine):
    """The preview's tokens and its heading are the ids that “Append” writes."""
    shown = forcing.preview(engine, WORDS)
    words = ids_of(engine, WORDS)
    assert chip_ids(shown) == list(words)
    assert shown["heading"].endswith("ids " + ", ".join(map(str, words)))
    assert forcing.preview(engine, "") == {"tokens": [], "heading": "", "__type__": "update"}


def test_scores_of_one_word_and_of_many_agree(engine):
    """One token is read from the distribution, several are scored: the same numbers."""
    context, words = opened(engine).now.ids, ids_of(engine, WORDS)
    one = forcing.scored_after(engine, context, words[:1])[0]
    many = forcing.scored_after(engine, context, words)[0]
    assert (one.id, one.rank) == (many.id, many.rank)
    assert np.isclose(one.logprob, many.logprob, atol=1e-4)

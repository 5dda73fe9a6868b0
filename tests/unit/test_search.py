"""Finding tokens by text, id or rank, against loops over the whole vocabulary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines.toy import ToyEngine
from core.search import find
from core.tokens import Distribution, Vocabulary

PIECES = (
    b" cat",
    b"Cat",
    b"catalog",
    b"dog",
    b"\xc3",
    b"\xa9t\xc3\xa9",
    b"5",
    b"15",
    b" CAT",
    b"#",
)
VOCABULARY = Vocabulary(PIECES, frozenset())
LOGITS = st.lists(st.integers(-3, 3), min_size=len(PIECES), max_size=len(PIECES))


def distribution(values):
    return Distribution.from_logits(np.array(values, dtype=np.float32))


def by_hand(query, given_logprobs):
    """The ids whose text holds the query, likeliest first, lowest id first among equals."""
    found = [i for i, piece in enumerate(PIECES) if query.lower().encode() in piece.lower()]
    return sorted(found, key=lambda i: (-given_logprobs[i], i))


@given(LOGITS, st.sampled_from(["cat", "CAT", " c", "o", "é", "t", "nothing"]))
def test_text_means_every_token_that_holds_it(values, query):
    """Upper and lower case alike, most likely first; nothing is left out."""
    given_logits = distribution(values)
    found = find(VOCABULARY, given_logits, query)
    assert found.tolist() == by_hand(query, given_logits.logprob_by_id)


@given(LOGITS, st.integers(0, 20))
def test_a_rank_means_the_token_of_that_rank(values, n):
    """“#3” is the third of the order; there is none of rank 0 or past the vocabulary."""
    given_logits = distribution(values)
    found = find(VOCABULARY, given_logits, f" #{n} ").tolist()
    assert found == [int(i) for i in given_logits.order][n - 1 : n] * (n > 0)


@given(LOGITS)
def test_digits_mean_the_id_first_then_the_text(values):
    """“5” is token 5, then every token that holds a 5; each of them once."""
    given_logits = distribution(values)
    found = find(VOCABULARY, given_logits, "5").tolist()
    others = by_hand("5", given_logits.logprob_by_id)
    assert found == [5, *(i for i in others if i != 5)]


@pytest.mark.parametrize("query", ["99999", "#0", "", "   nothing   "])
def test_what_is_not_there_is_an_empty_answer(query):
    """No token, no error."""
    assert find(VOCABULARY, distribution([0] * len(PIECES)), query).tolist() == []


def test_tokens_the_model_does_not_predict_are_left_out():
    """A vocabulary longer than the logits: ids past them can't be forced."""
    known = distribution([0, 0, 0])
    assert find(VOCABULARY, known, "cat").tolist() == [0, 1, 2]
    assert find(VOCABULARY, known, "5").tolist() == []


def test_an_engine_that_gives_only_some_says_so_by_silence():
    """Of a distribution with a tail, a rank past what is listed is no token."""
    logprobs = np.full(len(PIECES), -np.inf, dtype=np.float32)
    logprobs[[3, 1]] = np.log([0.5, 0.25])
    some = Distribution(logprobs, tail_mass=0.25)
    assert find(VOCABULARY, some, "#2").tolist() == [1]
    assert find(VOCABULARY, some, "#3").tolist() == []


def test_bytes_of_a_toy():
    """Every byte is found by its own character."""
    toy = ToyEngine()
    given_bytes = toy.next(toy.info.prefix_ids or (97,))
    for letter in "az":
        texts = {
            toy.vocabulary.pieces[i].lower() for i in find(toy.vocabulary, given_bytes, letter)
        }
        assert texts == {letter.encode()}


@given(LOGITS)
def test_an_id_by_name_is_that_token_alone(values):
    """“id 5” is token 5, whatever tokens spell it; of an id that is none nothing is found."""
    given_logits = distribution(values)
    assert find(VOCABULARY, given_logits, " ID 5 ").tolist() == [5]
    assert find(VOCABULARY, given_logits, "id5").tolist() == [5]
    assert find(VOCABULARY, given_logits, f"id {len(PIECES)}").tolist() == []

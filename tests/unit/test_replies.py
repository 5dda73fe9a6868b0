"""Replies read off the paths of a chat: where they begin, which stand beside each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.branches import Branches
from core.conversation import Conversation, with_turn_ended
from core.engines.toy import TURN_END, ToyEngine
from core.replies import next_seed, place_of_reply, replies_at
from core.tokens import Candidate

TOY = ToyEngine()
STOPS = TOY.info.stop_ids
START = with_turn_ended(TOY, Conversation(), "", "Hi")
TEXTS = st.lists(st.integers(97, 105), min_size=1, max_size=6)


def token(token_id):
    return Candidate(token_id, -token_id / 7, token_id + 1)


def drawn(talk, ids, seed):
    start = len(talk)
    for token_id in ids:
        talk = talk.drawn(token(token_id), start, seed, 1.0)
    return talk


def walked(documents):
    """The branches after each of these documents was shown."""
    past = Branches.of(Conversation()).go(START)
    for document in documents:
        past = past.go(document)
    return past


@given(st.lists(TEXTS, min_size=1, max_size=5, unique_by=tuple))
def test_replies_from_one_place_stand_beside_each_other(texts):
    """Each with its tokens, seed and bits; wherever in a reply one stands, or before all."""
    ended = [drawn(START, [*ids, TURN_END], seed) for seed, ids in enumerate(texts, start=1)]
    past = walked(ended)
    found = replies_at(past.ends, START.ids, STOPS)
    assert [(r.ids, r.draws[0].seed) for r in found] == [
        ((*ids, TURN_END), seed) for seed, ids in enumerate(texts, start=1)
    ]
    for reply, ids in zip(found, texts, strict=True):
        bits = sum(token_id / 7 for token_id in [*ids, TURN_END]) / 0.6931471805599453
        assert reply.total_bits == pytest.approx(bits)
        assert reply.bits_per_token == pytest.approx(bits / (len(ids) + 1))
        assert place_of_reply(reply.document, past.ends) == START
    assert place_of_reply(START, past.ends) == START
    assert next_seed(found, 1) == len(texts) + 1


def test_without_a_reply_there_is_no_place():
    """Nor replies, and the next seed is the one that was set."""
    past = walked([])
    assert place_of_reply(START, past.ends) is None
    assert replies_at(past.ends, START.ids, STOPS) == []
    assert next_seed([], 7) == 7


@given(TEXTS, TEXTS)
def test_a_reply_that_paused_is_one(first, second):
    """Stopped and gone on with, it still begins where its first token was drawn."""
    paused = drawn(START, first, 1)
    whole = drawn(paused, second, 2)
    past = walked([paused, whole])
    (reply,) = replies_at(past.ends, START.ids, STOPS)
    assert reply.ids == (*first, *second)
    assert [draw.seed for draw in reply.draws] == [1, 2]
    for talk in (paused, whole):
        assert place_of_reply(talk, past.ends) == START


def test_a_reply_is_drawn_after_a_token_picked_by_hand():
    """Its place is after that token; a reply cut and continued by hand is none."""
    begun = START.pick(token(99))
    by_hand = drawn(begun, [100, 101], 1)
    altered = drawn(START, [97, 98], 1).pick(token(120))
    past = walked([by_hand, altered])
    assert place_of_reply(by_hand, past.ends) == begun
    assert replies_at(past.ends, START.ids, STOPS) == []
    assert [r.ids for r in replies_at(past.ends, begun.ids, STOPS)] == [(100, 101)]


def test_a_further_turn_leaves_the_reply_as_it_was():
    """The reply ends where the model ended it, whatever was written after."""
    ended = drawn(START, [97, TURN_END], 1)
    later = with_turn_ended(TOY, ended, "", "And?")
    past = walked([ended, later])
    (reply,) = replies_at(past.ends, START.ids, STOPS)
    assert (reply.document.ids, reply.document.draws) == (ended.ids, ended.draws)
    assert place_of_reply(later, past.ends) == START


def test_two_seeds_that_draw_the_same_are_both_listed():
    """One path, two replies; the next seed is after both."""
    first, second = (drawn(START, [97, TURN_END], seed) for seed in (1, 2))
    past = walked([first, second])
    found = replies_at((*past.ends, *past.visits), START.ids, STOPS)
    assert [reply.draws[0].seed for reply in found] == [1, 2]
    assert next_seed(found, 1) == 3

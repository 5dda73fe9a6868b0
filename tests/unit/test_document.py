"""A document under way: ids appended and taken back, never lost and never written again."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.branches import MOST_VISITS, Branches
from core.document import Document, fingerprint
from core.tokens import Candidate

IDS = st.lists(st.integers(0, 300_000), max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pick"), st.integers(0, 300_000)),
        st.tuples(st.just("extend"), IDS),
        st.tuples(st.just("give"), IDS),
        st.tuples(st.sampled_from(["undo", "reset"]), st.none()),
        st.tuples(st.just("pick at"), st.tuples(st.integers(0, 300_000), st.floats(0, 1))),
    ),
    max_size=20,
)


def token(token_id):
    return Candidate(token_id, -token_id / 7, token_id + 1)


def picked(document, *ids):
    for token_id in ids:
        document = document.pick(token(token_id))
    return document


def after(document, verb, value):
    """(the document after a step, the ids it should have) for any step but undo and reset."""
    if verb == "pick":
        return document.pick(token(value)), (*document.ids, value)
    if verb == "extend":
        return picked(document, *value), (*document.ids, *value)
    if verb == "give":
        return document.give(value), (*document.ids, *value)
    token_id, share = value
    at = int(share * len(document))
    return document.pick(token(token_id), at), (*document.ids[:at], token_id)


@given(IDS, STEPS)
def test_every_step_appends_or_goes_back(given_ids, steps):
    """Ids after any steps are those a list would have; undo walks the whole way back."""
    history = Branches.of(Document(tuple(given_ids)))
    expected = [tuple(given_ids)]
    for verb, value in steps:
        if verb == "undo":
            history = history.undo()
            expected = expected[:-1] or expected
        elif verb == "reset":
            before = history
            history = history.go(history.first)
            if history != before:
                expected.append(tuple(given_ids))
        else:
            before = history
            document, ids = after(history.now, verb, value)
            history = history.go(document)
            if history != before:  # what changes nothing is no step
                expected.append(ids)
        assert history.now.ids == expected[-1]
        assert len(history.now) == len(history.now.ids)
        assert history.first.ids == tuple(given_ids)
    for ids in reversed(expected):
        assert history.now.ids == ids
        history = history.undo()
    assert history.now.ids == tuple(given_ids)


@given(IDS, STEPS)
def test_picks_are_tokens_of_the_document(given_ids, steps):
    """Each pick says of the id at its position what it was picked with, in order; others none."""
    document, kept = Document(tuple(given_ids)), {}
    for verb, value in steps:
        if verb in ("undo", "reset"):
            continue
        before = document
        document, _ = after(document, verb, value)
        if verb == "pick at":
            cut = len(document) - 1
            kept = {at: token_id for at, token_id in kept.items() if at < cut}
        if verb != "give":
            new_ids = range(cut if verb == "pick at" else len(before), len(document))
            kept |= {at: document.ids[at] for at in new_ids}
        assert document.picked() == [(at, token(kept[at])) for at in sorted(kept)]
        assert all(document.ids[at] == pick.id for at, pick in document.picked())


def test_a_step_leaves_the_document_before_as_it_was():
    """Ids and picks of a document never change: what is on the way back stays true."""
    document = picked(Document((1, 2)), 3)
    before = (document.ids, dict(document.picks))
    document.pick(token(9))
    document.pick(token(9), at=0)
    document.give([7, 8])
    assert (document.ids, dict(document.picks)) == before


def test_picking_in_the_given_text_cuts_after_it():
    """A different token in the middle of the given ids starts from there."""
    document = picked(Document((1, 2, 3)), 4, 5).pick(token(9), at=1)
    assert document.ids == (1, 9)
    assert document.picked() == [(1, token(9))]


def test_picking_among_the_picked_keeps_those_before():
    """Picked tokens stay picked, with what the model thought of them."""
    document = picked(Document((1, 2)), 4, 5, 6).pick(token(9), at=3)
    assert document.picked() == [(2, token(4)), (3, token(9))]
    assert document.ids == (1, 2, 4, 9)


def test_given_ids_stand_between_picks():
    """What is given after a pick is nobody's pick; the picks before it are kept."""
    document = picked(picked(Document((1,)), 2).give([3, 4]), 5)
    assert document.ids == (1, 2, 3, 4, 5)
    assert document.picked() == [(1, token(2)), (4, token(5))]


def test_a_run_of_tokens_is_one_step_to_undo():
    """Ten tokens that were one step of the history are taken back at once."""
    history = Branches.of(Document((1,)))
    assert history.go(picked(history.now, *range(10))).undo().now == history.now


def test_undo_at_the_start_changes_nothing():
    """There is nothing to take back."""
    history = Branches.of(Document((1, 2)))
    assert history.undo() == history
    assert history.first is history.now


def test_a_return_to_the_first_can_be_undone():
    """Back to the text, and back to what was picked."""
    history = Branches.of(Document((1,)))
    for token_id in (2, 3):
        history = history.go(history.now.pick(token(token_id)))
    again = history.go(history.first)
    assert again.now.ids == (1,)
    assert again.undo().now.ids == (1, 2, 3)


@pytest.mark.parametrize("n", [MOST_VISITS - 1, MOST_VISITS, MOST_VISITS + 1, 1000])
def test_the_way_back_is_bounded_and_ends_at_the_first(n):
    """At most so many steps back, then the first state: memory does not grow with the clicks."""
    history = Branches.of(Document())
    for i in range(n):
        history = history.go(history.now.give([i]))
    assert history.first == Document()
    assert len(history.visits) == min(n, MOST_VISITS) + 1
    walked = []
    while history.at:
        walked.append(len(history.now))
        history = history.undo()
    assert walked == list(range(n, n - len(walked), -1))
    assert history.now == Document()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_long_history_can_be_copied_and_sent(again):
    """Ids, picks and the way back survive deepcopy and pickling, 400 steps on."""
    history = Branches.of(Document((1,)))
    for i in range(400):
        history = history.go(history.now.pick(token(i)))
    back = again(history)
    assert back == history
    assert back.undo().now.picked() == history.undo().now.picked()


@given(IDS, IDS)
def test_a_fingerprint_tells_documents_apart(first, second):
    """Equal for equal ids only: by chance for different ones once in 2^64."""
    assert (fingerprint(first) == fingerprint(second)) == (first == second)


@pytest.mark.parametrize("ids", [[], [0], (5, 6)])
def test_a_fingerprint_does_not_depend_on_the_kind_of_list(ids):
    """Tuples, lists and arrays of the same ids have the same name."""
    assert fingerprint(tuple(ids)) == fingerprint(list(ids)) == fingerprint(np.array(ids, int))

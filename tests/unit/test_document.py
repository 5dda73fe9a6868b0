"""A document under way: ids appended and taken back, never lost and never written again."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.document import Chosen, Document, fingerprint
from core.tokens import Distribution

IDS = st.lists(st.integers(0, 300_000), max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("choose"), st.integers(0, 300_000)),
        st.tuples(st.just("extend"), IDS),
        st.tuples(st.just("give"), IDS),
        st.tuples(st.sampled_from(["undo", "reset"]), st.none()),
        st.tuples(st.just("choose at"), st.tuples(st.integers(0, 300_000), st.floats(0, 1))),
    ),
    max_size=20,
)


def token(token_id):
    return Chosen(token_id, -1.0, 1)


def after(document, verb, value):
    """(the document after a step, the ids it should have) for any step but undo and reset."""
    if verb == "choose":
        return document.choose(token(value)), (*document.ids, value)
    if verb == "extend":
        return document.extend([token(i) for i in value]), (*document.ids, *value)
    if verb == "give":
        return document.give(value), (*document.ids, *value)
    token_id, share = value
    at = int(share * len(document))
    return document.choose(token(token_id), at), (*document.ids[:at], token_id)


@given(IDS, STEPS)
def test_every_step_appends_or_goes_back(given_ids, steps):
    """Ids after any steps are those a list would have; undo walks the whole way back."""
    document = Document(tuple(given_ids))
    history = [document.ids]
    for verb, value in steps:
        if verb == "undo":
            document = document.undo()
            history = history[:-1] or history
        elif verb == "reset":
            before = document
            document = document.reset()
            if document is not before:
                history.append(tuple(given_ids))
        else:
            document, ids = after(document, verb, value)
            history.append(ids)
        assert document.ids == history[-1]
        assert len(document) == len(document.ids)
    for ids in reversed(history):
        assert document.ids == ids
        document = document.undo()
    assert document.ids == tuple(given_ids)


def test_choosing_in_the_given_text_cuts_after_it():
    """A different token in the middle of the given ids starts from there."""
    document = Document((1, 2, 3), (token(4), token(5))).choose(token(9), at=1)
    assert (document.given, document.ids) == ((1,), (1, 9))


def test_choosing_among_the_chosen_keeps_those_before():
    """Chosen tokens stay chosen, with what the model thought of them."""
    document = Document((1, 2), (token(4), token(5), token(6))).choose(token(9), at=3)
    assert document.given == (1, 2)
    assert [c.id for c in document.chosen] == [4, 9]


def test_a_run_of_tokens_is_one_step_to_undo():
    """Ten tokens at once are taken back at once."""
    document = Document((1,))
    assert document.extend([token(i) for i in range(10)]).undo() == document


def test_undo_and_reset_at_the_start_change_nothing():
    """There is nothing to take back."""
    document = Document((1, 2))
    assert document.undo() is document
    assert document.reset() is document


def test_a_reset_can_be_undone():
    """Back to the text, and back to what was chosen."""
    document = Document((1,)).choose(token(2)).choose(token(3))
    assert document.reset().ids == (1,)
    assert document.reset().undo().ids == (1, 2, 3)


def test_a_chosen_token_remembers_what_the_model_thought():
    """Log-probability and rank at the time of the choice."""
    distribution = Distribution.from_logits(np.array([0.0, 2.0, 1.0], dtype=np.float32))
    chosen = Chosen.of(distribution, 2)
    assert chosen == Chosen(2, distribution.logprob_of(2), 2)


def test_a_document_can_be_sent_to_another_process():
    """Its ids and its way back survive pickling."""
    document = Document((1,)).choose(token(2)).choose(token(3))
    back = pickle.loads(pickle.dumps(document))
    assert (back, back.undo()) == (document, document.undo())


@given(IDS, IDS)
def test_a_fingerprint_tells_documents_apart(first, second):
    """Equal for equal ids only: by chance for different ones once in 2^64."""
    assert (fingerprint(first) == fingerprint(second)) == (first == second)


@pytest.mark.parametrize("ids", [[], [0], (5, 6)])
def test_a_fingerprint_does_not_depend_on_the_kind_of_list(ids):
    """Tuples, lists and arrays of the same ids have the same name."""
    assert fingerprint(tuple(ids)) == fingerprint(list(ids)) == fingerprint(np.array(ids, int))

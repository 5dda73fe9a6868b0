"""Branches: whatever is chosen, undone and chosen again, no path is lost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.branches import Branches, continues, parting, total_bits
from core.document import Document
from core.tokens import Candidate


def token(token_id):
    return Candidate(token_id, -float(token_id) - 0.5, token_id + 1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pick"), st.integers(0, 2), st.floats(0, 1)),
        st.tuples(st.sampled_from(["undo", "redo"]), st.just(0), st.just(0.0)),
        st.tuples(st.just("return"), st.integers(0, 20), st.just(0.0)),
    ),
    max_size=25,
)


@given(STEPS)
def test_no_path_is_ever_lost(steps):
    """Every document ever shown is a path or begins one, and no path is the beginning of another.

    Undo shows what was shown before, redo takes it back.
    """
    tree = Branches.of(Document((9,)))
    shown = [tree.now]
    for verb, value, where in steps:
        before = tree
        if verb == "pick":
            at = 1 + round(where * (len(tree.now) - 1))
            tree = tree.go(tree.now.pick(token(value), at))
            assert tree == before or tree.undo().now == before.now
            assert tree == before or tree.undo().redo() == tree
        elif verb == "return":
            tree = tree.go(tree.ends[value % len(tree.ends)])
        else:
            tree = getattr(tree, verb)()
            assert tree.ends == before.ends
        shown.append(tree.now)
    for document in shown:
        assert any(continues(end, document) for end in tree.ends)
    for end in tree.ends:
        assert [continues(other, end) for other in tree.ends].count(True) == 1


def test_choosing_another_token_earlier_keeps_the_old_continuation():
    """The old path stays an end; the new one stands after it."""
    start = Document((1,))
    old = start.pick(token(2)).pick(token(3))
    tree = Branches.of(start).go(start.pick(token(2))).go(old)
    new = old.pick(token(5), 1)
    tree = tree.go(new)
    assert [end.ids for end in tree.ends] == [(1, 2, 3), (1, 5)]
    assert parting(old, new) == 1
    assert parting(old, old) == 3


@pytest.mark.parametrize("verb", ["undo", "redo"])
def test_there_is_nothing_before_the_first_or_after_the_last(verb):
    """Undo and redo at their ends change nothing."""
    tree = Branches.of(Document((1,)))
    assert getattr(tree, verb)() == tree


def test_bits_of_a_path_are_those_of_its_picks():
    """The sum of −log2 p over what was picked, from a place on."""
    document = Document((1,)).pick(token(0)).pick(token(1))
    assert total_bits(document) == pytest.approx((0.5 + 1.5) / math.log(2))
    assert total_bits(document, 2) == pytest.approx(1.5 / math.log(2))

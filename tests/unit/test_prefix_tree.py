"""The tree of computed beginnings: shared, bounded, least recently used first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines.local.prefix_tree import NoRoom, PrefixTree

DOCUMENTS = st.lists(st.integers(1, 3), min_size=1, max_size=6).map(tuple)


def compute(nodes):
    """What a pass does to the nodes it was given."""
    for node in nodes:
        node.ready = True


def use(tree, ids):
    """Pin, compute and release a document."""
    nodes = tree.pin(ids)
    compute(nodes)
    tree.release(nodes)
    return nodes


def everything(tree):
    """Every node below the root."""
    waiting, found = list(tree._root.children.values()), []
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].children.values()
    return found


def assert_sound(tree):
    """Each slot is free or has one owner, and what can be taken is what nothing continues."""
    nodes = everything(tree)
    slots = [node.slot for node in nodes] + tree._free
    assert sorted(slots) == list(range(tree.n_slots))
    assert tree.n_used == len(nodes)
    assert set(tree._leaves) == {node for node in nodes if not node.children}
    for node in nodes:
        assert node.parent is tree._root or node.depth == node.parent.depth + 1


@given(st.data(), st.integers(1, 12))
def test_any_sequence_of_documents_keeps_the_tree_sound(data, n_slots):
    """Whatever is pinned, computed or given up: no slot is lost or shared, no pinned token goes.

    A document that doesn't fit raises NoRoom and changes nothing for those under way; one
    that was computed last is still there.
    """
    tree, under_way = PrefixTree(n_slots), []
    for _ in range(data.draw(st.integers(1, 25))):
        if under_way and data.draw(st.booleans()):
            ids, nodes = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            if data.draw(st.booleans()):
                compute(nodes)
                tree.release(nodes)
                assert tree.n_missing(ids) == 0
            else:
                tree.release(nodes)
        else:
            ids = data.draw(DOCUMENTS)
            try:
                under_way.append((ids, tree.pin(ids)))
            except NoRoom:
                pinned = {node for _, nodes in under_way for node in nodes}
                assert len(pinned) + len(ids) > n_slots
        assert_sound(tree)
        for ids, nodes in under_way:
            assert [node.token for node in nodes] == list(ids)
            assert set(nodes) <= set(everything(tree))


def test_a_shared_beginning_is_kept_once():
    """Two documents own the slots of their common tokens together; a fork misses one token."""
    tree = PrefixTree(10)
    use(tree, (1, 2, 3))
    assert tree.n_missing((1, 2, 4)) == 1
    assert tree.n_missing((1, 2)) == 0
    assert tree.n_missing((2, 2)) == 2
    use(tree, (1, 2, 4))
    assert tree.n_used == 4


def test_the_document_used_longest_ago_gives_up_its_end_first():
    """Room is made from the end of the oldest document; what was used again since stays."""
    tree = PrefixTree(4)
    use(tree, (1, 2))
    use(tree, (3, 4))
    use(tree, (1, 2))
    use(tree, (5,))
    assert [tree.n_missing(ids) for ids in [(1, 2), (3,), (3, 4), (5,)]] == [0, 0, 1, 0]


def test_what_was_never_computed_is_given_back():
    """A pass that was dropped leaves no trace, but what others wait for stays."""
    tree = PrefixTree(5)
    first, second = tree.pin((1, 2, 3)), tree.pin((1, 2, 4, 5))
    tree.release(second)
    assert tree.n_used == 3
    compute(first)
    tree.release(first)
    assert tree.n_missing((1, 2, 3)) == 0


def test_under_way_is_known_to_others():
    """A document waits while a pass computes one of its tokens, a stranger does not."""
    tree = PrefixTree(5)
    nodes = tree.pin((1, 2, 3))
    nodes[1].under_way = True
    assert tree.under_way((1, 2, 9))
    assert not tree.under_way((1,))
    assert not tree.under_way((7, 8))


def test_no_room_leaves_the_tree_as_it_was():
    """A document longer than what is left makes no node."""
    tree = PrefixTree(3)
    tree.pin((1, 2))
    with pytest.raises(NoRoom):
        tree.pin((1, 3, 4))
    assert tree.n_used == 2
    assert len(tree.pin((1, 3))) == 2

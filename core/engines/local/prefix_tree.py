"""Which beginnings of documents are computed already: a tree of token ids with slots.

Every node is one token after its parent and owns one slot, the place where the engine
keeps that token's keys and values. Shared beginnings are shared nodes, so the prompt of
thirty students is computed once, and a fork costs one token. Bounded: when all slots are
taken, the token used least recently that nothing continues gives up its own. Knows
nothing of tensors. Not thread-safe: one thread owns it.
"""

from collections import OrderedDict
from collections.abc import Sequence

from core.tokens import Ids


class NoRoom(Exception):
    """Every slot belongs to a document that is being computed."""


class Node:
    """One token of a document, after all its ancestors; the root stands before the first.

    ``depth`` counts the tokens up to and including this one. ``ready``: its slot holds
    what it should. ``under_way``: a pass is computing it. ``pins``: how many documents
    that end here are being worked on.
    """

    __slots__ = ("children", "depth", "parent", "pins", "ready", "slot", "token", "under_way")

    def __init__(self, token: int, parent: "Node | None", slot: int) -> None:
        self.token = token
        self.parent = parent
        self.slot = slot
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.children: dict[int, Node] = {}
        self.pins = 0
        self.ready = parent is None
        self.under_way = False


class PrefixTree:
    """At most ``n_slots`` tokens, found by the ids that lead to them."""

    def __init__(self, n_slots: int) -> None:
        self.n_slots = n_slots
        self._root = Node(-1, None, -1)
        self._free = list(range(n_slots - 1, -1, -1))
        self._leaves: OrderedDict[Node, None] = OrderedDict()  # least recently used first

    @property
    def n_used(self) -> int:
        """How many slots hold a token."""
        return self.n_slots - len(self._free)

    def n_missing(self, ids: Ids) -> int:
        """How many tokens of a document are still to be computed."""
        node = self._root
        for i, token in enumerate(ids):
            child = node.children.get(token)
            if child is None or not child.ready:
                return len(ids) - i
            node = child
        return 0

    def under_way(self, ids: Ids) -> bool:
        """Whether a pass is computing a token of a document."""
        node = self._root
        for token in ids:
            child = node.children.get(token)
            if child is None:
                return False
            if child.under_way:
                return True
            node = child
        return False

    def pin(self, ids: Ids) -> list[Node]:
        """The nodes of a document, new ones made as needed; they stay until ``release``.

        Raises NoRoom, with nothing pinned.
        """
        nodes: list[Node] = []
        node = self._root
        for token in ids:
            child = node.children.get(token) or self._add(node, token)
            if child is None:
                self._forget_unready(node)
                raise NoRoom
            nodes.append(child)
            node = child
        node.pins += 1
        return nodes

    def release(self, nodes: Sequence[Node]) -> None:
        """Unpin a document; what was never computed goes, its end was used most recently."""
        last = nodes[-1]
        last.pins -= 1
        if last in self._leaves:
            self._leaves.move_to_end(last)
        self._forget_unready(last)

    def _add(self, parent: Node, token: int) -> Node | None:
        """A new child in a free slot; None when no slot can be had."""
        was_leaf = parent in self._leaves
        self._leaves.pop(parent, None)  # not to be taken from under its child
        slot = self._free.pop() if self._free else self._take_oldest()
        if slot is None:
            if was_leaf:
                self._leaves[parent] = None
            return None
        self._leaves.pop(parent, None)  # where the slot was its last child's
        child = Node(token, parent, slot)
        parent.children[token] = child
        self._leaves[child] = None
        return child

    def _take_oldest(self) -> int | None:
        leaf = next((leaf for leaf in self._leaves if not leaf.pins), None)
        if leaf is None:
            return None
        self._unlink(leaf)
        return leaf.slot

    def _forget_unready(self, node: Node) -> None:
        """Give back the slots of tokens, from a document's end on, that nobody waits for."""
        while not (node.ready or node.children or node.pins) and node.parent is not None:
            self._unlink(node)
            self._free.append(node.slot)
            node = node.parent
        if node in self._leaves:
            self._leaves.move_to_end(node)  # what was computed of it is as recent as the document

    def _unlink(self, leaf: Node) -> None:
        del self._leaves[leaf]
        parent = leaf.parent
        assert parent is not None  # the root is no leaf
        del parent.children[leaf.token]
        if not parent.children and parent is not self._root:
            self._leaves[parent] = None
            self._leaves.move_to_end(parent, last=False)

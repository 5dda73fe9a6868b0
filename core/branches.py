"""Every path that was taken through a document, and the way back and forth between them.

A path is a tuple of ids; choosing another token at an earlier place begins a new one and
keeps the old. Knows nothing of engines or pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Generic, TypeVar

from core.document import Document
from core.tokens import LN2

MOST_PATHS = 100
MOST_VISITS = 200

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Branches(Generic[D]):
    """The documents visited, in order, which of them is shown, and all paths' ends.

    ``visits[at]`` is shown; the first visit is never forgotten. ``ends`` are the documents
    that no other continues, in the order in which their paths began.
    """

    visits: tuple[D, ...]
    ends: tuple[D, ...]
    at: int = 0

    @classmethod
    def of(cls, document: D) -> "Branches[D]":
        """One path with one document."""
        return cls((document,), (document,))

    @property
    def now(self) -> D:
        """The document that is shown."""
        return self.visits[self.at]

    @property
    def first(self) -> D:
        """Where it all began."""
        return self.visits[0]

    def go(self, document: D) -> "Branches[D]":
        """Show a document, as a step that can be undone; no path is lost.

        The document on show is no step.
        """
        if document == self.now:
            return self
        later = (*self.visits[1 : self.at + 1], document)[-MOST_VISITS:]
        ends = with_path(self.ends, document)[-MOST_PATHS:]
        return Branches((self.first, *later), ends, len(later))

    def undo(self) -> "Branches[D]":
        """One visit back, or as it is at the first."""
        return replace(self, at=max(0, self.at - 1))

    def redo(self) -> "Branches[D]":
        """One visit forward, or as it is at the last."""
        return replace(self, at=min(len(self.visits) - 1, self.at + 1))


@dataclass(frozen=True)
class Stretch:
    """A run of tokens that some paths share: start…stop-1 of ``ends[path]``.

    ``depth`` counts the forks before it; ``last``: a path ends with it.
    """

    path: int
    start: int
    stop: int
    depth: int
    last: bool


def with_path(ends: Sequence[D], document: D) -> tuple[D, ...]:
    """The ends of all paths once a document was visited."""
    if any(continues(end, document) for end in ends):
        return tuple(ends)
    for i, end in enumerate(ends):
        if continues(document, end):
            return (*ends[:i], document, *ends[i + 1 :])
    return (*ends, document)


def continues(longer: Document, shorter: Document) -> bool:
    """Whether a document begins with all of another one, or is the same."""
    return longer.ids[: len(shorter)] == shorter.ids


def parting(first: Document, second: Document) -> int:
    """The position of the first token that two documents don't share."""
    pairs = zip(first.ids, second.ids, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def tree(ends: Sequence[Document]) -> list[Stretch]:
    """The paths as a tree, each shared run of tokens once, its branches after it."""
    return _stretches(ends, list(range(len(ends))), 0, 0)


def _stretches(ends: Sequence[Document], paths: list[int], start: int, depth: int) -> list[Stretch]:
    """The tree of the paths that share everything before ``start``."""
    first = ends[paths[0]]
    stop = min(len(first) if p == paths[0] else parting(first, ends[p]) for p in paths)
    run = [Stretch(paths[0], start, stop, depth, len(paths) == 1)]
    if len(paths) == 1:
        return run
    by_token: dict[int, list[int]] = {}
    for path in paths:
        by_token.setdefault(ends[path].ids[stop], []).append(path)
    for group in by_token.values():
        run += _stretches(ends, group, stop, depth + (stop > start))
    return run if stop > start else run[1:]


def total_bits(document: Document, start: int = 0, stop: int | None = None) -> float:
    """−log2 of the probability of the tokens picked in start…stop-1, all together."""
    stop = len(document) if stop is None else stop
    return sum(-pick.logprob / LN2 for at, pick in document.picked() if start <= at < stop)

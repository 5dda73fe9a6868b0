"""Every path that was taken through a document, and the way back and forth between them.

A path is a tuple of ids; choosing another token at an earlier place begins a new one and
keeps the old. Knows nothing of engines or pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from core.document import Document
from core.tokens import LN2

MOST_PATHS = 100
MOST_VISITS = 500


@dataclass(frozen=True)
class Branches:
    """The documents visited, in order, which of them is shown, and all paths' ends.

    ``visits[at]`` is shown. ``ends`` are the documents that no other continues, in the order
    in which their paths began.
    """

    visits: tuple[Document, ...]
    ends: tuple[Document, ...]
    at: int = 0

    @classmethod
    def of(cls, document: Document) -> "Branches":
        """One path with one document."""
        return cls((document,), (document,))

    @property
    def now(self) -> Document:
        """The document that is shown."""
        return self.visits[self.at]

    def go(self, document: Document) -> "Branches":
        """Show a document, as a step that can be undone; no path is lost."""
        visits = (*self.visits[: self.at + 1], document)[-MOST_VISITS:]
        ends = with_path(self.ends, document)[-MOST_PATHS:]
        return Branches(visits, ends, len(visits) - 1)

    def undo(self) -> "Branches":
        """One visit back, or as it is at the first."""
        return replace(self, at=max(0, self.at - 1))

    def redo(self) -> "Branches":
        """One visit forward, or as it is at the last."""
        return replace(self, at=min(len(self.visits) - 1, self.at + 1))


def with_path(ends: Sequence[Document], document: Document) -> tuple[Document, ...]:
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


def total_bits(document: Document, start: int = 0) -> float:
    """−log2 of the probability of the tokens picked from ``start`` on, all together."""
    return sum(-pick.logprob / LN2 for at, pick in document.picked() if at >= start)

"""A document under way: token ids, which of them were picked, and the way back.

Nothing is ever tokenized again: picking appends an id, undoing returns what was there
before. Knows nothing of engines or pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Generic, TypeVar

import numpy as np

from core.tokens import Candidate, Ids

State = TypeVar("State")
MOST_STEPS_BACK = 200


@dataclass(frozen=True)
class Document:
    """Token ids in order; ``picks`` says of those that were picked what the model gave them."""

    ids: tuple[int, ...] = ()
    picks: Mapping[int, Candidate] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, token: Candidate, at: int | None = None) -> "Document":
        """The document with ``token`` at position ``at`` (the end by default), cut after it."""
        at = len(self) if at is None else at
        kept = {i: pick for i, pick in self.picks.items() if i < at}
        return Document((*self.ids[:at], token.id), kept | {at: token})

    def give(self, ids: Ids) -> "Document":
        """The document with ids after it that nobody picked."""
        return Document((*self.ids, *ids), self.picks)

    def picked(self) -> Sequence[tuple[int, Candidate]]:
        """(position, token) of all that was picked, in order."""
        return sorted(self.picks.items())


@dataclass(frozen=True)
class History(Generic[State]):
    """A state and those before it: the first, and at most ``MOST_STEPS_BACK`` others."""

    now: State
    past: tuple[State, ...] = field(default=(), repr=False)

    def then(self, state: State) -> "History[State]":
        """The history with a new state, one step further."""
        past = (*self.past, self.now)
        return History(state, (past[0], *past[1:][-MOST_STEPS_BACK:]))

    @property
    def first(self) -> State:
        """Where it all began."""
        return self.past[0] if self.past else self.now

    def undo(self) -> "History[State]":
        """One step back; the history itself when there is none."""
        return History(self.past[-1], self.past[:-1]) if self.past else self


def fingerprint(ids: Ids) -> str:
    """A short name for a list of ids, to tell whether a click is about this document."""
    return blake2s(np.asarray(ids, dtype=np.int64).tobytes(), digest_size=8).hexdigest()

"""A document under way: token ids that were given, ids that were chosen, and the way back.

Nothing is ever tokenized again: choosing appends an id, undoing returns the document
before. Knows nothing of engines or pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2s

import numpy as np

from core.tokens import Distribution, Ids


@dataclass(frozen=True)
class Chosen:
    """A token that was picked, with what the model thought of it (natural log)."""

    id: int
    logprob: float
    rank: int | None

    @classmethod
    def of(cls, distribution: Distribution, token_id: int) -> "Chosen":
        """The token ``token_id``, picked from a distribution."""
        return cls(token_id, distribution.logprob_of(token_id), distribution.rank_of(token_id))


@dataclass(frozen=True)
class Document:
    """``given`` ids (typed or templated), then ``chosen`` tokens; ``before`` is one step back."""

    given: tuple[int, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    before: "Document | None" = field(default=None, repr=False, compare=False)

    @property
    def ids(self) -> tuple[int, ...]:
        """All ids, in order."""
        return (*self.given, *(c.id for c in self.chosen))

    def __len__(self) -> int:
        return len(self.given) + len(self.chosen)

    def choose(self, token: Chosen, at: int | None = None) -> "Document":
        """The document with ``token`` at position ``at`` (the end by default), cut after it."""
        at = len(self) if at is None else at
        kept = self.chosen[: max(0, at - len(self.given))]
        return Document(self.given[:at], (*kept, token), before=self)

    def extend(self, tokens: Sequence[Chosen]) -> "Document":
        """The document with several tokens at its end, as one step to undo."""
        return replace(self, chosen=(*self.chosen, *tokens), before=self)

    def give(self, ids: Ids) -> "Document":
        """The document with ids written after it that nobody chose (a further turn)."""
        return Document((*self.ids, *ids), before=self)

    def undo(self) -> "Document":
        """One step back; the document itself when there is none."""
        return self if self.before is None else self.before

    def reset(self) -> "Document":
        """Back to the given text, as a step that can be undone."""
        first = self
        while first.before is not None:
            first = first.before
        return replace(first, before=self) if first.ids != self.ids else self


def fingerprint(ids: Ids) -> str:
    """A short name for a list of ids, to tell whether a click is about this document."""
    return blake2s(np.asarray(ids, dtype=np.int64).tobytes(), digest_size=8).hexdigest()

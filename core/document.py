"""A document under way: token ids, and which of them were picked.

Nothing is ever tokenized again: picking appends an id. Knows nothing of engines or pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2s
from typing import Self

import numpy as np

from core.tokens import Candidate, Ids


@dataclass(frozen=True)
class Document:
    """Token ids in order; ``picks`` says of those that were picked what the model gave them."""

    ids: tuple[int, ...] = ()
    picks: Mapping[int, Candidate] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, token: Candidate, at: int | None = None) -> Self:
        """The document with ``token`` at position ``at`` (the end by default), cut after it."""
        return self.pick_all([token], at)

    def pick_all(self, tokens: Sequence[Candidate], at: int | None = None) -> Self:
        """The document cut at ``at`` (the end by default) with picked tokens after it."""
        at = len(self) if at is None else at
        cut = self.cut(at)
        picks = cut.picks | dict(enumerate(tokens, start=at))  # type: ignore[operator]
        return replace(cut, ids=(*cut.ids, *(token.id for token in tokens)), picks=picks)

    def cut(self, at: int) -> Self:
        """Its first ``at`` tokens."""
        kept = {i: pick for i, pick in self.picks.items() if i < at}
        return replace(self, ids=self.ids[:at], picks=kept)

    def given(self) -> Self:
        """Its tokens before the first that was picked."""
        return self.cut(min(self.picks, default=len(self)))

    def give(self, ids: Ids) -> Self:
        """The document with ids after it that nobody picked."""
        return replace(self, ids=(*self.ids, *ids))

    def picked(self) -> Sequence[tuple[int, Candidate]]:
        """(position, token) of all that was picked, in order."""
        return sorted(self.picks.items())


def fingerprint(ids: Ids) -> str:
    """A short name for a list of ids, to tell whether a click is about this document."""
    return blake2s(np.asarray(ids, dtype=np.int64).tobytes(), digest_size=8).hexdigest()

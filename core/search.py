"""Finding tokens in a vocabulary by their text, their id, or their rank.

Works on a vocabulary and a distribution alone. Knows nothing of engines or pages.
"""

import re
from functools import lru_cache

import numpy as np

from core.tokens import Distribution, Ints, Vocabulary

RANK = re.compile(r"#\s*([0-9]{1,7})")
ID = re.compile(r"id\s*([0-9]{1,7})", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]{1,7}")


def find(vocabulary: Vocabulary, distribution: Distribution, query: str) -> Ints:
    """The ids that a query means, most likely first, ties by lowest id.

    ``#5`` is the token of rank 5, ``id 42`` the token with that id. Any other query means all
    tokens whose text contains it, upper and lower case alike; digits alone mean the token with
    that id as well, which comes first.
    """
    if rank := RANK.fullmatch(query.strip()):
        n = int(rank[1])
        return distribution.top(n)[n - 1 : n] if n else distribution.top(1)[:0]
    if (own := named_id(query)) is not None:
        return np.array([own] if own < distribution.vocab_size else [], dtype=np.int64)
    found = np.asarray(containing(vocabulary, query), dtype=np.int64)
    found = found[found < distribution.vocab_size]
    found = found[np.argsort(-distribution.logprob_by_id[found], kind="stable")]
    if NUMBER.fullmatch(query.strip()) and int(query) < distribution.vocab_size:
        own = int(query)
        return np.concatenate([[own], found[found != own]]).astype(np.int64)
    return found


def named_id(query: str) -> int | None:
    """The token id that “id 42” names; None for other words. It may be of no token."""
    named = ID.fullmatch(query.strip())
    return int(named[1]) if named else None


@lru_cache(maxsize=64)
def containing(vocabulary: Vocabulary, query: str) -> tuple[int, ...]:
    """All ids whose bytes contain the query's, upper and lower case alike, by id."""
    wanted = query.casefold().encode()
    if not wanted:
        return ()
    pieces = _folded(vocabulary)
    return tuple(i for i, piece in enumerate(pieces) if wanted in piece)


@lru_cache(maxsize=4)
def _folded(vocabulary: Vocabulary) -> tuple[bytes, ...]:
    """Every piece with its letters folded; broken bytes stay as they are."""
    return tuple(
        piece.decode("utf-8", errors="surrogateescape")
        .casefold()
        .encode("utf-8", errors="surrogateescape")
        for piece in vocabulary.pieces
    )

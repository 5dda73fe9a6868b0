"""The plain values everything passes around: tokens, distributions, scored texts.

Frozen, made of numpy arrays and strings only, picklable. Knows nothing of
engines, charts or pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import NoPrediction
from core.largest import largest_first, nth_largest

LN2 = float(np.log(2.0))
Ids = Sequence[int]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
MOST_PARTS = 16  # tokens looked at before bytes are given up as broken


@dataclass(frozen=True)
class Token:
    """One entry of a vocabulary: its id, the bytes it stands for, and whether it is control.

    A special token's bytes spell its name (``<bos>``); it is not text.
    """

    id: int
    piece: bytes
    special: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the bytes are whole UTF-8 characters (not a part of one)."""
        return _decodes(self.piece)

    @property
    def text(self) -> str:
        """The piece as text; a byte that is part of a character reads ``<0xE2>``."""
        if self.is_text:
            return self.piece.decode("utf-8")
        return "".join(f"<0x{byte:02X}>" for byte in self.piece)


@dataclass(frozen=True)
class Vocabulary:
    """All tokens of a model: ``pieces[i]`` are the bytes of id i, ``specials`` the control ids.

    Ids past the end of ``pieces`` exist only as padding of the model's output
    layer: they are special and spelt ``<unused 49153>``.
    """

    pieces: tuple[bytes, ...]
    specials: frozenset[int]

    def __len__(self) -> int:
        return len(self.pieces)

    def token(self, token_id: int) -> Token:
        """The token with this id."""
        if token_id >= len(self.pieces):
            return Token(int(token_id), b"<unused %d>" % token_id, special=True)
        return Token(int(token_id), self.pieces[token_id], token_id in self.specials)

    def tokens(self, ids: Ids) -> tuple[Token, ...]:
        """The tokens with these ids, in order."""
        return tuple(self.token(int(i)) for i in ids)


@dataclass(frozen=True)
class Candidate:
    """A token with what the model gives it: natural log-probability and rank.

    The rank is None where the engine did not say; the log-probability is then -inf, unless
    it said that.
    """

    id: int
    logprob: float
    rank: int | None

    @property
    def known(self) -> bool:
        """Whether the engine said how likely the token is."""
        return self.rank is not None or self.logprob > -np.inf


@dataclass(frozen=True, eq=False)
class Distribution:
    """A next-token distribution: natural log-probabilities, normalised over the vocabulary.

    ``logprob_by_id``: float32 [vocabulary]; -inf where the engine did not say.
    ``tail_mass``: the probability of all those ids together, exactly 0 for an
    engine that gives the whole vocabulary. Ranks and order break ties by lowest id.
    """

    logprob_by_id: Floats
    tail_mass: float = 0.0

    def __post_init__(self) -> None:
        self.logprob_by_id.setflags(write=False)

    def __reduce__(self) -> tuple[object, ...]:
        # the cached order is cheap to make again and doubles the pickle
        return type(self), (self.logprob_by_id, self.tail_mass)

    @classmethod
    def from_logits(cls, logits: Floats) -> "Distribution":
        """Softmax over the whole of ``logits`` [vocabulary] in float32, as log-probabilities."""
        peak = np.max(logits)
        shifted = (logits - peak).astype(np.float32)
        return cls(shifted - np.log(np.sum(np.exp(shifted), dtype=np.float64)).astype(np.float32))

    @property
    def vocab_size(self) -> int:
        """How many tokens share the probability."""
        return len(self.logprob_by_id)

    @property
    def complete(self) -> bool:
        """Whether every token of the vocabulary has its own probability here."""
        return self.tail_mass == 0.0

    @cached_property
    def order(self) -> Ints:
        """All ids the engine gave, most likely first; equal ones by lowest id."""
        order = largest_first(self.logprob_by_id)
        return order[: int(np.count_nonzero(np.isfinite(self.logprob_by_id)))]

    @cached_property
    def entropy_bits(self) -> float | None:
        """Entropy over the whole vocabulary in bits; None when the tail is unknown."""
        if not self.complete:
            return None
        probs = np.exp(self.logprob_by_id)
        terms = np.multiply(probs, self.logprob_by_id, where=probs > 0, out=probs)
        return float(-np.sum(terms, dtype=np.float64) / LN2)

    def top(self, n: int) -> Ints:
        """The ids of the ``n`` most likely tokens, most likely first, ties by lowest id."""
        logprobs = self.logprob_by_id
        if "order" in self.__dict__ or not 0 < 2 * n < len(logprobs):
            return self.order[:n]
        ids = np.flatnonzero((logprobs >= nth_largest(logprobs, n)) & np.isfinite(logprobs))
        return ids[np.argsort(-logprobs[ids], kind="stable")][:n]

    def logprob_of(self, token_id: int) -> float:
        """Natural log-probability of one token; -inf where the engine did not say."""
        return float(self.logprob_by_id[token_id])

    def candidate(self, token_id: int) -> Candidate:
        """One token of the vocabulary with its log-probability and rank."""
        token_id = int(token_id)
        return Candidate(token_id, self.logprob_of(token_id), self.rank_of(token_id))

    def mass_outside(self, ids: Ids | Ints) -> float:
        """The probability of all tokens that are not in ``ids``, summed, not subtracted."""
        others = np.exp(self.logprob_by_id)
        others[np.asarray(ids, dtype=np.int64)] = 0
        return float(np.sum(others, dtype=np.float64)) + self.tail_mass

    def rank_of(self, token_id: int) -> int | None:
        """1 for the most likely token; None where the engine did not say."""
        logprob = self.logprob_by_id[token_id]
        if not self.complete and not np.isfinite(logprob):
            return None
        above = np.count_nonzero(self.logprob_by_id > logprob)
        equal_before = np.count_nonzero(self.logprob_by_id[:token_id] == logprob)
        return int(above + equal_before) + 1


@dataclass(frozen=True, eq=False)
class ScoredText:
    """What a model made of each token of a document, given all before it.

    Row i is about token i, from the distribution after tokens 0…i-1. Row 0 has
    no prediction: NaN, rank 0. ``logprobs``, ``entropies_bits`` float32 [n];
    ``ranks`` [n]; ``top_ids``, ``top_logprobs`` [n, k], most likely first;
    ``rest_mass`` [n] is the probability of all tokens that are not in ``top_ids``.
    """

    ids: tuple[int, ...]
    logprobs: Floats
    ranks: Ints
    entropies_bits: Floats
    top_ids: Ints
    top_logprobs: Floats
    rest_mass: Floats

    def __post_init__(self) -> None:
        for values in self.columns:
            values.setflags(write=False)

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """The arrays, in the order of ``unscored_columns``."""
        return (
            self.logprobs,
            self.ranks,
            self.entropies_bits,
            self.top_ids,
            self.top_logprobs,
            self.rest_mass,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def candidate(self, i: int) -> Candidate:
        """Token ``i`` with its log-probability and rank."""
        return Candidate(self.ids[i], float(self.logprobs[i]), int(self.ranks[i]) or None)

    @property
    def surprisals_bits(self) -> NDArray[np.float64]:
        """−log2 p of each token, float64 [n]; NaN where nothing was predicted."""
        return -self.logprobs.astype(np.float64) / LN2

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Whether token i was predicted from something before it, [n]."""
        return ~np.isnan(self.logprobs)


def unscored_columns(n: int, top_n: int) -> tuple[NDArray[Any], ...]:
    """The columns of a ScoredText of n tokens, in order, before anything is scored."""
    return (
        np.full(n, np.nan, dtype=np.float32),
        np.zeros(n, dtype=np.int64),
        np.full(n, np.nan, dtype=np.float32),
        np.zeros((n, top_n), dtype=np.int64),
        np.full((n, top_n), -np.inf, dtype=np.float32),
        np.full(n, np.nan, dtype=np.float32),
    )


@dataclass(frozen=True)
class ChatDocument:
    """Messages written by a chat template: the ids the model sees, and nothing else.

    ``turn_start`` is the id of the control token that opens every turn, None
    for a template without one.
    """

    ids: tuple[int, ...]
    turn_start: int | None


def partial_characters(tokens: Sequence[Token]) -> list[str | None]:
    """For each token that holds only a part of a character: that character, else None.

    Bytes are followed across neighbouring tokens; a part that is never
    completed belongs to ``"?"``.
    """
    found: list[str | None] = [None] * len(tokens)
    start = 0
    while start < len(tokens):
        if tokens[start].is_text or tokens[start].special:
            start += 1
            continue
        stop = _end_of_parts(tokens, start)
        joined = b"".join(token.piece for token in tokens[start:stop])
        character = joined.decode("utf-8") if _decodes(joined) else "?"
        found[start:stop] = [character] * (stop - start)
        start = stop
    return found


def _end_of_parts(tokens: Sequence[Token], start: int) -> int:
    """One past the last token needed to make whole characters from ``start`` on."""
    pieces = []
    for token in tokens[start : start + MOST_PARTS]:
        if token.special:
            break
        pieces.append(token.piece)
    for length, joined in enumerate(accumulate(pieces), start=1):
        if _decodes(joined):
            return start + length
    return start + 1


def _decodes(piece: bytes) -> bool:
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def require_context(ids: Ids) -> None:
    """Raise NoPrediction when nothing stands before the position asked for."""
    if len(ids) == 0:  # ids may be an array
        raise NoPrediction(
            "Nothing stands before the first token, so the model predicts nothing there. "
            "Pick a later token, or type some text first."
        )

"""The numbers of information theory that the demos teach, from log-probabilities.

Bits are on the model's own distribution. Knows nothing of engines or pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np

from core.tokens import LN2, Distribution, ScoredText, Token


@dataclass(frozen=True)
class Measures:
    """Sums and averages over the tokens of a span that were predicted.

    ``n_tokens`` counts all tokens of the span, ``n_scored`` those with a prediction;
    ``n_bytes`` are the UTF-8 bytes of the scored ones (special tokens spell none).
    ``total_bits`` and the averages are None when nothing was scored, never 0.
    """

    n_tokens: int
    n_scored: int
    n_bytes: int
    total_bits: float | None

    @property
    def bits_per_token(self) -> float | None:
        """Cross-entropy in bits per token."""
        return None if self.total_bits is None else self.total_bits / self.n_scored

    @property
    def nats_per_token(self) -> float | None:
        """Cross-entropy in nats per token: bits times ln 2."""
        return self.bits_per_token * float(np.log(2)) if self.bits_per_token is not None else None

    @property
    def bits_per_byte(self) -> float | None:
        """Total bits over UTF-8 bytes: comparable between different tokenizers."""
        if self.total_bits is None or not self.n_bytes:
            return None
        return self.total_bits / self.n_bytes

    @property
    def perplexity(self) -> float | None:
        """2 to the bits per token, which is e to the nats per token."""
        return float(np.exp2(self.bits_per_token)) if self.bits_per_token is not None else None


def measure(scored: ScoredText, tokens: Sequence[Token], start: int, stop: int) -> Measures:
    """Measures of tokens start…stop-1 of a scored text; ``tokens`` are those of ``scored.ids``."""
    predicted = scored.predicted[start:stop]
    bits = scored.surprisals_bits[start:stop][predicted]
    span = [token for token, known in zip(tokens[start:stop], predicted, strict=True) if known]
    return Measures(
        n_tokens=stop - start,
        n_scored=int(np.count_nonzero(predicted)),
        n_bytes=sum(len(token.piece) for token in span if not token.special),
        total_bits=float(np.sum(bits)) if len(bits) else None,
    )


def surprisal_bits(logprob: float) -> float:
    """−log2 p of a natural log-probability, never −0.0."""
    return -logprob / float(np.log(2)) + 0.0


def kl_bits(true: Distribution, other: Distribution) -> float | None:
    """Kullback-Leibler divergence of ``other`` from ``true`` in bits, over the whole vocabulary.

    How many more bits a token of ``true`` costs on average for somebody who believes ``other``;
    never below 0. None when a tail is unknown.
    """
    if not (true.complete and other.complete):
        return None
    p = true.logprob_by_id.astype(np.float64)
    q = other.logprob_by_id.astype(np.float64)
    possible = p > -np.inf
    total = np.sum(np.exp(p[possible]) * (p[possible] - q[possible])) / LN2
    return max(0.0, float(total))


def mass_moved(true: Distribution, other: Distribution) -> float | None:
    """The share of the probability that lies on other tokens: half the sum of all differences.

    0 for the same distribution, 1 for two that share no token. None when a tail is unknown.
    """
    if not (true.complete and other.complete):
        return None
    p, q = (np.exp(d.logprob_by_id.astype(np.float64)) for d in (true, other))
    return float(np.abs(p - q).sum() / 2)


@dataclass(frozen=True)
class ReferencePoint:
    """Something everybody can picture, with its surprisal in bits."""

    name: str
    prob: float

    @property
    def bits(self) -> float:
        """−log2 of the probability."""
        return -log2(self.prob)

    @property
    def perplexity(self) -> float:
        """2 to the bits: among how many equal choices this would be one."""
        return 1 / self.prob


REFERENCE_POINTS = (
    ReferencePoint("p = 0.95", 0.95),
    ReferencePoint("fair coin", 1 / 2),
    ReferencePoint("fair die", 1 / 6),
    ReferencePoint("p = 0.01", 0.01),
)

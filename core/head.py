"""The likeliest few hundred tokens, and what a sampler's stages and r make of them alone.

All that order a vocabulary of 262,144 take most of a sampled step, and nearly every draw is
decided long before the last token. What is decided here is what core/sampling.py finds from the
order of all; what is not raises Undecided. Knows nothing of a sampler's settings.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.tokens import Distribution, Floats, Ints

N_TOKENS = 512
# nearer than this to an edge, the order in which numbers were added up could decide
UNSURE = 1e-9

Reals = NDArray[np.float64]


class Undecided(Exception):
    """The likeliest tokens alone do not tell: look at all."""


@dataclass(frozen=True, eq=False)
class Head:
    """Tokens in order, the likeliest first, with those after them as one sum.

    ``weights`` float64 [n], the first 1: probabilities but for ``total``, the sum of the weights
    of all tokens left. ``n_left`` is how many those are.
    """

    ids: Ints
    logprobs: Floats
    weights: Reals
    total: float
    n_left: int

    @classmethod
    def of(cls, distribution: Distribution, temperature: float) -> "Head":
        """The head of a distribution at a temperature above 0.

        Raises Undecided for a short one, and for one whose tail is unknown.
        """
        if distribution.vocab_size <= 2 * N_TOKENS or not distribution.complete:
            raise Undecided
        ids, logprobs = distribution.top(N_TOKENS), distribution.logprob_by_id
        weights = logprobs.astype(np.float64)
        weights -= weights[ids[0]]
        with np.errstate(over="ignore"):  # near temperature 0 all but the best go to -inf
            weights /= temperature
        np.exp(weights, out=weights)
        return cls(ids, logprobs, weights[ids], float(np.sum(weights)), len(logprobs))

    def top_k(self, k: int) -> "Head":
        """Those at least as likely as the k-th."""
        if k > len(self.ids):
            raise Undecided
        return self._first(int(np.count_nonzero(self.logprobs >= self.logprobs[self.ids[k - 1]])))

    def top_p(self, p: float) -> "Head":
        """Those at or below which more than 1 - p lies."""
        from_here = 1 - (np.cumsum(self.weights) - self.weights) / self.total
        return self._first(self._n_above(from_here, 1 - p))

    def min_p(self, p: float) -> "Head":
        """Those with at least p times the probability of the likeliest."""
        return self._first(self._n_above(self.weights, p))

    def hit(self, r: float) -> tuple[int, float]:
        """The id of the token that r falls on, and its probability."""
        after = 1 - np.cumsum(self.weights) / self.total
        at = self._n_above(after, 1 - r)
        if at == len(self.ids):
            raise Undecided
        return int(self.ids[at]), float(self.weights[at] / self.total)

    def _n_above(self, falling: Reals, edge: float) -> int:
        n = int(np.count_nonzero(falling > edge))
        if n == len(falling) < self.n_left or np.any(np.abs(falling - edge) < UNSURE):
            raise Undecided
        return n

    def _first(self, n: int) -> "Head":
        if n == self.n_left:
            return self
        if n > len(self.ids):
            raise Undecided
        weights = self.weights[:n]
        return Head(self.ids[:n], self.logprobs, weights, float(np.sum(weights)), n)

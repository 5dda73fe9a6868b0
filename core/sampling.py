"""How a sampler turns the model's distribution into one chosen token, step by step.

Stages in the order of transformers' warpers: temperature, top-k, top-p, min-p,
renormalised at the end. Numpy only: knows nothing of engines (a step is given a
function that predicts), of torch, or of pages. The caller's arrays are never changed.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from core.errors import ContextTooLong, InputError
from core.head import Head, Undecided
from core.tokens import Candidate, Distribution, Ids, Ints

MAX_TEMPERATURE = 10.0


@dataclass(frozen=True)
class Sampler:
    """The settings of a sampler; temperature 0 is greedy, top_k 0, top_p 1, min_p 0 are off.

    Raises InputError for values that mean nothing.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        _require(
            isfinite(self.temperature) and 0 <= self.temperature <= MAX_TEMPERATURE,
            f"Temperature is {self.temperature}; it must be a number from 0 (greedy) "
            f"to {MAX_TEMPERATURE:g}.",
        )
        _require(
            isfinite(self.top_k) and self.top_k >= 0 and self.top_k == int(self.top_k),
            f"top-k is {self.top_k}; it must be 0 (off) or a whole number above 0.",
        )
        _require(
            isfinite(self.top_p) and 0 < self.top_p <= 1,
            f"top-p is {self.top_p}; it must be above 0 and at most 1 (off).",
        )
        _require(
            isfinite(self.min_p) and 0 <= self.min_p <= 1,
            f"min-p is {self.min_p}; it must be from 0 (off) to 1.",
        )

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken and nothing is drawn."""
        return self.temperature == 0


@dataclass(frozen=True)
class Stage:
    """What one stage did: how many tokens it left, and their share of the model's probability."""

    name: str
    n_kept: int
    model_mass: float


@dataclass(frozen=True, eq=False)
class SampledDistribution:
    """What a sampler made of a distribution: the tokens left and their new probabilities.

    ``ids`` [n] most likely first (ties by lowest id); ``probs`` float64 [n], sum 1.
    ``stages`` says what each stage that is on removed. ``exact`` is False where tokens that the
    engine did not give would be left too: then these are the given ones alone.
    """

    ids: Ints
    probs: NDArray[np.float64]
    stages: tuple[Stage, ...]
    exact: bool = True

    def prob_of(self, token_id: int) -> float:
        """The sampler's probability of a token; 0 for one that was cut."""
        at = np.flatnonzero(self.ids == token_id)
        return float(self.probs[at[0]]) if len(at) else 0.0

    def mass_outside(self, ids: Ids) -> float:
        """The sampler's probability of all tokens left that are not in ``ids``."""
        return float(np.sum(self.probs[~np.isin(self.ids, list(ids))]))


@dataclass(frozen=True)
class Step:
    """One chosen token: r is the uniform number drawn, None when greedy drew nothing.

    The token's log-probability and rank are the model's own; ``sampler_prob`` is after
    the stages.
    """

    token: Candidate
    r: float | None
    sampler_prob: float


def reshape(distribution: Distribution, sampler: Sampler) -> SampledDistribution:
    """The distribution the sampler draws from, with a trace of its stages.

    Agrees with transformers' Temperature, TopK, TopP and MinP warpers applied in
    that order, ties included: top-k keeps every token tied with the k-th. Of a
    distribution whose tail is unknown only the given tokens can be left: exact when a
    stage cuts among them, as no unknown one would have stayed.
    """
    if sampler.greedy:  # the best is found without an order of all
        best = distribution.top(1)
        mass = float(np.exp(distribution.logprob_of(best[0])))
        return SampledDistribution(best, np.ones(1), (Stage("greedy", 1, mass),))
    ids = distribution.order
    logprobs = distribution.logprob_by_id[ids].astype(np.float64)
    with np.errstate(over="ignore"):  # near temperature 0 all but the best go to -inf
        scaled = (logprobs - logprobs[0]) / sampler.temperature
    n_kept, stages, exact = len(ids), [], distribution.complete
    # elsewhere than there nobody knows what the unknown tokens' share would be at top-p
    tail_known = sampler.temperature == 1 and not sampler.top_k
    tail = distribution.tail_mass if tail_known else 0.0
    for name, keep in _stages_that_are_on(sampler, tail):
        n_before, n_kept = n_kept, keep(scaled[:n_kept])
        cut = tail_known and tail <= 1 - sampler.top_p if "top-p" in name else n_kept < n_before
        exact |= cut
        stages.append(Stage(name, n_kept, float(np.sum(np.exp(logprobs[:n_kept])))))
    return SampledDistribution(ids[:n_kept], softmax(scaled[:n_kept]), tuple(stages), exact)


def _stages_that_are_on(
    sampler: Sampler, tail: float
) -> list[tuple[str, Callable[[NDArray[np.float64]], int]]]:
    """(name, how many of the sorted scores stay) for each stage, in order."""
    stages: list[tuple[str, Callable[[NDArray[np.float64]], int]]] = []
    if sampler.temperature != 1:
        stages.append((f"temperature {sampler.temperature:g}", len))
    if sampler.top_k:
        stages.append((f"top-k {sampler.top_k}", lambda scores: n_top_k(scores, sampler.top_k)))
    if sampler.top_p < 1:
        stages.append(
            (f"top-p {sampler.top_p:g}", lambda scores: n_top_p(scores, sampler.top_p, tail))
        )
    if sampler.min_p:
        stages.append((f"min-p {sampler.min_p:g}", lambda scores: n_min_p(scores, sampler.min_p)))
    return stages


def n_top_k(scores: NDArray[np.float64], k: int) -> int:
    """How many of the scores (most likely first) are at least the k-th."""
    kth = scores[min(k, len(scores)) - 1]
    return int(np.count_nonzero(scores >= kth))


def n_top_p(scores: NDArray[np.float64], p: float, tail: float = 0.0) -> int:
    """Size of the smallest set of most likely scores whose mass reaches p.

    A token stays when what lies at or below it is more than 1 - p: the token that
    crosses p stays in. At least one token stays. ``tail``: the mass below all of them.
    """
    mass_from_here = np.cumsum((1 - tail) * softmax(scores)[::-1])[::-1] + tail
    return max(1, int(np.count_nonzero(mass_from_here > 1 - p)))


def n_min_p(scores: NDArray[np.float64], p: float) -> int:
    """How many scores have at least p times the probability of the most likely one."""
    probs = softmax(scores)
    return max(1, int(np.count_nonzero(probs >= p * probs[0])))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax of a score vector in float64."""
    weights: NDArray[np.float64] = np.exp(scores - np.max(scores))
    return weights / np.sum(weights)


def cumulative(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cumulative sum, its last value exactly 1 so that every r in [0, 1) hits a token."""
    edges: NDArray[np.float64] = np.cumsum(probs)
    edges /= edges[-1]
    return edges


def draw(sampled: SampledDistribution, r: float) -> int:
    """The id of the first token whose cumulative probability is greater than r."""
    _check_r(r)
    at = int(np.searchsorted(cumulative(sampled.probs), r, side="right"))
    return int(sampled.ids[at])


def take_step(distribution: Distribution, sampler: Sampler, rng: np.random.Generator) -> Step:
    """Choose one token: one uniform r per token, none when greedy."""
    r = None if sampler.greedy else float(rng.random())
    return step_with(distribution, sampler, r)


def step_with(distribution: Distribution, sampler: Sampler, r: float | None) -> Step:
    """Choose one token with a given r (None: the sampler's most likely)."""
    if r is not None and not sampler.greedy:
        _check_r(r)
        with suppress(Undecided):
            chosen, prob = _drawn_from_head(distribution, sampler, r)
            return Step(distribution.candidate(chosen), r, prob)
    sampled = reshape(distribution, sampler)
    chosen = int(sampled.ids[0]) if r is None else draw(sampled, r)
    return Step(distribution.candidate(chosen), r, sampled.prob_of(chosen))


def _drawn_from_head(distribution: Distribution, sampler: Sampler, r: float) -> tuple[int, float]:
    head = Head.of(distribution, sampler.temperature)
    if sampler.top_k:
        head = head.top_k(sampler.top_k)
    if sampler.top_p < 1:
        head = head.top_p(sampler.top_p)
    if sampler.min_p:
        head = head.min_p(sampler.min_p)
    return head.hit(r)


def generate(
    predict: Callable[[Ids], Distribution],
    ids: Ids,
    sampler: Sampler,
    rng: np.random.Generator,
    max_new_tokens: int,
    stop_ids: Collection[int],
    max_length: int,
) -> Iterator[Step]:
    """The loop behind every generated text: predict, choose, append, again.

    Yields each step as it is made. A stop token is yielded and ends the loop, as does a
    document of ``max_length`` tokens. Raises ContextTooLong when it has that already.
    """
    document = list(ids)
    if len(document) >= max_length:
        raise ContextTooLong(max(len(document), max_length + 1), max_length)
    for _ in range(min(max_new_tokens, max_length - len(document))):
        step = take_step(predict(document), sampler, rng)
        document.append(step.token.id)
        yield step
        if step.token.id in stop_ids:
            return


def _check_r(r: float) -> None:
    _require(isfinite(r) and 0 <= r < 1, f"r is {r}; it must be at least 0 and below 1.")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)

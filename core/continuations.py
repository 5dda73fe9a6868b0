"""What comes next if: greedy continuations, forced tokens, beams, and one token replaced.

Every step predicts all documents in one call, never one after another. Plain loops over a
function that predicts; knows nothing of engines or pages.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.measures import surprisal_bits
from core.tokens import LN2, Candidate, Distribution, Ids, ScoredText

PredictAll = Callable[[Sequence[tuple[int, ...]]], Sequence[Distribution]]
"""Documents -> the distribution after each of them."""


@dataclass(frozen=True)
class Continuation:
    """Tokens after a context, each with what the model gave it where it stands."""

    context: tuple[int, ...]
    tokens: tuple[Candidate, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """The whole document."""
        return (*self.context, *(token.id for token in self.tokens))

    @property
    def logprob(self) -> float:
        """Natural logarithm of the probability of all the tokens together."""
        return sum(token.logprob for token in self.tokens)

    @property
    def bits(self) -> tuple[float, ...]:
        """−log2 p of each token."""
        return tuple(-token.logprob / LN2 for token in self.tokens)

    @property
    def total_bits(self) -> float:
        """−log2 of the probability of all the tokens together, never −0.0."""
        return surprisal_bits(self.logprob)

    def then(self, token: Candidate) -> "Continuation":
        """One token further."""
        return Continuation(self.context, (*self.tokens, token))

    def ended(self, stop_ids: Collection[int]) -> bool:
        """Whether its last token ends a text."""
        return bool(self.tokens) and self.tokens[-1].id in stop_ids


@dataclass(frozen=True)
class BeamStep:
    """One step of a beam search: what was kept, most likely first, and what was not."""

    kept: tuple[Continuation, ...]
    pruned: tuple[Continuation, ...]


def greedy_steps(
    predict_all: PredictAll,
    begun: Sequence[Continuation],
    n: int,
    stop_ids: Collection[int] = (),
) -> Iterator[list[Continuation]]:
    """All of several continuations after each step of up to ``n`` that adds the most likely token.

    One that has ended with a stop token gets no more; the steps end when all have. Equal
    probabilities: the lowest id.
    """
    found = list(begun)
    for _ in range(n):
        going = [i for i, one in enumerate(found) if not one.ended(stop_ids)]
        if not going:
            return
        given = predict_all([found[i].ids for i in going])
        for i, distribution in zip(going, given, strict=True):
            found[i] = found[i].then(distribution.candidate(int(distribution.top(1)[0])))
        yield list(found)


def greedy(
    predict_all: PredictAll,
    begun: Sequence[Continuation],
    n: int,
    stop_ids: Collection[int] = (),
) -> list[Continuation]:
    """Each of several continuations with up to ``n`` more tokens, as ``greedy_steps`` adds them."""
    return [list(begun), *greedy_steps(predict_all, begun, n, stop_ids)][-1]


def forced(
    predict_all: PredictAll,
    context: Ids,
    token_ids: Sequence[int],
    n: int,
    stop_ids: Collection[int] = (),
) -> list[Continuation]:
    """For each token: that token after the context, whatever its probability, then greedy."""
    known = tuple(map(int, context))
    (distribution,) = predict_all([known])
    begun = [Continuation(known, (distribution.candidate(token_id),)) for token_id in token_ids]
    return greedy(predict_all, begun, n, stop_ids)


def beam_steps(
    predict_all: PredictAll,
    context: Ids,
    width: int,
    n: int,
    stop_ids: Collection[int] = (),
) -> Iterator[BeamStep]:
    """Up to ``n`` steps that keep the ``width`` continuations with the highest total log-prob.

    One that has ended is kept as it is while it is among them. No length penalty. Agrees with
    transformers' ``generate(num_beams=width, length_penalty=0)`` where nothing ends.
    """
    kept: tuple[Continuation, ...] = (Continuation(tuple(map(int, context))),)
    for _ in range(n):
        going = [one for one in kept if not one.ended(stop_ids)]
        if not going:
            return
        extended = [one for one in kept if one.ended(stop_ids)]
        for one, given in zip(going, predict_all([one.ids for one in going]), strict=True):
            extended += [one.then(given.candidate(int(i))) for i in given.top(width)]
        ranked = sorted(extended, key=lambda one: -one.logprob)  # stable: ties as they came
        kept = tuple(ranked[:width])
        yield BeamStep(kept, tuple(ranked[width:]))


def replaced(ids: Ids, position: int, token_id: int) -> tuple[int, ...]:
    """A document with one token changed and all others as they are."""
    known = tuple(map(int, ids))
    return (*known[:position], token_id, *known[position + 1 :])


def bits_changed(before: ScoredText, after: ScoredText) -> NDArray[np.float64]:
    """How many bits more each token costs after a change, float64 [n]; NaN where not predicted.

    Both texts have the same length.
    """
    return after.surprisals_bits - before.surprisals_bits

"""The replay check: what was drawn for a link, drawn again with the model that runs here.

Asked only where the link is of another model or of other weights, and only about ids that mean
the same here. Knows nothing of pages.
"""

from collections.abc import Sequence

import numpy as np

from core.engines import Engine
from core.link_fields import Drawn
from core.link_states import ChatLink, LinkState, Notes, SamplingLink
from core.sampling import Sampler, step_with

MOST_REPLAYED = 200
AT_ONCE = 25  # predictions held together: whole vocabularies


def replay_notes(engine: Engine, state: LinkState) -> Notes:
    """A sentence about how many of a link's draws take its own token here; none without draws.

    Raises what ``Engine.next`` raises.
    """
    drawn = draws_of(state)[:MOST_REPLAYED]
    if not drawn:
        return []
    n_same = _n_same(engine, state.document_ids, drawn)
    return [f"Drawn again here, {n_same} of its {len(drawn)} drawn tokens are the same."]


def draws_of(state: LinkState) -> tuple[Drawn, ...]:
    """Where, with which r and through which sampler the tokens of a link were drawn."""
    if isinstance(state, SamplingLink):
        return state.draws
    runs = state.replies if isinstance(state, ChatLink) else ()
    return tuple(one for run in runs for one in _of_run(*run))


def _of_run(start: int, stop: int, seed: int, temperature: float) -> list[Drawn]:
    """The draws of a reply: one number of its seed for each token, none when greedy."""
    sampler, rng = Sampler(temperature), np.random.default_rng(seed)
    rs = [None if sampler.greedy else float(rng.random()) for _ in range(start, stop)]
    return [Drawn(at, r, sampler) for at, r in zip(range(start, stop), rs, strict=True)]


def _n_same(engine: Engine, ids: tuple[int, ...], drawn: Sequence[Drawn]) -> int:
    n_same = 0
    for begin in range(0, len(drawn), AT_ONCE):
        some = drawn[begin : begin + AT_ONCE]
        found = engine.next([ids[: one.at] for one in some])
        for one, distribution in zip(some, found, strict=True):
            n_same += step_with(distribution, one.sampler, one.r).token.id == ids[one.at]
    return n_same

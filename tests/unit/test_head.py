"""A draw from the likeliest tokens alone, against the order of all."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import InputError
from core.head import N_TOKENS, Head, Undecided
from core.sampling import Sampler, cumulative, draw, reshape, step_with
from core.tokens import Distribution

VOCABULARIES = st.tuples(
    st.integers(2, 8 * N_TOKENS),  # size
    st.sampled_from([0.0, 0.3, 2.0, 8.0]),  # from flat to peaked
    st.sampled_from([0, 1, 6]),  # decimals: with many ties, or none
    st.integers(0, 99),  # seed
    st.sampled_from([0.0, 0.5, 0.95]),  # share of tokens without any probability
)
SAMPLERS = st.builds(
    Sampler,
    temperature=st.sampled_from([0.0, 1e-320, 1e-3, 0.7, 1.0, 10.0]),
    top_k=st.sampled_from([0, 1, 50, N_TOKENS, N_TOKENS + 1, 10**6]),
    top_p=st.sampled_from([1e-12, 0.3, 0.5, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 1e-9, 0.05, 0.5, 1.0]),
)
UNIT = st.floats(0, 1, exclude_max=True)


def distribution_of(vocabulary):
    n, scale, decimals, seed, without = vocabulary
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=n) * scale).round(decimals)
    logits[1:][rng.random(n - 1) < without] = -np.inf
    return Distribution.from_logits(logits.astype(np.float32))


def assert_as_from_all(vocabulary, sampler, r):
    """The token and its probability are those of the whole order."""
    sampled = reshape(distribution_of(vocabulary), sampler)
    step = step_with(distribution_of(vocabulary), sampler, r)
    assert step.token.id == draw(sampled, r)
    assert step.r == r
    assert step.sampler_prob == pytest.approx(sampled.prob_of(step.token.id), rel=1e-9)


@given(VOCABULARIES, SAMPLERS, UNIT)
@example((8 * N_TOKENS, 8.0, 6, 0, 0.0), Sampler(), 0.0)
@example((8 * N_TOKENS, 8.0, 6, 0, 0.0), Sampler(), 1 - 2**-53)
def test_the_draw_is_that_from_the_whole_order(vocabulary, sampler, r):
    """Whatever the sizes, ties and settings, for any r."""
    assert_as_from_all(vocabulary, sampler, r)


@given(VOCABULARIES, SAMPLERS, st.integers(0, 10**6), st.sampled_from([-1, 0, 1]))
def test_on_an_edge_the_draw_is_that_from_the_whole_order(vocabulary, sampler, n, ulps):
    """r on the edge between two tokens, or the next number below or above it."""
    edges = cumulative(reshape(distribution_of(vocabulary), sampler).probs)
    r = edges[n % len(edges)]
    r = float(np.nextafter(r, ulps) if ulps else r)
    assert_as_from_all(vocabulary, sampler, min(max(r, 0.0), 1 - 2**-53))


@pytest.mark.parametrize(
    "sampler",
    [
        Sampler(),
        Sampler(temperature=0.7),
        Sampler(top_k=50),
        Sampler(top_p=0.9),
        Sampler(min_p=0.05),
        Sampler(0.8, 64, 0.95, 0.01),
    ],
    ids=str,
)
def test_nearly_every_draw_needs_no_order(sampler):
    """Of a peaked distribution, under every stage; else this saves nothing."""
    rng, n_ordered = np.random.default_rng(0), 0
    for r in rng.random(50):
        distribution = distribution_of((8 * N_TOKENS, 8.0, 6, 1, 0.0))
        step_with(distribution, sampler, float(r))
        n_ordered += "order" in vars(distribution)
    assert n_ordered < 5


@pytest.mark.parametrize(
    "distribution",
    [
        distribution_of((2 * N_TOKENS, 8.0, 6, 0, 0.0)),
        Distribution(distribution_of((8 * N_TOKENS, 8.0, 6, 0, 0.0)).logprob_by_id, tail_mass=0.1),
    ],
    ids=["a small vocabulary", "an unknown tail"],
)
def test_what_is_left_to_the_order_of_all(distribution):
    """Few tokens, which are in order at once; and those of which the rest is unknown."""
    with pytest.raises(Undecided):
        Head.of(distribution, 1.0)


@pytest.mark.parametrize("r", [-0.1, 1.0, 1.5, float("nan"), float("inf"), -float("inf")])
def test_an_r_outside_the_interval_is_refused(r):
    """Of a vocabulary that is long enough for the head, too."""
    with pytest.raises(InputError, match="r is"):
        step_with(distribution_of((8 * N_TOKENS, 8.0, 6, 0, 0.0)), Sampler(), r)

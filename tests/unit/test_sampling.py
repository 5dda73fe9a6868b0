"""The sampler against transformers' own warpers, against the definitions, and against itself."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from core.errors import ContextTooLong, InputError
from core.sampling import (
    SampledDistribution,
    Sampler,
    Stage,
    cumulative,
    draw,
    generate,
    reshape,
    softmax,
    step_with,
    take_step,
)
from core.tokens import Candidate, Distribution

NUDGE = 1e-11  # how far two orders of summing in float64 may move an edge


def warped(distribution, sampler):
    """The scores transformers' warpers leave, float64; -inf for a token that was cut."""
    warpers = [TemperatureLogitsWarper(float(sampler.temperature))]
    if sampler.top_k:
        warpers.append(TopKLogitsWarper(int(sampler.top_k)))
    if sampler.top_p < 1:
        warpers.append(TopPLogitsWarper(sampler.top_p))
    if sampler.min_p:
        warpers.append(MinPLogitsWarper(sampler.min_p))
    scores = torch.tensor(distribution.logprob_by_id.astype(np.float64))[None]
    for warper in warpers:
        scores = warper(None, scores)
    return scores[0].numpy()


def n_kept_near(distribution, sampler, nudge):
    """How many tokens stay when the thresholds of the masses move by ``nudge``."""
    top_p = sampler.top_p if sampler.top_p == 1 else min(1, max(1e-300, sampler.top_p + nudge))
    min_p = sampler.min_p and min(1, max(1e-300, sampler.min_p - nudge))
    nudged = Sampler(sampler.temperature, sampler.top_k, top_p, min_p)
    return len(reshape(distribution, nudged).ids)


def assert_agrees_with_warpers(distribution, sampler):
    """The same tokens and the same probabilities as the warpers.

    Where an edge lies within float64 rounding of a token either count is right. Tokens
    with equal scores are compared as a multiset: torch.sort is not stable.
    """
    sampled = reshape(distribution, sampler)
    scores = warped(distribution, sampler)
    kept = np.flatnonzero(np.isfinite(scores))
    fewest = n_kept_near(distribution, sampler, -NUDGE)
    most = n_kept_near(distribution, sampler, NUDGE)
    assert fewest <= len(kept) <= most
    ours = distribution.logprob_by_id[sampled.ids]
    theirs = np.sort(distribution.logprob_by_id[kept])[::-1]
    n = min(len(ours), len(theirs))
    np.testing.assert_array_equal(ours[:n], theirs[:n])
    if len(ours) == len(theirs):
        expected = np.sort(torch.softmax(torch.tensor(scores[kept]), 0).numpy())[::-1]
        np.testing.assert_allclose(sampled.probs, expected, rtol=1e-9, atol=1e-15)
        tie_at_the_edge = np.count_nonzero(distribution.logprob_by_id >= theirs[-1]) > len(theirs)
        if not tie_at_the_edge:
            assert set(sampled.ids.tolist()) == set(kept.tolist())


def distribution_of(logits):
    return Distribution.from_logits(np.array(logits, dtype=np.float32))


def with_probs(*probs):
    """A distribution whose probabilities are these, as near as float32 logs can be."""
    with np.errstate(divide="ignore"):
        return Distribution(np.log(np.array(probs)).astype(np.float32))


TEMPERATURES = (1e-3, 0.1, 0.7, 1.0, 1.5, 10.0)
TOP_KS = (0, 1, 2, 5, 49, 50, 51, 10**6)
TOP_PS = (1e-6, 0.1, 0.5, 0.9, 0.999999, 1.0)
MIN_PS = (0.0, 1e-6, 0.05, 0.5, 1.0)


@pytest.mark.parametrize("vocabulary", ["peaked", "flat", "ties"])
def test_agrees_with_the_warpers_on_a_grid(vocabulary):
    """Every combination of the settings, k over the vocabulary included, cuts as transformers."""
    dice = np.random.default_rng(0)
    logits = {
        "peaked": dice.normal(0, 5, 50),
        "flat": dice.normal(0, 0.1, 50),
        "ties": dice.integers(-3, 4, 50),
    }[vocabulary]
    distribution = distribution_of(logits)
    for settings in itertools.product(TEMPERATURES, TOP_KS, TOP_PS, MIN_PS):
        assert_agrees_with_warpers(distribution, Sampler(*settings))


TIED = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0])
LOGITS = st.lists(TIED | st.floats(-40, 40, width=32), min_size=1, max_size=40)
SAMPLERS = st.builds(
    Sampler,
    temperature=st.sampled_from(TEMPERATURES) | st.floats(1e-3, 10),
    top_k=st.integers(0, 45),
    top_p=st.sampled_from(TOP_PS) | st.floats(0, 1, exclude_min=True),
    min_p=st.sampled_from(MIN_PS) | st.floats(0, 1),
)


@given(LOGITS, SAMPLERS)
@example([0.0], Sampler(top_k=1, top_p=0.5, min_p=1.0))
@example([0.0] * 7, Sampler(top_k=3, top_p=0.5, min_p=1.0))
@example([0.0, 0.0, -1.0], Sampler(top_k=1))
def test_agrees_with_the_warpers_on_anything(logits, sampler):
    """Any logits (tiny vocabularies and ties included), any settings: as transformers."""
    assert_agrees_with_warpers(distribution_of(logits), sampler)


def test_top_k_keeps_all_that_tie_with_the_kth():
    """A tie at the edge of top-k is not broken: the warper's rule."""
    assert set(reshape(distribution_of([1, 0, 0, 0, -1]), Sampler(top_k=2)).ids) == {0, 1, 2, 3}


@given(LOGITS, st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_nucleus_is_the_smallest_set_that_reaches_p(logits, top_p):
    """The mass of the kept reaches p, and without the last of them it does not."""
    distribution = distribution_of(logits)
    kept = reshape(distribution, Sampler(top_p=top_p)).ids
    probs = softmax(distribution.logprob_by_id.astype(np.float64))[kept]
    assert math.fsum(probs) >= top_p - NUDGE
    assert len(kept) == 1 or math.fsum(probs[:-1]) < top_p + NUDGE


@pytest.mark.parametrize(("top_p", "n"), [(0.3, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3)])
def test_nucleus_keeps_the_token_that_crosses(top_p, n):
    """p = 0.51 over 0.5, 0.3, 0.2: the second token crosses, so it stays."""
    assert reshape(with_probs(0.5, 0.3, 0.2), Sampler(top_p=top_p)).ids.tolist() == [0, 1, 2][:n]


@given(LOGITS, SAMPLERS)
def test_what_is_left_is_a_distribution_in_order(logits, sampler):
    """Positive probabilities that sum to 1, most likely first, ties by lowest id."""
    distribution = distribution_of(logits)
    sampled = reshape(distribution, sampler)
    assert math.isclose(math.fsum(sampled.probs), 1, rel_tol=1e-12)
    assert np.all(sampled.probs >= 0)
    keys = [(-distribution.logprob_of(i), i) for i in sampled.ids.tolist()]
    assert keys == sorted(keys)


@pytest.mark.parametrize("temperature", [5e-324, 1e-308, 1e-100, 1e-9])
def test_a_temperature_of_almost_0_is_greedy(temperature):
    """The colder, the surer; never NaN, however cold."""
    sampled = reshape(with_probs(0.2, 0.5, 0.3), Sampler(temperature))
    assert sampled.ids.tolist() == [1, 2, 0]
    np.testing.assert_array_equal(sampled.probs, [1, 0, 0])


def test_stages_tell_what_they_left_and_its_share_of_the_model():
    """The trace: number of tokens and the model's own mass after each stage that is on."""
    sampled = reshape(with_probs(0.4, 0.3, 0.2, 0.1), Sampler(0.5, top_k=3, top_p=0.8, min_p=0.3))
    # squared and renormalised: 16, 9, 4 of 29 after top-k; 25/29 reaches 0.8; 9 is over 0.3 of 16
    names = ["temperature 0.5", "top-k 3", "top-p 0.8", "min-p 0.3"]
    assert [stage.name for stage in sampled.stages] == names
    assert [stage.n_kept for stage in sampled.stages] == [4, 3, 2, 2]
    masses = [stage.model_mass for stage in sampled.stages]
    assert masses == pytest.approx([1, 0.9, 0.7, 0.7], abs=1e-6)
    np.testing.assert_allclose(sampled.probs, [16 / 25, 9 / 25], rtol=1e-6)


def test_no_stage_no_change():
    """With everything off the sampler's distribution is the model's."""
    distribution = distribution_of(np.random.default_rng(1).normal(size=30))
    sampled = reshape(distribution, Sampler())
    assert sampled.stages == ()
    expected = np.exp(distribution.logprob_by_id[sampled.ids].astype(np.float64))
    np.testing.assert_allclose(sampled.probs, expected, rtol=1e-6)


# --- the draw

EIGHTHS = SampledDistribution(np.array([7, 3, 5, 1]), np.array([0.5, 0.25, 0.125, 0.125]), ())
BELOW_1 = math.nextafter(1, 0)


@pytest.mark.parametrize(
    ("r", "chosen"),
    [
        (0.0, 7),
        (math.nextafter(0.5, 0), 7),
        (0.5, 3),
        (math.nextafter(0.75, 0), 3),
        (0.75, 5),
        (0.875, 1),
        (BELOW_1, 1),
    ],
)
def test_a_draw_takes_the_first_token_past_r(r, chosen):
    """Exact edges, in numbers binary fractions hold: cumulative > r, not ≥."""
    assert draw(EIGHTHS, r) == chosen


def test_a_draw_never_hits_a_token_without_probability():
    """A token of probability 0 has no r, at the front, in the middle and at the end."""
    probs = np.array([0.0, 0.5, 0.0, 0.5, 0.0])
    sampled = SampledDistribution(np.arange(5), probs, ())
    assert [draw(sampled, r) for r in (0.0, 0.25, 0.5, BELOW_1)] == [1, 1, 3, 3]


WEIGHTS = st.lists(st.floats(1e-9, 1), min_size=1, max_size=60)
UNIT = st.floats(0, 1, exclude_max=True)


@given(WEIGHTS, UNIT)
@example([0.1] * 10, BELOW_1)
@example([1e-9] * 3 + [1.0], BELOW_1)
def test_a_draw_is_the_definition(weights, r):
    """Walking the cumulative sum by hand ends at the same token: the first edge past r is its."""
    probs = np.array(weights) / np.sum(weights)
    sampled = SampledDistribution(np.arange(len(probs))[::-1].copy(), probs, ())
    edges = cumulative(probs)
    by_hand = next(i for i, edge in enumerate(edges.tolist()) if edge > r)
    chosen = draw(sampled, r)
    assert chosen == int(sampled.ids[by_hand])
    start = edges[by_hand - 1] if by_hand else 0
    assert start <= r < edges[by_hand]


@given(WEIGHTS)
def test_spans_tile_the_unit_interval(weights):
    """From exactly 0 to exactly 1: each edge ends one token's span and begins the next one's."""
    probs = np.array(weights) / np.sum(weights)
    sampled = SampledDistribution(np.arange(len(probs)), probs, ())
    edges = cumulative(probs).tolist()
    assert edges[-1] == 1
    for i, (start, stop) in enumerate(itertools.pairwise([0.0, *edges])):
        assert start <= stop
        if start < stop:
            assert draw(sampled, start) == draw(sampled, math.nextafter(stop, 0)) == i


def test_a_token_that_was_cut_is_never_drawn_and_has_no_probability():
    """An id the stages removed: probability 0, and no r that hits it."""
    sampled = reshape(with_probs(0.6, 0.4), Sampler(top_k=1))
    assert (sampled.prob_of(0), sampled.prob_of(1)) == (1, 0)
    assert {draw(sampled, r) for r in (0.0, 0.5, 0.6, 0.7, BELOW_1)} == {0}


@given(LOGITS, SAMPLERS, st.sets(st.integers(0, 45)))
def test_the_mass_outside_some_tokens_is_that_of_the_others(logits, sampler, ids):
    """The sum over all other tokens; exactly 0 when every token that is left was named."""
    sampled = reshape(distribution_of(logits), sampler)
    others = [i for i in range(len(logits)) if i not in ids]
    by_hand = math.fsum(sampled.prob_of(i) for i in others)
    assert sampled.mass_outside(sorted(ids)) == pytest.approx(by_hand, rel=1e-12)
    assert sampled.mass_outside(sampled.ids.tolist()) == 0
    assert sampled.mass_outside([]) == pytest.approx(1, rel=1e-12)


def top_n_of(distribution, n):
    """What an engine would give of a distribution that gives ``n`` tokens."""
    kept = distribution.top(n)
    logprobs = np.full(distribution.vocab_size, -np.inf, dtype=np.float32)
    logprobs[kept] = distribution.logprob_by_id[kept]
    return Distribution(logprobs, tail_mass=distribution.mass_outside(kept))


@given(LOGITS, SAMPLERS, st.integers(1, 8))
def test_what_is_called_exact_of_a_partial_distribution_is_that_of_the_whole(logits, sampler, n):
    """The same tokens with the same probabilities, whatever lies in the tail.

    Unless an edge lies within float32 rounding of a token: the tail's mass is a float32 sum.
    """
    whole = distribution_of(logits)
    partial = top_n_of(whole, n)
    sampled, expected = reshape(partial, sampler), reshape(whole, sampler)
    clear = n_kept_near(whole, sampler, -1e-6) == n_kept_near(whole, sampler, 1e-6)
    if sampled.exact and clear:
        assert sampled.ids.tolist() == expected.ids.tolist()
        np.testing.assert_allclose(sampled.probs, expected.probs, rtol=1e-5, atol=1e-7)
    assert set(sampled.ids) <= set(partial.order)
    assert np.sum(sampled.probs) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("sampler", "exact"),
    [
        (Sampler(), False),  # the third token could be drawn
        (Sampler(0), True),
        (Sampler(2, 1), True),  # one of two known ones
        (Sampler(2, 50), False),
        (Sampler(1, 0, 0.5), True),  # the first alone reaches it
        (Sampler(1, 0, 0.7), True),  # both together do
        (Sampler(1, 0, 0.9), False),
        (Sampler(1, 50, 0.5), False),  # top-k leaves tokens nobody knows of
        (Sampler(2, 0, 0.5), False),  # their share at temperature 2 is not known
        (Sampler(2, 0, 1, 0.9), True),  # the second is cut, so all below are
    ],
)
def test_what_an_unknown_tail_leaves_exact(sampler, exact):
    """Tokens of 50 % and 30 % are known, 20 % are others'."""
    logprobs = np.array([math.log(0.5), math.log(0.3), -math.inf], dtype=np.float32)
    partial = Distribution(logprobs, tail_mass=0.2)
    assert reshape(partial, sampler).exact == exact
    assert step_with(partial, sampler, None).token.id == 0


@pytest.mark.parametrize("r", [-0.001, 1.0, 2.0, math.nan, math.inf])
def test_an_r_outside_the_interval_is_refused(r):
    """r is in [0, 1)."""
    with pytest.raises(InputError, match="r is"):
        draw(EIGHTHS, r)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": 1e9},
        {"top_k": -1},
        {"top_k": 2.5},
        {"top_k": math.nan},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"top_p": -0.1},
        {"top_p": math.nan},
        {"min_p": -0.1},
        {"min_p": 1.1},
        {"min_p": math.inf},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings):
    """Each with a sentence that names the setting and says what is allowed."""
    with pytest.raises(InputError, match="must be"):
        Sampler(**settings)


# --- steps and generation


def test_greedy_takes_the_lowest_id_of_equals_and_draws_nothing():
    """The tie rule of the whole project; r is None."""
    step = take_step(distribution_of([0, 2, 2, 1]), Sampler(0), np.random.default_rng(0))
    assert (step.token.id, step.r, step.sampler_prob, step.token.rank) == (1, None, 1, 1)


def test_a_step_says_what_the_model_and_what_the_sampler_thought():
    """logprob and rank are the model's; sampler_prob is after the stages."""
    step = step_with(with_probs(0.2, 0.5, 0.3), Sampler(top_k=2), r=0.7)
    assert (step.token.id, step.token.rank) == (2, 2)
    assert step.token.logprob == pytest.approx(math.log(0.3), abs=1e-6)
    assert step.sampler_prob == pytest.approx(0.3 / 0.8, abs=1e-6)


def test_nothing_given_is_changed():
    """Logits, log-probabilities, a sampled distribution and the document stay as they were."""
    logits = np.random.default_rng(2).normal(size=20).astype(np.float32)
    distribution = Distribution.from_logits(logits)
    sampled = reshape(distribution, Sampler(0.7, 5, 0.9, 0.01))
    before = [a.tobytes() for a in (logits, distribution.logprob_by_id, sampled.ids, sampled.probs)]
    document = [1, 2, 3]
    rng = np.random.default_rng(0)
    sampler = Sampler(0.7, 5, 0.9, 0.01)
    list(generate(lambda ids: distribution, document, sampler, rng, 5, (), 100))
    draw(sampled, 0.3)
    sampled.mass_outside(sampled.ids[:2].tolist())
    cumulative(sampled.probs)
    after = [a.tobytes() for a in (logits, distribution.logprob_by_id, sampled.ids, sampled.probs)]
    assert before == after
    assert document == [1, 2, 3]


START = [256, *b"The "]


def run(toy, seed, sampler=None, n=40, stop_ids=(), max_length=4096):
    rng = np.random.default_rng(seed)
    return list(generate(toy.next, START, sampler or Sampler(), rng, n, stop_ids, max_length))


def test_the_same_seed_gives_the_same_text(toy):
    """Twice the same steps, r included; another seed gives another text."""
    assert run(toy, 7) == run(toy, 7)
    assert [s.token.id for s in run(toy, 7)] != [s.token.id for s in run(toy, 8)]


@pytest.mark.parametrize("sampler", [Sampler(), Sampler(0), Sampler(0.5, 8, 0.9, 0.05)])
def test_generation_is_the_loop_done_by_hand(toy, sampler):
    """Predict, reshape, one uniform number, the token it hits, append: again and again."""
    rng = np.random.default_rng(3)
    document = list(START)
    for step in run(toy, 3, sampler):
        distribution = toy.next(document)
        sampled = reshape(distribution, sampler)
        r = None if sampler.greedy else rng.random()
        assert step.r == r
        chosen = int(sampled.ids[0] if r is None else draw(sampled, r))
        logprob, rank = distribution.logprob_of(chosen), distribution.rank_of(chosen)
        assert step.token == Candidate(chosen, logprob, rank)
        assert step.sampler_prob == sampled.prob_of(chosen)
        document.append(chosen)


def test_generation_stops_after_a_stop_token(toy):
    """The stop token is the last step; without it the length decides."""
    period = ord(".")
    steps = run(toy, 1, n=200, stop_ids={period})
    assert [s.token.id for s in steps].index(period) == len(steps) - 1 < 199
    assert len(run(toy, 1, n=17)) == 17
    assert run(toy, 1, n=0) == []


def test_generation_stops_where_the_document_is_full(toy):
    """The document never grows past max_length; what was made before is the same text."""
    long = run(toy, 1, n=17)
    for room in (1, 5, 16, 17, 18):
        assert run(toy, 1, n=17, max_length=len(START) + room) == long[:room]


@pytest.mark.parametrize(("too_many", "told"), [(0, 6), (1, 6), (3, 8)])
def test_generation_where_nothing_can_be_appended_says_so(toy, too_many, told):
    """A full document raises ContextTooLong before the model is asked or a number drawn."""
    rng = np.random.default_rng(0)
    asked = []
    document = [*START, *b"abc"[:too_many]]
    with pytest.raises(ContextTooLong, match=f"{told} tokens; .* at most {len(START)}"):
        list(generate(asked.append, document, Sampler(), rng, 5, (), len(START)))
    assert asked == []
    assert rng.random() == np.random.default_rng(0).random()


def test_draws_come_as_often_as_their_probability(toy):
    """20,000 draws from fixed seeds: within 5 standard deviations (fixed, so never by chance)."""
    distribution, n = with_probs(0.6, 0.3, 0.1), 20_000
    rng = np.random.default_rng(0)
    ids = [take_step(distribution, Sampler(), rng).token.id for _ in range(n)]
    for token_id, p in enumerate((0.6, 0.3, 0.1)):
        assert abs(ids.count(token_id) / n - p) < 5 * math.sqrt(p * (1 - p) / n)


def test_greedy_has_one_stage():
    """The trace of greedy: one token, its own mass."""
    (stage,) = reshape(with_probs(0.25, 0.75), Sampler(0)).stages
    assert stage == Stage("greedy", 1, pytest.approx(0.75, abs=1e-6))

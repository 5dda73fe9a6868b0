"""What comes next if: batched loops against the same loops written one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.continuations import (
    Continuation,
    beam_steps,
    bits_changed,
    forced,
    greedy,
    greedy_steps,
    replaced,
)
from core.engines.toy import ToyEngine
from core.tokens import LN2, Distribution

TOY = ToyEngine()
TEXTS = st.text("abc the", min_size=1, max_size=8).map(lambda text: tuple(text.encode()))


def step_by_step(ids, n, stop_ids=()):
    """Greedy decoding of one document, one call per token."""
    for _ in range(n):
        if ids[-1] in stop_ids:
            break
        ids = (*ids, int(TOY.next(ids).top(1)[0]))
    return ids


@given(st.lists(TEXTS, min_size=1, max_size=5), st.integers(0, 6))
def test_greedy_together_is_greedy_alone(documents, n):
    """Id for id what each document alone would get, with the model's own log-probs."""
    found = greedy(TOY.next, [Continuation(ids) for ids in documents], n)
    for ids, one in zip(documents, found, strict=True):
        assert one.ids == step_by_step(ids, n)
        for i, token in enumerate(one.tokens):
            assert token == TOY.next(one.ids[: len(ids) + i]).candidate(token.id)


@given(TEXTS, st.lists(st.integers(0, 255), min_size=1, max_size=6), st.integers(0, 5))
def test_forcing_is_choosing_that_candidate_then_greedy(ids, token_ids, n):
    """The forced token first, with what the model gave it, then what greedy gives after it."""
    for token_id, one in zip(token_ids, forced(TOY.next, ids, token_ids, n), strict=True):
        assert one.tokens[0] == TOY.next(ids).candidate(token_id)
        assert one.ids == step_by_step((*ids, token_id), n)
        assert one.logprob == pytest.approx(-sum(one.bits) * LN2)
        assert one.total_bits == pytest.approx(sum(one.bits))


def test_every_step_is_one_call():
    """Ten continuations of five tokens: five calls, each with all that go on."""
    calls = []

    def predict_all(documents):
        calls.append(len(documents))
        return TOY.next(documents)

    greedy(predict_all, [Continuation((n,)) for n in range(97, 107)], 5)
    assert calls == [10] * 5


def test_steps_are_computed_as_they_are_asked_for():
    """Each step of greedy decoding or of beams is one call, made when it is looked at."""
    calls = []

    def predict_all(documents):
        calls.append(len(documents))
        return TOY.next(documents)

    steps = greedy_steps(predict_all, [Continuation((97,)), Continuation((98,))], 5)
    assert [len(one.tokens) for one in next(steps)] == [1, 1]
    assert calls == [2]
    beams = beam_steps(predict_all, (97,), 3, 5)
    next(beams), next(beams)
    assert calls == [2, 1, 3]


@given(st.lists(TEXTS, min_size=1, max_size=4), st.integers(0, 6))
def test_greedy_steps_are_greedy_with_fewer_tokens(documents, n):
    """After k steps stands what greedy gives for k tokens."""
    begun = [Continuation(ids) for ids in documents]
    for k, found in enumerate(greedy_steps(TOY.next, begun, n), start=1):
        assert found == greedy(TOY.next, begun, k)


def test_a_stop_token_ends_its_continuation_only():
    """What ended is not continued, the others are."""
    first = int(TOY.next((97,)).top(1)[0])
    ended, going = greedy(TOY.next, [Continuation((97,)), Continuation((98,))], 4, {first})
    assert ended.ids == (97, first)
    assert going.ids == step_by_step((98,), 4, {first})


class Small:
    """A model over four tokens whose distribution depends on the whole document."""

    n = 4

    def next(self, documents):
        return [
            Distribution.from_logits(
                np.random.default_rng([7, *ids]).normal(size=self.n).astype(np.float32)
            )
            for ids in documents
        ]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_wide_beam_finds_the_most_likely_of_all(n):
    """With room for every path nothing is lost: the best of all sequences, in order."""
    model = Small()
    steps = list(beam_steps(model.next, (1, 2), 4**n, n))

    def logprob(path):
        return sum(
            float(model.next([(1, 2, *path[:i])])[0].logprob_by_id[token])
            for i, token in enumerate(path)
        )

    ranked = sorted(itertools.product(range(4), repeat=n), key=lambda path: -logprob(path))
    assert [one.ids[2:] for one in steps[-1].kept] == ranked
    assert all(not step.pruned for step in steps)


@given(st.integers(1, 4), st.integers(1, 4))
def test_a_narrow_beam_keeps_the_best_of_what_it_had(width, n):
    """Each step keeps the ``width`` best extensions of those before; pruned ones are worse."""
    kept = [()]
    model = Small()
    for step in beam_steps(model.next, (3,), width, n):
        scored = {(*path, token): None for path in kept for token in range(4)}
        for path in scored:
            scored[path] = sum(
                float(model.next([(3, *path[:i])])[0].logprob_by_id[token])
                for i, token in enumerate(path)
            )
        kept = sorted(scored, key=scored.__getitem__, reverse=True)[:width]
        assert [one.ids[1:] for one in step.kept] == kept
        worst = min(one.logprob for one in step.kept)
        assert all(one.logprob <= worst for one in step.pruned)


def test_one_beam_is_greedy():
    """Width 1 is always the most likely token."""
    steps = list(beam_steps(TOY.next, (97,), 1, 5))
    assert steps[-1].kept[0].ids == step_by_step((97,), 5)


def test_a_beam_that_ended_stays_while_it_is_good():
    """An ended path is not extended, and the search ends when all have."""
    everything = set(range(4))
    (step,) = beam_steps(Small().next, (3,), 2, 5, everything)
    assert all(len(one.tokens) == 1 for one in step.kept)


@given(TEXTS, st.data())
def test_what_if_is_the_edited_document_scored_from_scratch(ids, data):
    """The change in bits is the difference of two scorings, nothing before the edit changes."""
    at = data.draw(st.integers(0, len(ids) - 1))
    edited = replaced(ids, at, data.draw(st.integers(0, 255)))
    assert len(edited) == len(ids)
    assert edited[:at] + edited[at + 1 :] == ids[:at] + ids[at + 1 :]
    before, after = TOY.score(ids), TOY.score(edited)
    change = bits_changed(before, after)
    assert np.isnan(change[0])
    assert (change[1:at] == 0).all()
    wanted = (before.logprobs.astype(np.float64) - after.logprobs) / LN2
    assert change[1:] == pytest.approx(wanted[1:])

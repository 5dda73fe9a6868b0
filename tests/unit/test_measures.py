"""The numbers of information theory against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.measures import REFERENCE_POINTS, Measures, measure, surprisal_bits
from core.tokens import ScoredText, Token, unscored_columns


def scored_with(probs):
    """A scored text with these probabilities, None where nothing was predicted."""
    logprobs = np.array([np.nan if p is None else math.log(p) for p in probs], dtype=np.float32)
    columns = list(unscored_columns(len(probs), 0))
    columns[0] = logprobs
    return ScoredText(tuple(range(len(probs))), *columns)


def tokens_of(*pieces):
    return [Token(i, piece) for i, piece in enumerate(pieces)]


PROBS = st.lists(st.none() | st.floats(1e-6, 1), min_size=1, max_size=30)


@given(PROBS, st.data())
def test_sums_and_averages_of_any_span(probs, data):
    """Bits, averages, bytes and perplexity of a span, the long way; None where undefined."""
    start = data.draw(st.integers(0, len(probs)))
    stop = data.draw(st.integers(start, len(probs)))
    pieces = [b"x" * (i % 4) for i in range(len(probs))]
    found = measure(scored_with(probs), tokens_of(*pieces), start, stop)
    known = [i for i in range(start, stop) if probs[i] is not None]
    bits = math.fsum(-math.log2(probs[i]) for i in known)
    n_bytes = sum(len(pieces[i]) for i in known)
    assert (found.n_tokens, found.n_scored, found.n_bytes) == (stop - start, len(known), n_bytes)
    averages = (found.bits_per_token, found.nats_per_token, found.perplexity)
    assert all((value is None) == (not known) for value in (found.total_bits, *averages))
    assert (found.bits_per_byte is None) == (n_bytes == 0)
    if known:
        assert found.total_bits == pytest.approx(bits, rel=1e-6, abs=1e-5)
        assert found.bits_per_token == pytest.approx(bits / len(known), rel=1e-6, abs=1e-5)


@given(st.floats(0, 60), st.integers(1, 1000))
def test_the_bridge_between_bits_nats_and_perplexity(bits, n):
    """2^(bits per token) = e^(nats per token) = perplexity."""
    found = Measures(n_tokens=n, n_scored=n, n_bytes=n, total_bits=bits * n)
    assert found.perplexity == pytest.approx(2**bits, rel=1e-9)
    assert math.exp(found.nats_per_token) == pytest.approx(found.perplexity, rel=1e-9)


@pytest.mark.parametrize(("p", "perplexity"), [(1 / 2, 2), (1 / 6, 6)])
def test_the_perplexity_of_a_coin_and_of_a_die(p, perplexity):
    """As many equal choices as there are."""
    found = measure(scored_with([None, p, p, p]), tokens_of(b"a", b"b", b"c", b"d"), 0, 4)
    assert found.perplexity == pytest.approx(perplexity, rel=1e-6)


def test_bits_per_byte_counts_the_bytes_that_were_scored():
    """The first token has no bits, so its bytes do not count; a character may have several."""
    tokens = tokens_of(b"abc", "é".encode(), "👍".encode())
    found = measure(scored_with([None, 0.25, 0.25]), tokens, 0, 3)
    assert found.n_bytes == 6
    assert found.bits_per_byte == pytest.approx(4 / 6, rel=1e-6)


def test_special_tokens_have_no_bytes_of_text():
    """The name of a control token is not text."""
    tokens = [Token(0, b"<bos>", special=True), Token(1, b"ab")]
    assert measure(scored_with([0.5, 0.5]), tokens, 0, 2).n_bytes == 2


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 0), (2, 2)])
def test_a_span_without_prediction_has_no_total_and_no_averages(start, stop):
    """Nothing scored: None, not 0 and not an error."""
    found = measure(scored_with([None, 0.5]), tokens_of(b"a", b"b"), start, stop)
    averages = (found.bits_per_token, found.nats_per_token, found.bits_per_byte, found.perplexity)
    assert (found.total_bits, *averages) == (None,) * 5


def test_a_certain_token_has_no_bits_and_that_is_a_number():
    """p = 1: a total of 0 bits, which is not the same as no prediction."""
    found = measure(scored_with([None, 1.0]), tokens_of(b"a", b"b"), 0, 2)
    assert (found.total_bits, found.bits_per_token, found.bits_per_byte) == (0, 0, 0)
    assert found.perplexity == 1


@given(st.floats(-700, 0))
def test_surprisal_is_minus_log2(logprob):
    """−log2 p, never negative and never −0.0."""
    bits = surprisal_bits(logprob)
    assert bits == pytest.approx(-logprob / math.log(2))
    assert math.copysign(1, bits) == 1


def test_the_reference_points_are_those_of_the_handout():
    """Coin 1 bit, die 2.585, p = 0.95 0.074, p = 0.01 6.64."""
    bits = {point.prob: round(point.bits, 3) for point in REFERENCE_POINTS}
    assert bits == {0.95: 0.074, 1 / 2: 1.0, 1 / 6: 2.585, 0.01: 6.644}

"""Figures: few points, finite numbers, and no token text that Plotly would read as markup."""

import html
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import charts, palette
from core.display import label
from core.sampling import SampledDistribution, Sampler, draw, reshape
from core.tokens import Distribution, Token, Vocabulary

HOSTILE = (
    "<b>", "${x}", "<img src=x onerror=1>", "</script>", "<br>", "%{x}", "&lt;", "&amp;lt;",
    "<a href='javascript:1'>", "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "&" * 40, "a" * 22 + "<b>", " ",
    "\n", "<extra>", "é",
)  # fmt: skip
OURS = ("<br>", "<extra></extra>")  # the markup the charts themselves write in hover texts
VOCABULARY = Vocabulary(tuple(text.encode() for text in HOSTILE), frozenset({0, 4}))
TOKENS = VOCABULARY.tokens(range(len(HOSTILE)))
QUESTION = "How surprising is each token?"


def strings_in(value):
    if isinstance(value, dict):
        return [s for item in value.values() for s in strings_in(item)]
    if isinstance(value, list | tuple):
        return [s for item in value for s in strings_in(item)]
    return [value] if isinstance(value, str) else []


def numbers_in(value):
    if isinstance(value, list | tuple):
        return [n for item in value for n in numbers_in(item)]
    return [value] if isinstance(value, int | float) else []


def as_sent(figure):
    """The figure as the page gets it."""
    return json.loads(figure.to_json())


def assert_fit_to_send(figure):
    """At most 300 points, all numbers finite, no markup but our own, no cut entity."""
    points = [len(trace.x) for trace in figure.data]
    assert sum(points) <= charts.MAX_POINTS + 2
    for trace in figure.data:
        for name in ("x", "y", "base", "width"):
            values = np.asarray(trace.to_plotly_json().get(name, ()), dtype=object)
            assert all(math.isfinite(n) for n in numbers_in(values.tolist()))
    assert figure.layout.title.text
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    for text in strings_in(as_sent(figure)):
        bare = text
        for markup in OURS:
            bare = bare.replace(markup, "")
        assert "<" not in bare
        assert "&" not in re.sub(r"&(lt|gt|amp);", "", bare)


def read_by_plotly(text):
    """What a person sees of an escaped text."""
    return html.unescape(text)


def logits_of(n, seed=0):
    return np.random.default_rng(seed).normal(0, 3, n).astype(np.float32)


# --- how many tokens share the probability


@pytest.mark.parametrize("n", [1, 2, 3, 299, 300, 5000])
def test_shares_by_rank(n):
    """The curve is the cumulative mass of the n most likely, rising to 1; few points for any n."""
    distribution = Distribution.from_logits(logits_of(n))
    figure = charts.share_by_rank(distribution)
    assert_fit_to_send(figure)
    curve = figure.data[0]
    masses = np.sort(np.exp(distribution.logprob_by_id.astype(np.float64)))[::-1].cumsum()
    np.testing.assert_allclose(curve.y, masses[np.asarray(curve.x) - 1])
    assert list(curve.x) == sorted(set(curve.x))
    assert (curve.x[0], curve.x[-1]) == (1, n)


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=60))
def test_marked_shares_are_the_smallest_sets(logits):
    """The points at 50 % and 90 % are the first ranks whose mass reaches them, each once."""
    distribution = Distribution.from_logits(np.array(logits, dtype=np.float32))
    masses = np.sort(np.exp(distribution.logprob_by_id.astype(np.float64)))[::-1].cumsum()
    marked = [trace.x[0] for trace in charts.share_by_rank(distribution).data[1:]]
    by_hand = [next(i for i, mass in enumerate(masses, 1) if mass >= s) for s in (0.5, 0.9)]
    assert marked == list(dict.fromkeys(by_hand))


def test_shares_of_a_partial_distribution_end_below_1():
    """What the engine did not say is not drawn."""
    logprobs = np.full(20, -np.inf, dtype=np.float32)
    logprobs[:2] = np.log([0.4, 0.2]).astype(np.float32)
    figure = charts.share_by_rank(Distribution(logprobs, tail_mass=0.4))
    assert_fit_to_send(figure)
    assert figure.data[0].y[-1] == pytest.approx(0.6, abs=1e-6)
    assert len(figure.data) == 2  # 90 % is not reached


# --- where r falls


def wide_vocabulary(n):
    return Vocabulary(tuple(b"%d" % i for i in range(n)), frozenset())


RS = st.none() | st.floats(0, 1, exclude_max=True)
SIZES = st.sampled_from([1, 2, 39, 40, 41, 42, 500])


@given(SIZES, RS, st.sampled_from([0.3, 1.0, 10.0]))
def test_the_draw_bar_covers_0_to_1_and_marks_the_token_hit(n, r, temperature):
    """Segments end to end without gap; the marked one holds r and names the drawn token."""
    sampled = reshape(Distribution.from_logits(logits_of(n)), Sampler(temperature))
    figure = charts.draw_bar(sampled, wide_vocabulary(n), r)
    assert_fit_to_send(figure)
    bar = figure.data[0]
    stops = [base + x for base, x in zip(bar.base, bar.x, strict=True)]
    assert bar.base[0] == 0
    assert stops[-1] == pytest.approx(1, abs=1e-12)
    assert stops[:-1] == pytest.approx(bar.base[1:], abs=1e-12)
    assert all(x >= 0 for x in bar.x)
    names = [said.partition("<br>")[0] for said in bar.customdata]
    others = [int(name.split()[0].replace(",", "")) for name in names if name.endswith(" others")]
    without = len(sampled.ids) - sum(others) - (len(names) - len(others))
    assert without == 0 or (without > 0 and sampled.probs.min() < 1e-12)  # of no width
    marked = [i for i, c in enumerate(bar.marker.color) if c == palette.CHOSEN]
    if r is None:
        assert marked == []
        return
    (at,) = marked
    assert bar.base[at] - 1e-12 <= r <= stops[at] + 1e-12
    assert bar.customdata[at].startswith(f"{draw(sampled, r)}<br>")


@pytest.mark.parametrize("r", [None, 0.0, 0.99])
def test_hostile_tokens_in_the_draw_bar(r):
    """Names of tokens, in the bars and on hover, are text."""
    probs = np.full(len(HOSTILE), 1 / len(HOSTILE))
    sampled = SampledDistribution(np.arange(len(HOSTILE)), probs, ())
    figure = charts.draw_bar(sampled, VOCABULARY, r)
    assert_fit_to_send(figure)
    names = [text.partition("<br>")[0] for text in figure.data[0].customdata]
    assert_names_tokens(names)


def assert_names_tokens(names):
    """Unescaped, each name is the token's label, cut by characters and not inside an entity."""
    for name, token in zip(names, TOKENS, strict=True):
        seen = read_by_plotly(name)
        assert seen == label(token) or (seen[-1] == "…" and label(token).startswith(seen[:-1]))
        assert len(seen) <= 24


# --- bits along a text


def bits_of(n, seed=0):
    bits = np.abs(logits_of(n, seed)).astype(np.float64)
    bits[0] = np.nan
    return bits


def test_bits_of_a_short_text_are_drawn_one_by_one():
    """Exact heights; nothing at the first token, which has no prediction."""
    bits = bits_of(len(TOKENS))
    figure = charts.bits_along(bits, TOKENS, QUESTION)
    assert_fit_to_send(figure)
    bar = figure.data[0]
    assert bar.y[0] is None or np.isnan(bar.y[0])
    assert list(bar.y[1:]) == bits[1:].tolist()
    assert list(bar.x) == list(range(len(TOKENS)))
    assert figure.layout.title.text == QUESTION


def test_hostile_tokens_in_the_bits_chart():
    """Names on hover are text."""
    figure = charts.bits_along(bits_of(len(TOKENS)), TOKENS, QUESTION)
    for i, text in enumerate(figure.data[0].customdata):
        seen = read_by_plotly(text).removeprefix(f"token {i}: ")
        assert label(TOKENS[i]).startswith(seen.removesuffix("…"))


@pytest.mark.parametrize("n", [1, 2, 299, 300, 301, 1000, 4096])
def test_bits_of_a_long_text_are_averages_of_neighbours(n):
    """At most 300 bars, each the mean of its window; the title says so."""
    bits = bits_of(n)
    tokens = [Token(1, b"<b>")] * n
    figure = charts.bits_along(bits, tokens, QUESTION, first=7)
    assert_fit_to_send(figure)
    bar = figure.data[0]
    width = math.ceil(n / charts.MAX_POINTS)
    for position, height in zip(bar.x, bar.y, strict=True):
        window = bits[position - 7 : position - 7 + width]
        known = window[~np.isnan(window)]
        if len(known):
            assert height == pytest.approx(known.mean())
    assert (str(width) in figure.layout.title.text) == (width > 1)


def test_reference_lines_stand_at_their_bits():
    """Coin, die and the two probabilities of the handout, each with its name."""
    figure = charts.bits_along(bits_of(5), TOKENS[:5], QUESTION)
    lines = sorted(shape.y0 for shape in figure.layout.shapes)
    assert lines == pytest.approx([0.074, 1, 2.585, 6.644], abs=1e-3)
    texts = " ".join(annotation.text for annotation in figure.layout.annotations)
    assert all(word in texts for word in ("coin", "die", "0.95", "0.01"))

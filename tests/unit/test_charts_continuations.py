"""Figures of what comes next if: the numbers of the panels, few points, no markup from tokens."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_charts import HOSTILE, TOKENS, VOCABULARY, assert_fit_to_send, read_by_plotly

from core import charts, palette
from core.charts_continuations import (
    CHANGE_COLOURS,
    CHANGE_QUESTION,
    _apart,
    bits_after_forcing,
    change_along,
)
from core.continuations import Continuation
from core.display import label
from core.tokens import LN2, Candidate


def continuation(rank, bits, seed=0):
    """Tokens with these bits, each a hostile one."""
    ids = np.random.default_rng([rank, seed]).integers(0, len(HOSTILE), len(bits))
    tokens = [Candidate(int(i), -b * LN2, rank) for i, b in zip(ids, bits, strict=True)]
    return Continuation((0,), tuple(tokens))


def forced_of(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [
        continuation(rank, rng.gamma(1, 2, 1 + n).tolist(), seed)
        for rank, n in enumerate(lengths, start=1)
    ]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=10))
def test_each_line_is_the_average_so_far_up_to_the_last(lengths):
    """A point is the mean bits of the tokens after the forced one up to it; the last is there."""
    forced = forced_of(lengths)
    figure = bits_after_forcing(VOCABULARY, forced)
    assert_fit_to_send(figure)
    lines = iter(figure.data)
    for one, n in zip(forced, lengths, strict=True):
        if not n:
            continue
        line = next(lines)
        assert line.x[-1] == n
        for x, y in zip(line.x, line.y, strict=True):
            assert y == pytest.approx(np.mean(one.bits[1 : 1 + x]))
        if max(lengths) * len(lengths) <= charts.MAX_POINTS:
            assert list(line.x) == list(range(1, n + 1))
    assert next(lines, None) is None


def test_every_line_is_named_where_it_ends():
    """One label per line, in the order of the ends, none on another, with rank and token."""
    forced = forced_of([12] * 10)
    figure = bits_after_forcing(VOCABULARY, forced)
    names = [read_by_plotly(note.text) for note in figure.layout.annotations]
    by_end = sorted(forced, key=lambda one: np.mean(one.bits[1:]))
    assert [int(name.split()[0]) for name in names] == [one.tokens[0].rank for one in by_end]
    heights = [note.y for note in figure.layout.annotations]
    top = figure.layout.yaxis.range[1]
    assert min(np.diff(heights)) >= 0.055 * top * 0.999
    assert max(heights) <= top
    assert "?" in figure.layout.title.text


@given(st.lists(st.floats(0, 20), max_size=15).map(sorted), st.floats(0.1, 1))
def test_moved_apart_in_order(heights, gap):
    """Labels keep their order and their distance, and stay below the top."""
    placed = _apart(heights, gap, 20)
    assert len(placed) == len(heights)
    assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(placed))
    assert all(height <= 20 for height in placed)


@pytest.mark.parametrize("colour", [palette.blend(palette.MODEL, palette.SAMPLER, i / 9)
                                    for i in range(10)])  # fmt: skip
@pytest.mark.parametrize("ground", ["#ffffff", "#0b0f19"])
def test_every_line_shows_on_both_pages(colour, ground):
    """Graphics need 3 : 1 against what they lie on."""
    assert palette.contrast(colour, ground) >= 3


@pytest.mark.parametrize("first", [0, 7])
def test_change_of_a_short_text(first):
    """A bar for each token with its change; none where nothing was predicted; named beneath."""
    change = np.linspace(-3, 3, len(TOKENS))
    change[0] = np.nan
    figure = change_along(change, TOKENS, first)
    assert_fit_to_send(figure)
    (bars,) = figure.data
    assert list(bars.x) == list(range(first, first + len(TOKENS)))
    assert bars.y[0] is None
    assert list(bars.y[1:]) == change[1:].tolist()
    for height, colour in zip(change[1:], bars.marker.color[1:], strict=True):
        assert colour == CHANGE_COLOURS[int(height > 0)]
    assert figure.layout.title.text == CHANGE_QUESTION
    for shown, token in zip(figure.layout.xaxis.ticktext, TOKENS, strict=True):
        assert label(token).startswith(read_by_plotly(shown).removesuffix("…"))
    assert "no prediction" in bars.customdata[0]


@pytest.mark.parametrize("n", [1, 300, 301, 4000])
def test_change_along_a_long_text_is_averaged(n):
    """At most 300 bars, each the mean of its neighbours; the title says so."""
    change = np.random.default_rng(0).normal(size=n)
    figure = change_along(change, [TOKENS[0]] * n)
    assert_fit_to_send(figure)
    width = -(-n // charts.MAX_POINTS)
    for x, y in zip(figure.data[0].x, figure.data[0].y, strict=True):
        assert y == pytest.approx(change[x : x + width].mean())
    assert (f"averages of {width}" in figure.layout.title.text) == (width > 1)

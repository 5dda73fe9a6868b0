"""The colours can be read, and their order shows without colour vision."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import palette

READABLE = 4.5  # WCAG AA for text


def luminance(colour):
    """WCAG relative luminance, from its definition."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


GROUNDS = [
    (mode, colour)
    for scale in (palette.HEAT, palette.HUES, palette.CHANGE)
    for mode in ("light", "dark")
    for colour in scale[mode]
]


@pytest.mark.parametrize(("mode", "colour"), GROUNDS)
def test_text_reads_on_every_colour(mode, colour):
    """The ink chosen for a ground has a contrast of at least 4.5 : 1 on it."""
    assert contrast(palette.text_on(colour), colour) >= READABLE


@pytest.mark.parametrize(("mode", "direction"), [("light", -1), ("dark", 1)])
def test_the_surprise_scale_is_strictly_monotone(mode, direction):
    """Away from the page's ground with every step, so that it reads in grey."""
    steps = [luminance(colour) for colour in palette.HEAT[mode]]
    differences = [direction * (b - a) for a, b in itertools.pairwise(steps)]
    assert min(differences) > 0.005


@pytest.mark.parametrize(("mode", "direction"), [("light", -1), ("dark", 1)])
def test_the_scale_of_changes_leaves_its_middle_both_ways(mode, direction):
    """Away from the page's ground with every step up and down, so that size reads in grey."""
    steps = [luminance(colour) for colour in palette.CHANGE[mode]]
    for half in (steps[4:], steps[4::-1]):
        assert len(half) == len(palette.CHANGE_EDGES_BITS) + 1
        assert min(direction * (b - a) for a, b in itertools.pairwise(half)) > 0.005


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_a_greater_change_is_never_a_lower_step(first, second):
    """Levels are 0…8, rise with the change, and mirror each other."""
    low, high = sorted((first, second))
    assert 0 <= palette.change_level(low) <= palette.change_level(high) <= 8
    assert palette.change_level(-low) == 8 - palette.change_level(low)


@pytest.mark.parametrize(("bits", "level"), [(0, 4), (-0.09, 4), (0.1, 5), (-0.5, 2), (5, 8)])
def test_a_step_of_changes_begins_at_its_edge(bits, level):
    """The edges of the legend."""
    assert palette.change_level(bits) == level


@pytest.mark.parametrize("ground", ["#ffffff", "#0b0f19"])
@pytest.mark.parametrize("name", ["MODEL", "SAMPLER", "CHOSEN", "REST"])
def test_chart_colours_show_on_both_pages(ground, name):
    """Graphics need 3 : 1 against what they lie on."""
    assert contrast(getattr(palette, name), ground) >= 3


def test_the_two_modes_have_the_same_steps():
    """One level or hue means the same in both."""
    assert len(palette.HEAT["light"]) == len(palette.HEAT["dark"])
    assert len(palette.HEAT["light"]) == len(palette.HEAT_EDGES_BITS) + 1
    assert len(palette.HUES["light"]) == len(palette.HUES["dark"]) == len(set(palette.HUES["dark"]))


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_bits_are_never_a_paler_step(first, second):
    """Levels are 0…7 and rise with the bits."""
    low, high = sorted((first, second))
    assert 0 <= palette.heat_level(low) <= palette.heat_level(high) <= 7


@pytest.mark.parametrize(("bits", "level"), [(0, 0), (0.49, 0), (0.5, 1), (3.9, 3), (12, 7)])
def test_a_step_begins_at_its_edge(bits, level):
    """The edges of the legend."""
    assert palette.heat_level(bits) == level


@given(st.tuples(*[st.integers(0, 255)] * 6))
def test_contrast_is_that_of_wcag(channels):
    """Symmetric, 1 for a colour with itself, as the definition computes it."""
    first = "#{:02x}{:02x}{:02x}".format(*channels[:3])
    second = "#{:02x}{:02x}{:02x}".format(*channels[3:])
    assert palette.contrast(first, second) == pytest.approx(contrast(first, second))
    assert palette.contrast(first, first) == pytest.approx(1)
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)

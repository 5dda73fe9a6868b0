"""The colours and what they mean: one scale for surprise, one hue per token id, a few roles.

Pure data, shared by the token strip and the charts; light and dark have their own
values. Even steps of OKLab lightness in one hue family, so that order reads without
colour vision. Knows nothing of CSS or Plotly.
"""

from bisect import bisect_right

# upper edge in bits of each step of the surprise scale but the last
HEAT_EDGES_BITS = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0)

HEAT = {
    "light": (
        "#fcf6ee", "#f0deca", "#e5c6a7", "#daad86", "#d09465", "#c57a44", "#ba5f1f", "#9c4100",
    ),
    "dark": (
        "#2d2421", "#47332a", "#614231", "#7c5336", "#97653a", "#b1783c", "#cc8d3b", "#e5a337",
    ),
}  # fmt: skip

HUES = {
    "light": (
        "#ffd3d6", "#fedabd", "#e6e4ba", "#c8ecce", "#b7eded", "#c1e7ff", "#ddddff", "#f7d5f3",
    ),
    "dark": (
        "#582f33", "#54351a", "#423f15", "#24462c", "#034747", "#1c4159", "#3a385b", "#4f314c",
    ),
}  # fmt: skip

# edges, in bits either way, between the steps of a change
CHANGE_EDGES_BITS = (0.1, 0.5, 2.0, 5.0)

# fewer bits (blue), hardly any change in the middle, more bits (orange)
CHANGE = {
    "light": (
        "#1c6ba0", "#5f9fc8", "#a3c9e2", "#d9eaf5", "#f6f6f4",
        "#f6e0c8", "#e2b07e", "#cb7d3c", "#a04a10",
    ),
    "dark": (
        "#7cc4f2", "#4390c2", "#2a6187", "#20425a", "#262a30",
        "#4d3726", "#7d5534", "#b1783c", "#e5a337",
    ),
}  # fmt: skip

# charts draw on a transparent ground, so these must read on white and on near-black
MODEL = "#4c88d3"
SAMPLER = "#cf7b26"
CHOSEN = "#1f9e56"
REST = "#8f8f8f"
SURPRISE = "#cc6a1f"

INKS = ("#000000", "#ffffff")  # one of them has 4.5 : 1 on any colour; softer ones do not


def heat_level(bits: float) -> int:
    """The step of the surprise scale, 0 (expected) to 7, for a surprisal in bits."""
    return bisect_right(HEAT_EDGES_BITS, bits)


def change_level(bits: float) -> int:
    """The step of the scale of changes, 0 (far fewer bits) to 8 (far more); 4 is hardly any."""
    step = bisect_right(CHANGE_EDGES_BITS, abs(bits))
    return 4 + step if bits > 0 else 4 - step


def blend(first: str, second: str, share: float) -> str:
    """The colour at ``share``, 0 to 1, of the way from one to another."""
    pairs = zip(channels(first), channels(second), strict=True)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def text_on(background: str) -> str:
    """Black or white, whichever reads better on a background like ``#aabbcc``."""
    return max(INKS, key=lambda ink: contrast(ink, background))


def contrast(first: str, second: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """WCAG relative luminance, 0 to 1."""
    shares = [channel / 255 for channel in channels(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def channels(colour: str) -> list[int]:
    """Red, green and blue, 0 to 255."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]

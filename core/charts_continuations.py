"""Figures of what comes next if: continuations after forced tokens, and one token replaced.

Plain values to Plotly figures, like ``core.charts``, whose layout and limits they keep.
Knows nothing of engines or Gradio.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core import palette
from core.charts import MARGIN, MAX_POINTS, Json, _axis, _figure, _level, _plain
from core.continuations import Continuation
from core.display import format_change, label
from core.tokens import Token, Vocabulary

RECOVERY_QUESTION = "Does the model get back on its feet?"
CHANGE_QUESTION = "Which later tokens care?"
LINES_HEIGHT = 360
MOST_NAMED = 24  # tokens whose names fit under their bars
LABEL_SHARE = 0.055  # of the height: what a line of text takes
LABELS_FROM = 1.1  # of the width of the lines
CHANGE_COLOURS = (palette.MODEL, palette.SAMPLER)  # fewer bits, more bits


def bits_after_forcing(vocabulary: Vocabulary, forced: Sequence[Continuation]) -> go.Figure:
    """Bits per token after the forced one, so far, at each token: a line for each of ``forced``.

    Where there would be more than 300 points, not every token has one; the last one has.
    """
    longest = max((len(one.tokens) - 1 for one in forced), default=0)
    every = max(1, -(-longest * len(forced) // MAX_POINTS))
    lines: list[Json] = []
    ends: list[tuple[float, int, str, str]] = []
    for i, one in enumerate(forced):
        if len(one.tokens) < 2:
            continue
        colour = palette.blend(palette.MODEL, palette.SAMPLER, i / max(1, len(forced) - 1))
        name = f"{one.tokens[0].rank} “{_name(vocabulary, one.tokens[0].id, 14)}”"
        line = _line(vocabulary, one, every, name, colour)
        lines.append(line)
        ends.append((line["y"][-1], line["x"][-1], name, colour))
    top = 1.08 * max((max(line["y"]) for line in lines), default=1.0) + 0.1
    width = max(2, longest)
    return _figure(
        lines,
        RECOVERY_QUESTION,
        LINES_HEIGHT,
        margin=MARGIN | {"r": 150},
        xaxis=_axis(
            "tokens after the forced one",
            range=[1 - 0.03 * width, width * LABELS_FROM],
            tickformat="d",
            nticks=7,
        ),
        yaxis=_axis("bits per token, so far", range=[-0.02 * top, top]),
        **_labelled_ends(ends, top, width),
    )


def _line(vocabulary: Vocabulary, one: Continuation, every: int, name: str, colour: str) -> Json:
    """The averages of the first 1, 2, 3 … tokens after the forced one."""
    bits = np.array(one.bits[1:])
    means = np.cumsum(bits) / np.arange(1, len(bits) + 1)
    shown = range((len(bits) - 1) % every, len(bits), every)  # up to the last
    written = [_name(vocabulary, one.tokens[1 + i].id, 24) for i in shown]
    return {
        "type": "scatter",
        "x": [1 + i for i in shown],
        "y": [float(means[i]) for i in shown],
        "mode": "lines+markers",
        "line": {"color": colour, "width": 3 if one.tokens[0].rank == 1 else 1.6},
        "marker": {"size": 5},
        "customdata": [
            f"{name}<br>token {1 + i}, {text}: {bits[i]:.4f} bits"
            for i, text in zip(shown, written, strict=True)
        ],
        "hovertemplate": "%{customdata}<br>%{y:.4f} bits per token so far<extra></extra>",
    }


def _labelled_ends(ends: Sequence[tuple[float, int, str, str]], top: float, width: int) -> Json:
    """Each line's name at the right, led there from its end in its colour."""
    ordered = sorted(ends)
    heights = _apart([height for height, *_ in ordered], LABEL_SHARE * top, top)
    shapes, names = [], []
    for height, (end, last, name, colour) in zip(heights, ordered, strict=True):
        lead = {"type": "line", "x0": last, "y0": end, "x1": width * LABELS_FROM, "y1": height}
        shapes.append(lead | {"line": {"color": colour, "width": 1, "dash": "dot"}})
        at = {"x": 1, "xref": "paper", "y": height, "xanchor": "left", "yanchor": "middle"}
        look = {"xshift": 4, "showarrow": False, "font": {"size": 12}}
        names.append(at | look | {"text": name})
    return {"shapes": shapes, "annotations": names}


def _apart(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Rising heights at least ``gap`` apart and, where there is room, none above ``top``."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    ceiling = top
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return placed


def change_along(change: NDArray[np.float64], tokens: Sequence[Token], first: int = 0) -> go.Figure:
    """How many bits more or fewer each token costs; averages of neighbours past 300 tokens.

    ``change`` [tokens], NaN where nothing was predicted; ``first``: the first one's position.
    """
    width = max(1, -(-len(change) // MAX_POINTS))
    starts = range(0, len(change), width)
    heights = _averages(change, width)
    bars = {
        "type": "bar",
        "x": [first + start for start in starts],
        "y": heights,
        "width": 0.9 * width,
        "customdata": [_window(tokens, change, start, width, first) for start in starts],
        "marker": {"color": [CHANGE_COLOURS[bool(height and height > 0)] for height in heights]},
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    return _figure(
        [bars],
        CHANGE_QUESTION if width == 1 else f"{CHANGE_QUESTION} (averages of {width})",
        height=260,
        xaxis=_axis("token", showgrid=False, **_token_names(tokens, first)),
        yaxis=_axis("bits more (+) or fewer (−)", rangemode="tozero"),
        shapes=[_level(0, {"width": 1, "color": palette.REST})],
    )


def _token_names(tokens: Sequence[Token], first: int) -> Json:
    """Ticks that name each token, where there is room for all."""
    if len(tokens) > MOST_NAMED:
        return {}
    return {
        "tickvals": list(range(first, first + len(tokens))),
        "ticktext": [_plain(label(token), 12) for token in tokens],
    }


def _averages(values: NDArray[np.float64], width: int) -> list[float | None]:
    """Means of each ``width`` neighbours; None where none of them is known."""
    windows = [values[start : start + width] for start in range(0, len(values), width)]
    known = [window[~np.isnan(window)] for window in windows]
    return [float(np.mean(window)) if len(window) else None for window in known]


def _window(
    tokens: Sequence[Token], change: NDArray[np.float64], start: int, width: int, first: int
) -> str:
    """What hovering over a bar says: the position, the tokens, the change."""
    (mean,) = _averages(change[start : start + width], width)
    text = _plain("".join(map(label, tokens[start : start + width])), 60)
    said = "no prediction" if mean is None else f"{format_change(mean, 4)} bits"
    return f"token {first + start}: {text}<br>{said}"


def _name(vocabulary: Vocabulary, token_id: int, most: int) -> str:
    return _plain(label(vocabulary.token(token_id)), most)

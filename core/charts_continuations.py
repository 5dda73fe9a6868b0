"""Figures of what comes next if: continuations after forced tokens, and one token replaced.

Plain values to Plotly figures, like ``core.charts``, whose layout and limits they keep.
Knows nothing of engines or Gradio.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core import palette
from core.charts import MAX_POINTS, _layout, _plain
from core.continuations import Continuation
from core.display import format_change, label
from core.tokens import Token, Vocabulary

RECOVERY_QUESTION = "Does the model get back on its feet?"
CHANGE_QUESTION = "Which later tokens care?"
LINES_HEIGHT = 360
LABEL_SHARE = 0.055  # of the height: what a line of text takes
CHANGE_COLOURS = (palette.MODEL, palette.SAMPLER)  # fewer bits, more bits


def bits_after_forcing(
    vocabulary: Vocabulary, forced: Sequence[Continuation], question: str = RECOVERY_QUESTION
) -> go.Figure:
    """Bits of each token after the forced one, a line for each of ``forced``, in order of rank.

    Averages of neighbours where there would be more than 300 points.
    """
    longest = max((len(one.tokens) - 1 for one in forced), default=0)
    width = max(1, -(-longest * len(forced) // MAX_POINTS))
    figure = go.Figure()
    ends: list[tuple[float, str, str]] = []
    for i, one in enumerate(forced):
        colour = palette.blend(palette.MODEL, palette.SAMPLER, i / max(1, len(forced) - 1))
        name = f"{one.tokens[0].rank} “{_name(vocabulary, one.tokens[0].id, 14)}”"
        heights = [mean for mean in _averages(np.array(one.bits[1:]), width) if mean is not None]
        if heights:
            figure.add_trace(_line(vocabulary, one, heights, width, name, colour))
            ends.append((heights[-1], name, colour))
    _layout(figure, question if width == 1 else f"{question} (averages of {width})", LINES_HEIGHT)
    top = 1.08 * max((max(trace.y) for trace in figure.data), default=1.0) + 0.1
    _label_ends(figure, ends, top)
    figure.update_yaxes(title_text="bits", range=[-0.02 * top, top])
    figure.update_xaxes(
        title_text="token after the forced one", range=[0.7, max(2, longest) + 0.3], tickformat="d"
    )
    figure.update_layout(margin_r=150)
    return figure


def _line(
    vocabulary: Vocabulary,
    one: Continuation,
    heights: Sequence[float],
    width: int,
    name: str,
    colour: str,
) -> go.Scatter:
    after = [token.id for token in one.tokens[1:]]
    starts = range(0, len(after), width)
    written = [vocabulary.tokens(after[start : start + width]) for start in starts]
    return go.Scatter(
        x=[1 + start for start in starts],
        y=heights,
        mode="lines+markers",
        line={"color": colour, "width": 3 if one.tokens[0].rank == 1 else 1.6},
        marker={"size": 5},
        customdata=[f"{name}<br>" + _plain("".join(map(label, some)), 40) for some in written],
        hovertemplate="%{customdata}: %{y:.4f} bits<extra></extra>",
    )


def _label_ends(figure: go.Figure, ends: Sequence[tuple[float, str, str]], top: float) -> None:
    """Each line's name beside its end, moved apart where they would lie on each other."""
    ordered = sorted(ends)
    heights = _apart([height for height, _, _ in ordered], LABEL_SHARE * top, top)
    for height, (_, name, colour) in zip(heights, ordered, strict=True):
        figure.add_annotation(x=1, xref="paper", y=height, xanchor="left", yanchor="middle",
                              xshift=6, showarrow=False, text=name,
                              bgcolor="rgba(0,0,0,0)", borderpad=0,
                              font={"size": 12, "color": colour})  # fmt: skip


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
    figure = go.Figure(
        go.Bar(
            x=[first + start for start in starts],
            y=heights,
            width=0.9 * width,
            customdata=[_window(tokens, change, start, width, first) for start in starts],
            marker_color=[CHANGE_COLOURS[bool(height and height > 0)] for height in heights],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    question = CHANGE_QUESTION if width == 1 else f"{CHANGE_QUESTION} (averages of {width})"
    _layout(figure, question, height=260)
    figure.add_hline(y=0, line={"width": 1, "color": palette.REST})
    figure.update_yaxes(title_text="bits more (+) or fewer (−)", rangemode="tozero")
    figure.update_xaxes(title_text="token", showgrid=False)
    return figure


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

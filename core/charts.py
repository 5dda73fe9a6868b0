"""Plain values to Plotly figures: each answers the one question that is its title.

The same palette as the token strip; transparent grounds; text takes the page's own
colour (the page's style sheet sees to it). At most 300 points. Knows nothing of
engines or Gradio.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core import palette
from core.display import format_bits, label
from core.measures import REFERENCE_POINTS
from core.sampling import SampledDistribution, cumulative
from core.tokens import Distribution, Token, Vocabulary

MAX_POINTS = 300
GRID = "rgba(128,128,128,0.22)"
MARGIN = {"l": 8, "r": 16, "t": 44, "b": 8}
BITS_PIXELS = 180  # of the height of bits along a text, about: the rest is title and axis
REFERENCE_PIXELS, NAME_PIXELS = 92, 13  # width and height of a reference point's name
Json = dict[str, Any]


def share_by_rank(distribution: Distribution) -> go.Figure:
    """How much probability the most likely 1, 2, 3 … tokens hold together (log rank)."""
    edges = np.cumsum(np.exp(distribution.logprob_by_id[distribution.order].astype(np.float64)))
    ranks = np.unique(np.geomspace(1, len(edges), MAX_POINTS // 2).astype(int))
    curve = {
        "type": "scatter",
        "x": ranks,
        "y": edges[ranks - 1],
        "mode": "lines",
        "line": {"color": palette.MODEL, "width": 3},
        "hovertemplate": "top %{x:,} tokens hold %{y:.6f}<extra></extra>",
    }
    # where both need the same n, their point is that of the larger share
    reached = {int(np.searchsorted(edges, share)) + 1: share for share in (0.5, 0.9)}
    points = [
        _point(n, edges[n - 1], f"{n:,} for {share:.0%}")
        for n, share in reached.items()
        if n <= len(edges)
    ]
    return _figure(
        [curve, *points],
        "How many tokens share the probability?",
        height=300,
        xaxis=_axis("the n most likely tokens", type="log", dtick=1, ticklabelstandoff=6),
        yaxis=_axis("probability together", range=[0, 1.04], tickformat=".0%"),
    )


def _point(n: int, share: float, text: str) -> Json:
    return {
        "type": "scatter",
        "x": [n],
        "y": [share],
        "mode": "markers+text",
        "text": [text],
        # the line rises: both sides are free
        "textposition": "bottom right" if n < 30 else "top left",
        "marker": {"color": palette.MODEL, "size": 9},
        "hoverinfo": "skip",
    }


def draw_bar(sampled: SampledDistribution, vocabulary: Vocabulary, r: float | None) -> go.Figure:
    """The sampler's tokens end to end from 0 to 1, and where r falls."""
    edges = np.concatenate([[0.0], cumulative(sampled.probs)])
    hit = None if r is None else int(np.searchsorted(edges[1:], r, side="right"))
    shown = _segments(edges, hit)
    names = [_segment_name(sampled, vocabulary, at) for _, _, at in shown]
    bars = {
        "type": "bar",
        "x": [stop - start for start, stop, _ in shown],
        "base": [start for start, _, _ in shown],
        "y": [""] * len(shown),
        "orientation": "h",
        "marker": {
            "color": [_segment_colour(i, hit, at) for i, (_, _, at) in enumerate(shown)],
            "line": {"width": 1, "color": "rgba(127,127,127,0.6)"},
        },
        "text": [
            name.replace(" ", "<br>", at < 0) if stop - start > 0.05 else ""
            for name, (start, stop, at) in zip(names, shown, strict=True)
        ],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "customdata": [
            f"{name}<br>{start:.6f} ≤ r &lt; {stop:.6f}"
            for name, (start, stop, _) in zip(names, shown, strict=True)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    return _figure(
        [bars],
        "Where does r fall?",
        height=140,
        xaxis=_axis("cumulative probability", range=[-0.004, 1.004], tickformat=".1f"),
        yaxis=_axis(visible=False),
        **({} if r is None else _mark(r)),
    )


def _mark(r: float) -> Json:
    """A line where r falls, and its name beside it."""
    line = {"type": "line", "x0": r, "x1": r, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain"}
    name = {"x": r, "y": 1.0, "yref": "paper", "yanchor": "bottom", "showarrow": False,
            "xanchor": "left" if r < 0.85 else "right", "text": f"r = {r:.4f}"}  # fmt: skip
    return {
        "shapes": [line | {"line": {"width": 3, "color": palette.CHOSEN}}],
        "annotations": [name],
    }


def _segments(edges: np.ndarray, hit: int | None) -> list[tuple[float, float, int]]:
    """(start, stop, index) of the first tokens, the one hit, and the others together: −how many."""
    n, n_shown = len(edges) - 1, min(len(edges) - 1, 40)
    shown = [(float(edges[i]), float(edges[i + 1]), i) for i in range(n_shown)]
    last = float(edges[n_shown])
    if hit is not None and hit >= n_shown:
        if edges[hit] > last:
            shown.append((last, float(edges[hit]), n_shown - hit))
        shown.append((float(edges[hit]), float(edges[hit + 1]), hit))
        last, n_shown = float(edges[hit + 1]), hit + 1
    if last < 1:
        shown.append((last, 1.0, n_shown - n))
    return shown


def _segment_colour(position: int, hit: int | None, at: int) -> str:
    if at < 0:
        return palette.REST
    if at == hit:
        return palette.CHOSEN
    return palette.SAMPLER if position % 2 == 0 else "#dd9a55"


def _segment_name(sampled: SampledDistribution, vocabulary: Vocabulary, at: int) -> str:
    return f"{-at:,} others" if at < 0 else _axis_label(vocabulary.token(int(sampled.ids[at])))


def bits_along(
    bits: NDArray[np.float64], tokens: Sequence[Token], question: str, first: int = 0
) -> go.Figure:
    """Surprisal of each token along a text; averages of neighbours past 300 tokens.

    ``bits`` [tokens], NaN where nothing was predicted; ``first``: the first one's position.
    """
    width = -(-len(bits) // MAX_POINTS)
    starts = range(0, len(bits), width)
    heights = [_mean(bits[start : start + width]) for start in starts]
    bars = {
        "type": "bar",
        "x": [first + start for start in starts],
        "y": heights,
        "width": width,
        "customdata": [_window_name(tokens, start, width, first) for start in starts],
        "marker": {"color": [_heat_colour(height) for height in heights]},
        "hovertemplate": "%{customdata}<br>%{y:.4f} bits<extra></extra>",
    }
    return _figure(
        [bars],
        question if width == 1 else f"{question} (averages of {width})",
        height=280,
        xaxis=_axis("token", showgrid=False),
        yaxis=_axis("bits", rangemode="tozero"),
        shapes=[
            _level(point.bits, {"width": 1, "dash": "dot", "color": palette.REST})
            for point in REFERENCE_POINTS
        ],
        annotations=_references(max((height or 0.0 for height in heights), default=0.0)),
        margin=MARGIN | {"r": REFERENCE_PIXELS},
    )


def _references(highest: float) -> list[Json]:
    """The names of the points of reference, right of their levels; none stands on another."""
    pixels_per_bit = BITS_PIXELS / max(highest, *(point.bits for point in REFERENCE_POINTS))
    names, free_from = [], -NAME_PIXELS / 2
    for point in sorted(REFERENCE_POINTS, key=lambda point: point.bits):
        level = point.bits * pixels_per_bit
        place = max(level, free_from)
        free_from = place + NAME_PIXELS
        names.append(
            {"x": 1, "xref": "paper", "xanchor": "left", "xshift": 4, "y": point.bits,
             "yshift": place - level, "showarrow": False, "font": {"size": 11},
             "text": f"{point.name}: {format_bits(point.bits)}"}
        )  # fmt: skip
    return names


def _level(y: float, line: Json) -> Json:
    """A line at one height from end to end."""
    return {"type": "line", "y0": y, "y1": y, "yref": "y", "x0": 0, "x1": 1, "xref": "x domain",
            "line": line}  # fmt: skip


def _heat_colour(bits: float | None) -> str:
    """One colour, the stronger the more bits: like the strip, on a white page and on a dark one."""
    red, green, blue = palette.channels(palette.SURPRISE)
    return f"rgba({red},{green},{blue},{0.25 + 0.75 * palette.heat_level(bits or 0.0) / 7:.2f})"


def _mean(bits: np.ndarray) -> float | None:
    known = bits[~np.isnan(bits)]
    return float(np.mean(known)) if len(known) else None


def _window_name(tokens: Sequence[Token], start: int, width: int, first: int) -> str:
    window = tokens[start : start + width]
    return f"token {first + start}: " + _plain("".join(map(label, window)), 60)


def _axis_label(token: Token) -> str:
    return _plain(label(token), 24)


def _plain(text: str, most: int) -> str:
    """At most so many characters, with what Plotly would read as markup made harmless."""
    text = text if len(text) <= most else text[: most - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _figure(traces: Sequence[Json], title: str, height: int, **layout: Any) -> go.Figure:
    """Traces in the look of all figures, with more of a layout.

    Put together before Plotly sees it: its check of every later change took 50 ms a figure.
    """
    look = {
        "template": {},
        "title": {"text": title, "x": 0, "xanchor": "left", "font": {"size": 15}},
        "height": height,
        "margin": MARGIN,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "hoverlabel": {"align": "left"},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": palette.REST},
        "dragmode": False,
        "uniformtext": {"minsize": 10, "mode": "hide"},
    }
    return go.Figure(data=list(traces), layout=look | layout)


def _axis(title: str | None = None, **more: Any) -> Json:
    """An axis in the look of all figures; one that can't be dragged or zoomed."""
    look = {"gridcolor": GRID, "zerolinecolor": GRID, "automargin": True, "fixedrange": True}
    return {"title": {"text": title, "font": {"size": 12}}, **look, **more}

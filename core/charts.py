"""Plain values to Plotly figures: each answers the one question that is its title.

The same palette as the token strip; transparent grounds; text takes the page's own
colour (the page's style sheet sees to it). At most 300 points. Knows nothing of
engines or Gradio.
"""

from collections.abc import Sequence

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


def share_by_rank(distribution: Distribution) -> go.Figure:
    """How much probability the most likely 1, 2, 3 … tokens hold together (log rank)."""
    edges = np.cumsum(np.exp(distribution.logprob_by_id[distribution.order].astype(np.float64)))
    ranks = np.unique(np.geomspace(1, len(edges), MAX_POINTS // 2).astype(int))
    figure = go.Figure(
        go.Scatter(
            x=ranks,
            y=edges[ranks - 1],
            mode="lines",
            line={"color": palette.MODEL, "width": 3},
            hovertemplate="top %{x:,} tokens hold %{y:.6f}<extra></extra>",
        )
    )
    # where both need the same n, their point is that of the larger share
    reached = {int(np.searchsorted(edges, share)) + 1: share for share in (0.5, 0.9)}
    for n, share in reached.items():
        if n <= len(edges):
            side = "bottom right" if n < 30 else "top left"  # the line rises: both are free
            _point(figure, n, edges[n - 1], f"{n:,} for {share:.0%}", side)
    _layout(figure, "How many tokens share the probability?", height=300)
    figure.update_xaxes(type="log", title_text="the n most likely tokens", dtick=1)
    figure.update_yaxes(title_text="probability together", range=[0, 1.04], tickformat=".0%")
    return figure


def _point(figure: go.Figure, x: float, y: float, text: str, side: str) -> None:
    figure.add_trace(
        go.Scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            text=[text],
            textposition=side,
            marker={"color": palette.MODEL, "size": 9},
            hoverinfo="skip",
        )
    )


def draw_bar(sampled: SampledDistribution, vocabulary: Vocabulary, r: float | None) -> go.Figure:
    """The sampler's tokens end to end from 0 to 1, and where r falls."""
    edges = np.concatenate([[0.0], cumulative(sampled.probs)])
    hit = None if r is None else int(np.searchsorted(edges[1:], r, side="right"))
    shown = _segments(edges, hit)
    figure = go.Figure(
        go.Bar(
            x=[stop - start for start, stop, _ in shown],
            base=[start for start, _, _ in shown],
            y=[""] * len(shown),
            orientation="h",
            marker={
                "color": [_segment_colour(i, hit, at) for i, (_, _, at) in enumerate(shown)],
                "line": {"width": 1, "color": "rgba(127,127,127,0.6)"},
            },
            text=[
                _segment_name(sampled, vocabulary, at).replace(" ", "<br>", at < 0)
                if stop - start > 0.05
                else ""
                for start, stop, at in shown
            ],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            customdata=[
                f"{_segment_name(sampled, vocabulary, at)}<br>{start:.6f} ≤ r &lt; {stop:.6f}"
                for start, stop, at in shown
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    _layout(figure, "Where does r fall?", height=140)
    figure.update_xaxes(
        range=[-0.004, 1.004], tickformat=".1f", title_text="cumulative probability"
    )
    figure.update_yaxes(visible=False)
    if r is not None:
        side = "left" if r < 0.85 else "right"
        figure.add_vline(x=r, line={"width": 3, "color": palette.CHOSEN})
        figure.add_annotation(x=r, y=1.0, yref="paper", yanchor="bottom", xanchor=side,
                              showarrow=False, text=f"r = {r:.4f}")  # fmt: skip
    return figure


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
    figure = go.Figure(
        go.Bar(
            x=[first + start for start in starts],
            y=heights,
            width=width,
            customdata=[_window_name(tokens, start, width, first) for start in starts],
            marker_color=[_heat_colour(height) for height in heights],
            hovertemplate="%{customdata}<br>%{y:.4f} bits<extra></extra>",
        )
    )
    _layout(figure, question if width == 1 else f"{question} (averages of {width})", height=280)
    for n, point in enumerate(REFERENCE_POINTS):
        side = (1, 0.6)[n % 2]  # neighbours' labels would overlap on a phone
        figure.add_hline(y=point.bits, line={"width": 1, "dash": "dot", "color": palette.REST})
        figure.add_annotation(x=side, xref="paper", y=point.bits, xanchor="right", yanchor="bottom",
                              showarrow=False, font={"size": 11},
                              text=f"{point.name}: {format_bits(point.bits)}")  # fmt: skip
    figure.update_yaxes(title_text="bits", rangemode="tozero")
    figure.update_xaxes(title_text="token", showgrid=False)
    return figure


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


def _layout(figure: go.Figure, title: str, height: int) -> None:
    figure.update_layout(
        template=None,
        title={"text": title, "x": 0, "xanchor": "left", "font": {"size": 15}},
        height=height,
        margin={"l": 8, "r": 16, "t": 44, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hoverlabel={"align": "left"},
        font={"family": "system-ui, sans-serif", "size": 13, "color": palette.REST},
        dragmode=False,
        uniformtext={"minsize": 10, "mode": "hide"},
    )
    axes = {"gridcolor": GRID, "zerolinecolor": GRID, "automargin": True, "fixedrange": True}
    figure.update_xaxes(title_font_size=12, **axes)
    figure.update_yaxes(title_font_size=12, **axes)

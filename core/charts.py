"""Plain values to Plotly figures: each answers the one question that is its title.

The same palette as the token strip; transparent grounds; text takes the page's own
colour (the page's style sheet sees to it). At most 300 points. Knows nothing of
engines or Gradio.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core import palette
from core.display import format_bits, format_prob, label, rest_mass
from core.measures import REFERENCE_POINTS, surprisal_bits
from core.sampling import SampledDistribution, cumulative
from core.tokens import Distribution, ScoredText, Token, Vocabulary

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
    for share in (0.5, 0.9):
        n = int(np.searchsorted(edges, share)) + 1
        if n <= len(edges):
            _point(figure, n, edges[n - 1], f"{n:,} for {share:.0%}")
    _layout(figure, "How many tokens share the probability?", height=300)
    figure.update_xaxes(type="log", title="the n most likely tokens", dtick=1)
    figure.update_yaxes(title="probability together", range=[0, 1.04], tickformat=".0%")
    return figure


def _point(figure: go.Figure, x: float, y: float, text: str) -> None:
    figure.add_trace(
        go.Scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            text=[text],
            textposition="top left",
            marker={"color": palette.MODEL, "size": 9},
            hoverinfo="skip",
        )
    )


def top_bars(
    distribution: Distribution, vocabulary: Vocabulary, n: int, chosen: int | None = None
) -> go.Figure:
    """The n most likely tokens and everything else, as bars on one scale."""
    ids = [int(i) for i in distribution.top(n)]
    logprobs = [distribution.logprob_of(i) for i in ids]
    rest = rest_mass(distribution, ids)
    figure = go.Figure(
        go.Bar(
            x=[*np.exp(logprobs), rest],
            y=list(range(len(ids) + 1)),
            orientation="h",
            marker_color=[palette.CHOSEN if i == chosen else palette.MODEL for i in ids]
            + [palette.REST],
            text=[*(format_prob(float(np.exp(lp))) for lp in logprobs), format_prob(rest)],
            textposition="outside",
            cliponaxis=False,
            customdata=[*(f"{surprisal_bits(lp):.4f} bits" for lp in logprobs), "all other tokens"],
            hovertemplate="%{x:.9f}<br>%{customdata}<extra></extra>",
        )
    )
    _layout(figure, "Which tokens hold the probability?", height=60 + 26 * (len(ids) + 1))
    names = [_axis_label(vocabulary.token(i)) for i in ids]
    figure.update_yaxes(
        tickvals=list(range(len(ids) + 1)), ticktext=[*names, "everything else"],
        autorange="reversed", showgrid=False,
    )  # fmt: skip
    figure.update_xaxes(range=[0, max(1e-9, float(max(*np.exp(logprobs), rest))) * 1.18],
                        tickformat=".0%")  # fmt: skip
    return figure


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
                _segment_name(sampled, vocabulary, at) if stop - start > 0.035 else ""
                for start, stop, at in shown
            ],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            customdata=[
                f"{_segment_name(sampled, vocabulary, at)}<br>{start:.6f} ≤ r < {stop:.6f}"
                for start, stop, at in shown
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    _layout(figure, "Where does r fall?", height=170)
    figure.update_xaxes(range=[0, 1], tickformat=".1f", title="cumulative probability")
    figure.update_yaxes(visible=False)
    if r is not None:
        side = "left" if r < 0.85 else "right"
        figure.add_vline(x=r, line={"width": 3, "color": palette.CHOSEN})
        figure.add_annotation(x=r, y=1.0, yref="paper", yanchor="bottom", xanchor=side,
                              showarrow=False, text=f"r = {r:.4f}")  # fmt: skip
    return figure


def _segments(edges: np.ndarray, hit: int | None) -> list[tuple[float, float, int | None]]:
    """(start, stop, index) of the first tokens, the one hit, and the others as one (None)."""
    n_shown = min(len(edges) - 1, 40)
    shown: list[tuple[float, float, int | None]] = [
        (float(edges[i]), float(edges[i + 1]), i) for i in range(n_shown)
    ]
    last = float(edges[n_shown])
    if hit is not None and hit >= n_shown:
        if edges[hit] > last:
            shown.append((last, float(edges[hit]), None))
        shown.append((float(edges[hit]), float(edges[hit + 1]), hit))
        last = float(edges[hit + 1])
    if last < 1:
        shown.append((last, 1.0, None))
    return shown


def _segment_colour(position: int, hit: int | None, at: int | None) -> str:
    if at is None:
        return palette.REST
    if at == hit:
        return palette.CHOSEN
    return palette.SAMPLER if position % 2 == 0 else "#dd9a55"


def _segment_name(sampled: SampledDistribution, vocabulary: Vocabulary, at: int | None) -> str:
    return "others" if at is None else _axis_label(vocabulary.token(int(sampled.ids[at])))


def bits_along(scored: ScoredText, tokens: Sequence[Token]) -> go.Figure:
    """Surprisal of each token along the text; averages of neighbours past 300 tokens."""
    bits = scored.surprisals_bits
    width = -(-len(bits) // MAX_POINTS)
    starts = range(0, len(bits), width)
    heights = [_mean(bits[start : start + width]) for start in starts]
    named = [_window_name(tokens, start, width) for start in starts]
    figure = go.Figure(
        go.Bar(
            x=list(starts),
            y=heights,
            width=width,
            customdata=named,
            marker_color=[palette.HEAT["light"][max(2, palette.heat_level(h or 0))]
                          for h in heights],
            hovertemplate="%{customdata}<br>%{y:.4f} bits<extra></extra>",
        )
    )  # fmt: skip
    title = "How surprising is each token?"
    if width > 1:
        title = f"How surprising is the text? (averages of {width} tokens)"
    _layout(figure, title, height=280)
    for point in REFERENCE_POINTS:
        figure.add_hline(y=point.bits, line={"width": 1, "dash": "dot", "color": palette.REST})
        figure.add_annotation(x=1, xref="paper", y=point.bits, xanchor="right", yanchor="bottom",
                              showarrow=False, font={"size": 11},
                              text=f"{point.name}: {format_bits(point.bits)}")  # fmt: skip
    figure.update_yaxes(title="bits", rangemode="tozero")
    figure.update_xaxes(title="token", showgrid=False)
    return figure


def _mean(bits: np.ndarray) -> float | None:
    known = bits[~np.isnan(bits)]
    return float(np.mean(known)) if len(known) else None


def _window_name(tokens: Sequence[Token], start: int, width: int) -> str:
    window = tokens[start : start + width]
    return f"token {start}: " + "".join(_axis_label(token) for token in window)[:60]


def _axis_label(token: Token) -> str:
    """A token's label with what Plotly would read as markup made harmless."""
    text = label(token).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text if len(text) <= 24 else text[:23] + "…"


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
    )
    figure.update_xaxes(gridcolor=GRID, zerolinecolor=GRID, automargin=True, fixedrange=True)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=GRID, automargin=True, fixedrange=True)

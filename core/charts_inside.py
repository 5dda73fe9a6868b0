"""The figure of a context vector: its values, one after the other.

Plain values to a Plotly figure, like ``core.charts``, whose layout and limits it keeps.
"""

import numpy as np
import plotly.graph_objects as go

from core import palette
from core.charts import MAX_POINTS, _layout
from core.tokens import Floats


def vector_values(values: Floats) -> go.Figure:
    """The values of a vector [size] in order; past 300 the strongest of each few neighbours."""
    width = -(-len(values) // MAX_POINTS)
    starts = np.arange(0, len(values), width)
    strongest = [start + int(np.abs(values[start : start + width]).argmax()) for start in starts]
    figure = go.Figure(
        go.Bar(
            x=strongest,
            y=values[strongest].astype(np.float64),
            width=width,
            marker_color=palette.MODEL,
            marker_line_width=0,
            hovertemplate="number %{x} of h: %{y:.5g}<extra></extra>",
        )
    )
    _layout(figure, f"What are the {len(values):,} numbers of h?", height=230)
    shown = (
        "which number" if width == 1 else f"which of its numbers (the strongest of each {width})"
    )
    figure.update_xaxes(title_text=shown, showgrid=False)
    figure.update_yaxes(title_text="its value")
    return figure

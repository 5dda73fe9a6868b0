"""The figure of a context vector: its values, one after the other.

Plain values to a Plotly figure, like ``core.charts``, whose layout and limits it keeps.
"""

import numpy as np
import plotly.graph_objects as go

from core import palette
from core.charts import MAX_POINTS, _axis, _figure
from core.tokens import Floats


def vector_values(values: Floats) -> go.Figure:
    """The values of a vector [size] in order; past 300 the strongest of each few neighbours."""
    width = -(-len(values) // MAX_POINTS)
    starts = np.arange(0, len(values), width)
    strongest = [start + int(np.abs(values[start : start + width]).argmax()) for start in starts]
    bars = {
        "type": "bar",
        "x": strongest,
        "y": values[strongest].astype(np.float64),
        "width": width,
        "marker": {"color": palette.MODEL, "line": {"width": 0}},
        "hovertemplate": "number %{x} of h: %{y:.5g}<extra></extra>",
    }
    shown = (
        "which number" if width == 1 else f"which of its numbers (the strongest of each {width})"
    )
    return _figure(
        [bars],
        f"What are the {len(values):,} numbers of h?",
        height=230,
        xaxis=_axis(shown, showgrid=False),
        yaxis=_axis("its value"),
    )

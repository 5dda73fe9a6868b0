"""The chart of a context vector shows its own values, and never too many."""

import numpy as np
import pytest

from core.charts import MAX_POINTS
from core.charts_inside import vector_values


@pytest.mark.parametrize("size", [1, 300, 301, 576, 2048])
def test_the_strongest_of_each_neighbourhood(size):
    """Every bar is a value of the vector where it stands, and the strongest of all is there."""
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    figure = vector_values(values)
    (bars,) = figure.data
    assert 1 <= len(bars.x) <= MAX_POINTS
    np.testing.assert_array_equal(bars.y, values[list(bars.x)].astype(np.float64))
    assert np.abs(values).max() in np.abs(bars.y)
    width = -(-size // MAX_POINTS)
    assert [at // width for at in bars.x] == list(range(len(bars.x)))
    assert f"{size:,} numbers" in figure.layout.title.text
    assert ("strongest" in figure.layout.xaxis.title.text) == (size > MAX_POINTS)

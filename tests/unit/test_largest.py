"""The n-th largest number against sorting them all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.largest import BLOCK, nth_largest


@given(
    n_values=st.integers(1, 12 * BLOCK),
    n=st.integers(1, 40),
    decimals=st.sampled_from([0, 1, 6]),
    unsaid=st.booleans(),
    seed=st.integers(0, 99),
)
def test_as_if_all_were_sorted(n_values, n, decimals, unsaid, seed):
    """Whatever the number of blocks and what is left over, with ties, and with -inf among them."""
    values = np.random.default_rng(seed).normal(size=n_values).round(decimals).astype(np.float32)
    if unsaid:
        values[::3] = -np.inf
    before = values.copy()
    n = min(n, n_values)
    assert nth_largest(values, n) == np.sort(values)[-n]
    assert np.array_equal(values, before)

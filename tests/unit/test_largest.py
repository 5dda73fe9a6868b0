"""The n-th largest number against sorting them all, and the order against a stable sort."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.largest import BLOCK, largest_first, nth_largest


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


@given(
    st.lists(
        st.floats(width=32, allow_nan=False)
        | st.sampled_from([0.0, -0.0, 1.5, -1.5, float("inf"), -float("inf")])
    )
)
def test_the_order_is_that_of_a_stable_sort(numbers):
    """Of any numbers, with both zeros and infinities: equal ones stand by place."""
    values = np.array(numbers, dtype=np.float32)
    before = values.copy()
    assert largest_first(values).tolist() == np.argsort(-values, kind="stable").tolist()
    assert np.array_equal(values, before)

"""The largest of very many numbers, and the order of them all, in little time.

Knows nothing of what the numbers are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256  # numbers of which only the largest is looked at first


def nth_largest(values: NDArray[Any], n: int) -> Any:
    """The n-th largest of ``values`` [at least n], equal ones counted one by one.

    As ``np.sort(values)[-n]``. It is in the n blocks with the highest maxima: whatever is
    larger than the lowest of those maxima is in them, and so are n that are not smaller.
    """
    n_blocks = len(values) // BLOCK
    if n_blocks > n:
        blocks = values[: n_blocks * BLOCK].reshape(n_blocks, BLOCK)
        highest = np.argpartition(blocks.max(axis=1), n_blocks - n)[n_blocks - n :]
        values = np.concatenate((blocks[highest].ravel(), values[n_blocks * BLOCK :]))
    return np.partition(values, len(values) - n)[len(values) - n]


def largest_first(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The places of all values, the largest first, equal ones by place; none may be NaN.

    As ``np.argsort(-values, kind="stable")``, in half the time: whole numbers, each a value's
    bits above its place, are all different, so that any sort will do, and numpy has a fast one.
    """
    bits = np.subtract(0, values, dtype=np.float32).view(np.int32)  # 0 - 0 has no sign
    # a float's bits grow with it, read as a whole number; below 0 they shrink
    keys = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int64)
    keys <<= 32
    keys |= np.arange(len(values))
    keys.sort()
    keys &= 0xFFFFFFFF
    return keys

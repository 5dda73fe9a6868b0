"""The largest of very many numbers, without looking at each more than once.

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

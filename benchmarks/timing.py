"""Measuring: calls in turn, medians, memory at the fullest moment, bandwidth.

A thread that has run products of torch keeps OpenMP's workers as long as it lives, and these
wait awake only while there are no more of them, in the whole process, than processors. Workers
that one side left behind would make the other half as fast: so whatever uses torch runs
``apart``, in a thread that ends, and the next work waits for that. Knows nothing of models.
"""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

ROUNDS = 7
BANDWIDTH_BYTES = 1 << 30
SETTLING_SECONDS = 0.1  # after a work, for its threads to end
Result = TypeVar("Result")


def apart(work: Callable[[], Result]) -> Result:
    """What ``work`` returns, from a thread of its own that is over then, with its workers."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def seconds_of(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(
    works: Mapping[str, Callable[[int], object]], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Seconds of each work, called with the number of the round; all of a round follow each other.

    A first round warms up and is not counted. A work that returns a float has measured itself.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for n in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            own = work(n)
            taken = own if isinstance(own, float) else time.perf_counter() - start
            time.sleep(SETTLING_SECONDS)
            if n:
                seconds[name].append(taken)
    return seconds


def median(values: list[float]) -> float:
    """The middle of several times."""
    return statistics.median(values)


def extra_bytes_from_now() -> Callable[[], int]:
    """Tells how much more memory than now this process has held, at the fullest moment since."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
    before = _status("VmRSS")
    return lambda: _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def reading() -> Callable[[int], float]:
    """A work: seconds to read a gibibyte, which is the sum of it, apart."""
    block = torch.from_numpy(np.ones(BANDWIDTH_BYTES // 4, np.float32))
    return lambda n: apart(lambda: seconds_of(block.sum))

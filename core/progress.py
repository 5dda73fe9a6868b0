"""Long work that keeps saying how far it is.

Knows nothing of models, networks or pages: it runs a function or a command and
calls back several times a second until that is done.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_REPORTS = 0.4
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Progress:
    """How far something is: ``done`` of ``total`` in ``unit``; a total of 0 is unknown."""

    stage: str
    done: int = 0
    total: int = 0
    unit: str = ""

    @property
    def sentence(self) -> str:
        """What a person waiting reads."""
        if self.total:
            return f"{self.stage}: {self.done:,} of {self.total:,} {self.unit}".rstrip()
        if self.done:
            return f"{self.stage}: {self.done:,} {self.unit} so far".replace("  ", " ")
        return f"{self.stage}…"


Report = Callable[[Progress], None]
Describe = Callable[[float], Progress]
"""Seconds since the start -> how far the work is."""


def in_megabytes(stage: str, n_bytes: int, total_bytes: int) -> Progress:
    """Progress of a stage that handles ``total_bytes``; never more than all of them."""
    total = max(1, round(total_bytes / MEGABYTE))
    return Progress(stage, min(total, n_bytes // MEGABYTE), total, "MB")


def in_seconds(stage: str) -> Describe:
    """Describe work that only tells how long it has been going on."""
    return lambda elapsed: Progress(stage, int(elapsed), unit="s")


def call(
    work: Callable[[], T], describe: Describe, report: Report, deadline: float | None = None
) -> T:
    """``work()``, done in a thread while ``report`` is called from this one.

    Raises what ``work`` raises, and TimeoutError after ``deadline`` seconds; the
    thread is then left behind and can't keep the process from ending.
    """
    future: Future[T] = Future()
    Thread(target=_fulfil, args=(future, work), daemon=True).start()
    start = time.monotonic()
    while not future.done():
        elapsed = time.monotonic() - start
        if deadline is not None and elapsed >= deadline:
            raise TimeoutError(f"no answer within {deadline:g} s")
        report(describe(elapsed))
        wait([future], timeout=SECONDS_BETWEEN_REPORTS)
    return future.result()


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


def run(
    command: Sequence[str], describe: Describe, report: Report, cwd: Path | None = None
) -> tuple[int, str]:
    """Run a command while ``report`` is called: its exit status and what it wrote to stderr.

    The command is ended if ``report`` raises. Its stdin is a pipe that closes
    with this process, so that it can notice being left alone.
    """
    start = time.monotonic()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        try:
            while process.poll() is None:
                report(describe(time.monotonic() - start))
                _wait_for(process)
        finally:
            process.kill()
        said.seek(0)
        return process.wait(), said.read().decode("utf-8", "replace")


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(SECONDS_BETWEEN_REPORTS)
    except subprocess.TimeoutExpired:
        return

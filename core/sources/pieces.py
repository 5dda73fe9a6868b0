"""What of a download has come, by the files of the Hub's cache.

``huggingface_hub`` fetches each file under a name of its own (``BLOB.RANDOM.incomplete``). When
the process is ended the piece stays: it is never taken up again, and nobody deletes it. Knows
nothing of networks or models.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

SUFFIX = ".incomplete"
Sizes = dict[str, int]


def left_behind(blobs: Path, seconds: float) -> Sizes:
    """The pieces that lie in a folder; those that did not grow for ``seconds`` are deleted."""
    long_ago = time.time() - seconds
    for piece in blobs.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            if piece.stat().st_mtime < long_ago:
                piece.unlink()
    return {name: n_bytes for name, n_bytes in _sizes(blobs).items() if name.endswith(SUFFIX)}


def bytes_come(blobs: Path, left: Sizes) -> int:
    """Bytes of whole files and of pieces that grow; ``left`` is what lay there at first.

    A piece that has grown since is being fetched by another process, which ours waits for.
    """
    return sum(n_bytes for name, n_bytes in _sizes(blobs).items() if left.get(name) != n_bytes)


def _sizes(folder: Path) -> Sizes:
    """{name: bytes} of a folder that others may be changing; empty when it is not there."""
    sizes = {}
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError):
                sizes[name] = os.stat(folder / name).st_size
    return sizes

"""A record of a folder's files, by which damage is found before a model is opened.

A file with the recorded size and time of last change is taken as unchanged, any other is
read. Knows nothing of models: names, sizes, times and sha256 of files.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME = "token-lab.json"
BLOCK = 4 << 20
OnBytes = Callable[[int], None]


def write(folder: Path, origin: str) -> None:
    """Record every file of ``folder``; ``origin`` says what the folder was made from, and how."""
    files = {file.name: _entry(file) for file in sorted(folder.iterdir())}
    record = {"origin": origin, "files": files}
    (folder / NAME).write_text(json.dumps(record, indent=2), encoding="utf-8")


def read(folder: Path) -> dict[str, Any] | None:
    """The record of ``folder``; None when there is none that can be read."""
    try:
        record = json.loads((folder / NAME).read_bytes())
        return record if isinstance(record, dict) else None
    except (OSError, ValueError):
        return None


def holds(folder: Path, origin: str, on_bytes: OnBytes = lambda n: None) -> bool:
    """Whether ``folder`` was made from ``origin`` and every file is still as it was.

    ``on_bytes`` is called with the size of each piece of a file that had to be read.
    """
    record = read(folder)
    if record is None or record.get("origin") != origin:
        return False
    try:
        return all(_is(folder / name, e, on_bytes) for name, e in record["files"].items())
    except (OSError, KeyError, TypeError, AttributeError):
        return False


def _entry(file: Path) -> dict[str, Any]:
    """What is recorded of a file that is on the disk for good, whatever happens after this."""
    sha256 = sha256_of(file)
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
    found = file.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": sha256}


def _is(file: Path, entry: dict[str, Any], on_bytes: OnBytes) -> bool:
    found = file.stat()
    if found.st_size != entry["size"]:
        return False
    untouched = bool(found.st_mtime_ns == entry["mtime_ns"])
    return untouched or sha256_of(file, on_bytes) == str(entry["sha256"])


def sha256_of(file: Path, on_bytes: OnBytes = lambda n: None) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()

"""A record of a folder's files, by which damage is found before a model is opened.

Knows nothing of models: names, sizes and sha256 of files.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME = "token-lab.json"
BLOCK = 4 << 20
OnBytes = Callable[[int], None]


def write(folder: Path, origin: str) -> None:
    """Record every file of ``folder``; ``origin`` says what the folder was made from, and how."""
    files = {
        file.name: {"size": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(folder.iterdir())
    }
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
    """Whether ``folder`` was made from ``origin`` and every byte is still as it was.

    ``on_bytes`` is called with the size of each piece that has been read.
    """
    record = read(folder)
    if record is None or record.get("origin") != origin:
        return False
    try:
        files = {name: (f["size"], f["sha256"]) for name, f in record["files"].items()}
        sizes_agree = all((folder / n).stat().st_size == size for n, (size, _) in files.items())
        return sizes_agree and all(
            _sha256(folder / name, on_bytes) == sha256 for name, (_, sha256) in files.items()
        )
    except (OSError, KeyError, TypeError, AttributeError):
        return False


def _sha256(file: Path, on_bytes: OnBytes = lambda n: None) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()

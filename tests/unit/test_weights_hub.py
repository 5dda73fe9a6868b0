"""What is asked of the Hugging Face Hub, and what is made of each of its answers."""

import logging
import socket
import time
from pathlib import Path

import pytest
from hub_stand_in import COMMIT, FILES, ID, StandIn, at, oid, serving
from huggingface_hub import constants, file_download

from core.errors import WeightsError
from core.sources import hub
from core.sources.hub import HubError, HubUnreachable


@pytest.fixture
def script(monkeypatch):
    """A fresh script for the server, to be changed by the test."""
    return type("Scripted", (StandIn,), {})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    return tmp_path / "hub"


@pytest.fixture
def server(script, monkeypatch):
    with serving(script) as url:
        at(monkeypatch, url)
        yield script


def download(report=lambda p: None):
    return hub.download(ID, report)


# --- fetching -------------------------------------------------------------------------


def test_a_download_is_a_whole_snapshot_of_the_wanted_files(server):
    """Config, tokenizer and safetensors come; other formats and pages do not."""
    folder = download()
    wanted = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    assert {p.name for p in folder.iterdir()} == wanted
    assert hub.cached_snapshot(ID) == folder


def test_a_download_tells_how_far_it_is_and_prints_nothing(server, capfd):
    """Progress goes through report only."""
    sentences = []
    download(lambda p: sentences.append(p.sentence))
    assert sentences[0] == f"Asking the Hugging Face Hub for {ID}…"
    assert f"Fetching {ID} from the Hugging Face Hub: 0 of 3 MB" in sentences
    assert capfd.readouterr() == ("", "")


def test_a_piece_of_an_ended_download_is_not_counted(server, cache):
    """A file is always fetched from its beginning, and what is said begins there too."""
    blobs = cache / "models--someone--tiny" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "0f0f.1e1e.incomplete").write_bytes(bytes(2_000_000))
    sentences = []
    download(lambda p: sentences.append(p.sentence))
    assert f"Fetching {ID} from the Hugging Face Hub: 0 of 3 MB" in sentences


def test_a_gated_model_comes_to_who_may_read_it(server):
    """The licence being accepted, a gated model is like any other."""
    server.gated = "manual"
    assert download().is_dir()


def test_a_connection_cut_half_way_leaves_no_snapshot(server, monkeypatch, caplog):
    """What came of a file is never taken for the file; the next start fetches the rest."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(file_download.time, "sleep", lambda s: None)
    server.cut_after = 1_000_000
    with pytest.raises(HubUnreachable):
        download()
    assert hub.cached_snapshot(ID) is None
    server.cut_after = None
    assert hub.cached_snapshot(ID) is None
    assert download() == hub.cached_snapshot(ID)


def test_a_model_without_safetensors_is_refused_before_anything_is_fetched(server):
    """Other weight formats are not opened here; nothing is downloaded to find that out."""
    server.files = {n: c for n, c in FILES.items() if n != "model.safetensors"}
    with pytest.raises(HubError, match=r"no model\.safetensors"):
        download()
    assert not any("/resolve/" in path for path in server.requests)


def test_a_full_disk_is_a_sentence(server, monkeypatch):
    """Too little room in the Hub's cache names the setting that moves it."""

    class Usage:
        free = 1_000_000

    monkeypatch.setattr("core.sources.model_folder.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(WeightsError, match="HF_HOME"):
        download()


def test_a_cache_that_cannot_be_written_is_no_network_trouble(server, cache):
    """The disk's refusal is told as such, with the setting that moves the cache."""
    cache.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"can't keep the model.*HF_HOME") as refused:
        download()
    assert not isinstance(refused.value, HubError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("transfer broke off"), HubUnreachable),
        (PermissionError("the storage's token ran out"), HubUnreachable),
        (OSError(28, "No space left on device"), WeightsError),
    ],
)
def test_a_transfer_that_breaks_off_is_a_sentence(server, monkeypatch, error, kind):
    """The storage client raises plain errors; those of the disk have a number."""

    def snapshot_download(*args, **kwargs):
        raise error

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    with pytest.raises(WeightsError) as refused:
        download()
    assert type(refused.value) is kind


# --- refusals -------------------------------------------------------------------------

REFUSALS = [
    (401, "GatedRepo", HubError, rf"accepted its licence.*huggingface\.co/{ID}.*HF_TOKEN"),
    (403, "GatedRepo", HubError, rf"accepted its licence.*huggingface\.co/{ID}.*HF_TOKEN"),
    (401, "RepoNotFound", HubError, "no model someone/tiny .*spelling"),
    (404, "RepoNotFound", HubError, "no model someone/tiny .*spelling"),
    (403, "", HubError, r"refused someone/tiny .*HTTP 403.*HF_TOKEN"),
    (418, "", HubError, "HTTP 418"),
    (429, "", HubUnreachable, "too many requests.*Wait a few minutes"),
    (500, "", HubUnreachable, "trouble at the moment .HTTP 500.*status"),
    (503, "", HubUnreachable, "trouble at the moment .HTTP 503.*status"),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), REFUSALS)
def test_each_refusal_has_its_own_sentence(server, status, code, kind, words):
    """Gated, missing, forbidden, rate-limited and broken ask the user for different things."""
    server.status, server.code = status, code
    with pytest.raises(WeightsError, match=words) as refused:
        download()
    assert type(refused.value) is kind


def test_a_gated_model_is_refused_before_anything_is_fetched(server):
    """The page of a gated model is public; access to its files is asked for first."""
    server.gated, server.may_read = "auto", False
    with pytest.raises(HubError, match="accepted its licence"):
        download()
    assert not any("/resolve/" in path for path in server.requests)


@pytest.mark.parametrize("name", ["a--b/c", "owner/name.git", "owner/-x"])
def test_an_id_the_hub_would_not_allow_is_not_found(name):
    """An impossible id is answered like an unknown one, without the network."""
    assert hub.cached_snapshot(name) is None
    with pytest.raises(HubError, match="Check the spelling"):
        hub.download(name, lambda p: None)


def test_a_page_that_is_not_the_hub_is_no_crash(monkeypatch):
    """A hotel's login page answers 200 with HTML."""

    class Portal(StandIn):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

    with serving(Portal) as url:
        at(monkeypatch, url)
        with pytest.raises(HubUnreachable):
            download()


# --- no answer ------------------------------------------------------------------------


def seconds_to_learn_that_the_hub_is_unreachable():
    start = time.monotonic()
    with pytest.raises(HubUnreachable, match=r"can't be reached.*internet"):
        download()
    return time.monotonic() - start


def test_a_closed_port_is_known_at_once(monkeypatch):
    """Nobody listens: no waiting."""
    at(monkeypatch, "http://127.0.0.1:9")
    assert seconds_to_learn_that_the_hub_is_unreachable() < 3


def test_a_server_that_never_answers_costs_less_than_ten_seconds(monkeypatch):
    """The connection is accepted and nothing follows."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert seconds_to_learn_that_the_hub_is_unreachable() < 10


def test_a_server_that_drips_is_held_to_the_same_deadline(monkeypatch):
    """One byte now and then resets a socket's timeout, but not ours."""

    class Drip(StandIn):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(20):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.2)

        def handle(self):
            try:
                super().handle()
            except ConnectionError:
                return

    monkeypatch.setattr(hub, "SECONDS_TO_ANSWER", 1.0)
    with serving(Drip) as url:
        at(monkeypatch, url)
        assert seconds_to_learn_that_the_hub_is_unreachable() < 2.5


def test_offline_mode_says_so(monkeypatch):
    """HF_HUB_OFFLINE is the user's own choice, and named as such."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE"):
        download()


# --- the cache, without any server ----------------------------------------------------


@pytest.fixture
def snapshot(cache, monkeypatch):
    """A complete cached snapshot in the Hub's own layout; no server to ask."""
    at(monkeypatch, "http://127.0.0.1:9")
    model = cache / "models--someone--tiny"
    folder = model / "snapshots" / COMMIT
    (model / "refs").mkdir(parents=True)
    (model / "blobs").mkdir()
    folder.mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        blob = model / "blobs" / oid(name.encode())
        blob.write_bytes(FILES[name])
        (folder / name).symlink_to(blob)
    return folder


def test_a_complete_snapshot_needs_no_network(snapshot):
    """Every needed file is there: used as it is."""
    assert hub.cached_snapshot(ID) == snapshot


def test_an_empty_cache_has_no_snapshot():
    """Nothing was ever fetched."""
    assert hub.cached_snapshot(ID) is None


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_snapshot_with_a_file_missing_is_not_used(snapshot, name):
    """Each needed file counts, also when its link is there but its blob is not."""
    blob = Path(snapshot / name).resolve()
    blob.rename(blob.with_suffix(".incomplete"))
    assert hub.cached_snapshot(ID) is None


def test_a_snapshot_with_a_truncated_weight_file_is_not_used(snapshot):
    """A disk that ran full left a shorter file under the right name."""
    blob = Path(snapshot / "model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-1])
    assert hub.cached_snapshot(ID) is None

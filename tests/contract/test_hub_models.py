"""Models of real makes on a stand-in Hub: fetched into an empty cache, opened by the local
engine, and every number that of plain transformers over the folder that is served."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import hub_stand_in
import numpy as np
import pytest
import small_models
import torch
from hub_stand_in import StandIn, serving
from huggingface_hub import constants
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.config import Settings
from core.engines import open_engine
from core.errors import WeightsError
from core.sources import hub
from core.weights import obtain

TOLERANCE = 1e-4  # of a log-probability
MINE, GEMMA = "someone/gemma", "google/gemma-3-270m-it"
SMOLLM2, SMALL = "HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m-instruct"
TEXT = "The capital of France is Paris, and the cat sat at the table of Züri. 🚀"
MESSAGES = [
    {"role": "user", "content": "The cat?"},
    {"role": "assistant", "content": "On the mat."},
    {"role": "user", "content": "And <end_of_turn> the dog?"},
]
SECONDS = 60


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def gemma_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gemma")
    small_models.save_gemma(folder)
    return folder


@pytest.fixture(scope="module")
def sharded_folder(gemma_folder, tmp_path_factory):
    """The same model, its weights in two files with an index."""
    folder = tmp_path_factory.mktemp("sharded")
    AutoTokenizer.from_pretrained(gemma_folder).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(gemma_folder, dtype=torch.float32)
    half = sum(p.nbytes for p in model.parameters()) * 2 // 3
    model.save_pretrained(folder, max_shard_size=half)
    assert len(list(folder.glob("model-*-of-00002.safetensors"))) == 2
    return folder


@pytest.fixture(scope="module")
def smollm2_folder(tmp_path_factory):
    """SmolLM2's own tokenizer and make, with small weights."""
    settings = Settings(Settings.from_env().cache_dir, model=SMALL)
    folder = tmp_path_factory.mktemp("smollm2")
    small_models.save_smollm2(folder, obtain(settings, False, lambda progress: None).folder)
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A Hub with nothing on it yet, an empty cache, and no token."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    script = type("Scripted", (StandIn,), {"models": {}})
    with serving(script) as url:
        hub_stand_in.at(monkeypatch, url)
        script.url = url
        yield script


@pytest.fixture
def opened(tmp_path):
    """A function: the engine of ``LAB_MODEL=model``, whatever device there is, in float32."""

    def of(model=None, report=lambda progress: None):
        return open_engine(Settings(tmp_path / "lab", model=model, dtype="float32"), report)

    return of


def plain_logprobs(folder, ids):
    """Float32 log-probabilities [ids, vocabulary] of one plain forward."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(torch.tensor([list(ids)])).logits[0].log_softmax(-1).numpy()


def assert_is_the_model_of(engine, folder):
    """Ids, chat, every log-prob of the next tokens and of the text's: those of the folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(TEXT)))
    assert list(ids) == tokenizer(TEXT)["input_ids"]
    assert len(ids) > 2 * small_models.WINDOW
    plain = plain_logprobs(folder, ids)
    for n in (1, small_models.WINDOW, len(ids)):
        np.testing.assert_allclose(
            engine.next(ids[:n]).logprob_by_id, plain[n - 1], rtol=0, atol=TOLERANCE
        )
    of_text = plain[np.arange(len(ids) - 1), ids[1:]]
    np.testing.assert_allclose(engine.score(ids).logprobs[1:], of_text, rtol=0, atol=TOLERANCE)
    chat = engine.render_chat(MESSAGES, control_tokens=True)
    of_template = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True)
    assert list(chat.ids) == of_template["input_ids"]


@pytest.mark.parametrize("stored", ["gemma_folder", "sharded_folder"])
def test_a_gemma_of_the_hub_is_the_plain_model(server, opened, tmp_path, request, stored):
    """Whole or in two files: what came is what is served, and gives its numbers; once it is
    here the Hub is not asked again, not even by the libraries that open it."""
    served = request.getfixturevalue(stored)
    server.models = {MINE: contents(served)}
    asked_before_opening = []

    def report(progress):
        if progress.sentence.startswith("Loading"):
            asked_before_opening.append(len(server.requests))

    engine = opened(MINE, report)
    assert (engine.info.name, engine.info.note) == (MINE, "")
    assert tmp_path / "hub" in Path(engine.info.folder).parents
    came = contents(Path(engine.info.folder))
    assert came.items() <= server.models[MINE].items()
    assert engine.decode(sorted(engine.info.stop_ids)) == "<eos><end_of_turn>"
    assert_is_the_model_of(engine, served)
    assert [len(server.requests)] == asked_before_opening
    opened(MINE)
    assert [len(server.requests)] == asked_before_opening


def test_two_files_are_the_weights_of_one(gemma_folder, sharded_folder):
    """The two folders hold the same numbers: the test above has seen each tensor of both."""
    whole = load_file(gemma_folder / "model.safetensors")
    halves = [load_file(file) for file in sorted(sharded_folder.glob("*.safetensors"))]
    assert all(halves)
    parts = {name: tensor for half in halves for name, tensor in half.items()}
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_the_oracle_knows_a_window(gemma_folder):
    """Without its windows the model gives other numbers, so agreement says that they are kept."""
    ids = AutoTokenizer.from_pretrained(gemma_folder)(TEXT)["input_ids"]
    with_windows = plain_logprobs(gemma_folder, ids)
    model = AutoModelForCausalLM.from_pretrained(
        gemma_folder, dtype=torch.float32, sliding_window=len(ids)
    ).eval()
    with torch.inference_mode():
        without = model(torch.tensor([ids])).logits[0].log_softmax(-1).numpy()
    apart = np.abs(with_windows - without).max(axis=1)
    assert apart[: small_models.WINDOW].max() < TOLERANCE < 0.01 < apart[-1]


def test_an_id_and_a_folder_of_the_same_model_are_one(server, opened, gemma_folder):
    """``LAB_MODEL`` as an id of the Hub or as a folder: the same ids, bit for bit the same
    numbers."""
    server.models = {MINE: contents(gemma_folder)}
    of_hub, of_folder = opened(MINE), opened(str(gemma_folder))
    ids = tuple(token.id for token in of_hub.tokenize(TEXT))
    assert ids == tuple(token.id for token in of_folder.tokenize(TEXT))
    assert of_hub.info.prefix_ids == of_folder.info.prefix_ids
    assert of_hub.render_chat(MESSAGES) == of_folder.render_chat(MESSAGES)
    np.testing.assert_array_equal(of_hub.next(ids).logprob_by_id, of_folder.next(ids).logprob_by_id)
    np.testing.assert_array_equal(of_hub.score(ids).logprobs, of_folder.score(ids).logprobs)


def test_a_licence_decides_which_model_runs(
    server, opened, tmp_path, monkeypatch, gemma_folder, smollm2_folder
):
    """No model named, Gemma gated: without a token (401) and with one of somebody who has not
    accepted (403) SmolLM2 runs and the header says what to do; after that has been done, Gemma."""
    server.models = {GEMMA: contents(gemma_folder), SMOLLM2: contents(smollm2_folder)}
    server.gated, server.may_read, server.whose = "manual", False, "gemma"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # which is meant for a CPU
    for token in (None, "hf_of_another"):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        found = obtain(Settings(tmp_path / "lab"), False, lambda progress: None)
        assert found.name == SMALL
        with pytest.raises(WeightsError, match=r"accepted its licence.*HF_TOKEN.*start again"):
            raise WeightsError(found.remedy)
    engine = opened()
    assert (engine.info.name, engine.info.note) == (SMALL, found.note)
    assert_is_the_model_of(engine, smollm2_folder)
    monkeypatch.setenv("HF_TOKEN", StandIn.token)
    engine = opened()
    assert (engine.info.name, engine.info.note) == ("gemma-3-270m-it", "")
    assert_is_the_model_of(engine, gemma_folder)


# --- a start that is ended

# a shell ignores Ctrl-C for what it runs in the background, and so do the children of that
START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from core.config import Settings
from core.weights import obtain
report = lambda progress: print(progress.sentence, flush=True)
print(obtain(Settings.from_env(), False, report).folder)
"""


@pytest.fixture
def start(server, tmp_path):
    """A function: a process of its own that gets the model, with the settings of a person."""
    own = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "LAB_MODEL": MINE}
    begun = []

    def process():
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", START],
                env=os.environ | own | {"LAB_CACHE": str(tmp_path / "lab")},
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        return begun[-1]

    yield process
    for one in begun:
        one.kill()
        one.communicate()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_start_that_is_ended_is_begun_again(
    server, start, tmp_path, monkeypatch, sharded_folder, ending
):
    """Ctrl-C or the machine's own end, in the middle of the second weight file: the process is
    gone at once, nothing of it is taken for the model, and the next start fetches what is
    missing."""
    server.models = {MINE: contents(sharded_folder)}
    server.where, server.holds_after, server.held = "/model-00002", 20_000, hub_stand_in.Event()
    first = start()
    assert server.held.wait(SECONDS)
    first.send_signal(ending)
    first.communicate(timeout=SECONDS / 6)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    assert hub.cached_snapshot(MINE) is None
    server.holds_after, server.requests = None, ()
    said = start().communicate(timeout=SECONDS)[0].splitlines()
    folder = Path(said[-1])
    assert folder == hub.cached_snapshot(MINE)
    assert contents(folder).items() <= server.models[MINE].items()
    again = [path.rsplit("/", 1)[1] for path in server.requests if "/resolve/" in path]
    assert "model-00001-of-00002.safetensors" not in again
    assert "model-00002-of-00002.safetensors" in again

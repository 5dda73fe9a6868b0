"""The engine of a ZeroGPU Space: the seam's promises, another process, stock, and no GPU left.

The GPU is lent by a stand-in that forks a process, as ``spaces`` does, which stays on the CPU.
"""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import spaces
import test_engine_contract as contract
from gpu_stand_in import Lender
from spaces.zero import gradio as spaces_gradio

from core import api
from core.config import Settings
from core.engines.local import open_zero
from core.engines.local.zero import on_gpu, seconds_of
from core.errors import LabError

PROMISES = {name: test for name, test in vars(contract).items() if name.startswith("test_")}
globals().update(PROMISES)
sentence = contract.sentence
ROOT = Path(__file__).parents[2]
TEXT = "The capital of Peru is"


@pytest.fixture(scope="module")
def lender():
    lender = Lender()
    yield lender
    lender.end()


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def engine(lender, told):
    """SmolLM2 in float32, its stock one document, lent for the rest."""
    settings = replace(
        Settings.from_env(), model="smollm2-135m-instruct", dtype="float32", zero_gpu=True
    )
    engine = open_zero(settings, lambda progress: None, told.append, lender)
    engine.next(api.context_ids(engine, "Stock"))
    engine.predictor.lend("cpu")
    return engine


@pytest.fixture(scope="module")
def real_engine(engine):
    return engine


@pytest.fixture(autouse=True)
def lends_again(lender, told, engine):
    """Each test begins with a GPU to be had and nothing said."""
    lender.refusal = None
    told.clear()
    engine.predictor.forget()


@pytest.fixture
def quota_error():
    """What ``spaces`` raises when a visitor's time is used up."""
    words = "You have exceeded your free ZeroGPU quota (7s requested vs. 0s left)."
    return spaces_gradio.error("ZeroGPU quota exceeded", words)


def test_off_a_space_the_real_package_changes_nothing():
    """``spaces.GPU`` gives the function back, and its import neither loads nor touches torch."""
    assert spaces.GPU(on_gpu, duration=seconds_of) is on_gpu
    code = "import spaces, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_real_package_lends_as_on_a_zero_gpu():
    """Torch patched, a worker forked, answers pickled, the quota refused: all by ``spaces``."""
    script = Path(__file__).parents[1] / "on_zero_gpu.py"
    places = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "as it should be, 1 worker" in done.stdout


def test_every_prediction_is_made_in_the_other_process(engine, lender, smollm2):
    """One call each for next, a batch and a score; the numbers are the local engine's."""
    ids = api.context_ids(engine, TEXT)
    lender.calls.clear()
    contract.assert_same(engine.next(ids), smollm2.next(ids))
    both = engine.next([ids[:-1], ids[:2]])
    contract.assert_same(both[1], smollm2.next(ids[:2]))
    scored = engine.score(ids, top_n=3)
    np.testing.assert_allclose(scored.logprobs, smollm2.score(ids).logprobs, atol=1e-4)
    found, expected = engine.inside(ids, (5, 6)), smollm2.inside(ids, (5, 6))
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-3)
    assert [given[1] for given in lender.calls] == ["next_of_each"] * 2 + ["score", "inside"]
    assert all(pickle.loads(pickle.dumps(given)) == given for given in lender.calls)


def test_text_never_takes_a_gpu(engine, lender):
    """Tokenizing, decoding, rendering, and what was asked before."""
    ids = api.context_ids(engine, TEXT)
    engine.next(ids)
    lender.calls.clear()
    engine.decode([token.id for token in engine.tokenize(TEXT)])
    engine.render_chat([{"role": "user", "content": "Hello"}])
    engine.next(ids)
    assert lender.calls == []


def test_what_is_kept_of_a_text_is_never_taken_for_its_prediction(engine):
    """However few candidates a score is asked for."""
    ids = api.context_ids(engine, TEXT)
    distribution, scored = engine.next(ids), engine.score(ids, top_n=0)
    assert scored.ids == ids
    assert scored.top_ids.shape == (len(ids), 0)
    assert engine.next(ids) is distribution


def test_the_stock_is_answered_without_a_gpu(engine, lender, quota_error):
    """What was asked before the GPU was lent is kept for good."""
    lender.refusal = quota_error
    n_asked = len(lender.asked)
    assert engine.next(api.context_ids(engine, "Stock")).complete
    assert len(lender.asked) == n_asked


def test_the_time_asked_for_grows_with_the_work():
    """Short for a click, so that a small quota lasts; longer for a long text."""
    click, batch = (0, "next_of_each", [(1, 2, 3)]), (0, "next_of_each", [(1,) * 900] * 4)
    assert seconds_of(*click) == 7
    assert seconds_of(*batch) == 10
    assert seconds_of(0, "score", (1,) * 4096, 10, None) == 11


def test_without_a_gpu_the_model_on_the_cpu_answers_and_says_so(
    engine, lender, told, quota_error, smollm2
):
    """The quota gone: an answer all the same, with a sentence; with a GPU again, its own."""
    ids = api.context_ids(engine, "The largest city of Peru is")
    lender.refusal = quota_error
    contract.assert_same(engine.next(ids), smollm2.next(ids))
    scored = engine.score(ids)
    np.testing.assert_allclose(scored.logprobs, smollm2.score(ids).logprobs, atol=1e-4)
    assert len(told) == 2
    assert "used up for today, so smollm2-135m-instruct answered this on the CPU" in told[0]
    assert "Sign in to Hugging Face" in told[0]
    lender.refusal = None
    n_calls = len(lender.calls)
    engine.next(ids)
    assert len(lender.calls) == n_calls + 1  # the other model's answer was not kept
    assert len(told) == 2


@pytest.mark.parametrize("title", ["ZeroGPU queue timeout", "ZeroGPU client error"])
def test_no_free_gpu_is_not_waited_for_again_and_again(engine, lender, told, title):
    """A queue that gave nothing is left alone for a while."""
    lender.refusal = spaces_gradio.error(title, "No GPU was available")
    n_asked = len(lender.asked)
    for text in ("One", "Two", "Three"):
        engine.next(api.context_ids(engine, text))
    assert len(lender.asked) == n_asked + 1
    assert all("no GPU free at the moment" in sentence for sentence in told)
    assert len(told) == 3


def test_a_call_that_was_broken_off_is_a_sentence_and_a_bug_stays_one(engine, lender):
    """A dead worker is no reason to show another model's numbers; other errors go through."""
    lender.refusal = spaces_gradio.error("ZeroGPU worker error", "GPU task aborted")
    with pytest.raises(LabError, match=r"broke this off.*Try again"):
        engine.next(api.context_ids(engine, "Four"))
    lender.refusal = gr.Error("mine", title="Something else")
    with pytest.raises(gr.Error, match="mine"):
        engine.next(api.context_ids(engine, "Five"))
    with pytest.raises(ValueError, match="forget"):
        on_gpu(0, "forget")


def test_the_header_says_how_it_runs(engine):
    """Where it computes, what is absent there, and what happens when the time is used up."""
    assert engine.info.device == "ZeroGPU"
    assert "nothing is kept there or prepared ahead" in engine.info.note
    assert "smollm2-135m-instruct answers on the CPU" in engine.info.note

"""The local engine on a CUDA device: dtype, float32 softmax, agreement with plain transformers."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core import api
from core.engines.local.predictor import Predictor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="un-skip when: the machine has a CUDA device"
    ),
]

TEXT = "The capital of France is Paris, and the capital of Germany is Berlin."
MODELS = ["smollm2", pytest.param("gemma", marks=pytest.mark.gemma)]
BF16_NATS = 0.35  # the worst a bfloat16 forward strays from another one with other kernels


def test_gpu_is_used_in_bfloat16(smollm2):
    """Without LAB_DTYPE, a CUDA device is used, in bfloat16, and the header says so."""
    assert smollm2.info.dtype == "bfloat16"
    assert smollm2.info.device == torch.cuda.get_device_name(0)


def test_distribution_is_float32_and_normalised(smollm2):
    """Log-probabilities are float32 and sum to 1 over the vocabulary, whatever the weights are."""
    distribution = smollm2.next(api.context_ids(smollm2, TEXT))
    assert distribution.logprob_by_id.dtype == np.float32
    assert np.exp(distribution.logprob_by_id.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_scores_agree_with_plain_forward(smollm2):
    """Every log-prob is within bfloat16's noise of one plain forward of the same ids."""
    ids = api.context_ids(smollm2, TEXT)
    plain = AutoModelForCausalLM.from_pretrained(smollm2.info.folder, dtype=torch.bfloat16).cuda()
    with torch.no_grad():
        logprobs = plain(torch.tensor([ids]).cuda()).logits[0].float().log_softmax(-1).cpu()
    expected = logprobs[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    assert np.allclose(smollm2.score(ids).logprobs[1:], expected, atol=BF16_NATS)


def test_steps_agree_with_scoring(smollm2):
    """Going token by token through the cache gives what one pass gives, within the noise."""
    ids = api.context_ids(smollm2, TEXT)
    scored = smollm2.score(ids)
    for i in range(1, len(ids)):
        stepped = smollm2.next(ids[:i]).logprob_of(ids[i])
        assert stepped == pytest.approx(scored.logprobs[i], abs=BF16_NATS)


@pytest.mark.parametrize("name", MODELS)
def test_lone_steps_are_recorded(name, request):
    """Steps go to the GPU as graphs, and give what the same operations give one by one."""
    predictor = request.getfixturevalue(name).predictor
    assert predictor.model._steps is not None, "the check at the start refused the recordings"
    fresh = [Predictor(predictor.model, predictor.limits) for _ in range(2)]
    fresh[1].model._steps = None
    ids = tuple(range(300, 340))
    for token in range(500, 540):
        ids = (*ids, token)
        recorded, one_by_one = (each.next(ids).logprob_by_id for each in fresh)
        assert np.abs(recorded - one_by_one).max() < BF16_NATS
    assert len(fresh[0].model._steps._recorded) == 2  # for 64 and for 128 places

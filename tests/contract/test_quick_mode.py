"""The quick mode (bfloat16): near the exact numbers, said on the page, exact on request."""

import numpy as np

from core import api

TEXT = "The capital of France is Paris, and the capital of Germany is Berlin."
MEAN_NATS = 0.1  # what bfloat16 is off by on average; 0.03 was measured on longer texts


def test_quick_numbers_are_near_and_exact_ones_exact(quick, smollm2, float32_only):
    """bfloat16 differs a little from float32; ``exact`` is float32's numbers, and says so."""
    ids = api.context_ids(smollm2, TEXT)
    wanted = smollm2.score(ids).logprobs[1:]
    off = np.abs(quick.score(ids).logprobs[1:] - wanted)
    assert 0 < off.mean() < MEAN_NATS
    assert np.abs(quick.score(ids, exact=True).logprobs[1:] - wanted).max() < 1e-4
    assert quick.info.dtype == "bfloat16"

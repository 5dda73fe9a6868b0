"""The quick mode (bfloat16): near the exact numbers, said on the page, exact on request."""

from dataclasses import replace

import numpy as np
import pytest
from handling import exact, facts, last

from core import api
from core.config import Settings
from core.engines import open_engine
from demos import surprisal

TEXT = "The capital of France is Paris, and the capital of Germany is Berlin."
MEAN_NATS = 0.1  # what bfloat16 is off by on average; 0.03 was measured on longer texts


@pytest.fixture(scope="module")
def quick():
    """SmolLM2 in bfloat16."""
    chosen = replace(Settings.from_env(), model="smollm2-135m-instruct", dtype="bfloat16")
    return open_engine(chosen, lambda progress: None)


def test_quick_numbers_are_near_and_exact_ones_exact(quick, smollm2, float32_only):
    """bfloat16 differs a little from float32; ``exact`` is float32's numbers, and says so."""
    ids = api.context_ids(smollm2, TEXT)
    wanted = smollm2.score(ids).logprobs[1:]
    off = np.abs(quick.score(ids).logprobs[1:] - wanted)
    assert 0 < off.mean() < MEAN_NATS
    assert np.abs(quick.score(ids, exact=True).logprobs[1:] - wanted).max() < 1e-4
    assert quick.info.dtype == "bfloat16"


def test_the_page_offers_exact_numbers_where_it_shows_others(quick, toy):
    """The button is there in the quick mode only, and what it shows is labelled float32."""
    assert surprisal.offer_exact(quick)["visible"]
    assert not surprisal.offer_exact(toy)["visible"]
    rounded, precise = (
        last(read(quick, TEXT)) for read in (surprisal.read, surprisal.read_exactly)
    )
    assert facts(rounded[2])["computed in"] == "bfloat16"
    assert "float32" in exact(rounded[2])["computed in"]
    assert facts(precise[2])["computed in"] == "float32"
    assert "dtype=torch.bfloat16" in rounded[6]
    assert "dtype=torch.float32" in precise[6]
    assert "computed in" not in facts(last(surprisal.read(toy, TEXT))[2])

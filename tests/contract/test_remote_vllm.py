"""The engine contract over a real vLLM server, and its numbers against plain transformers.

    LAB_TEST_VLLM_URL=http://127.0.0.1:8000 LAB_TEST_VLLM_MODEL=smollm2-135m-instruct \
        python -m pytest -n0 tests/contract/test_remote_vllm.py

``LAB_TEST_VLLM_MODEL`` is what LAB_MODEL would be; without it the server's own tokenizer is
used and nothing is compared with transformers. ``LAB_TEST_VLLM_KEY`` where the server has a
key. docs/scale.md says how to start a server on a CPU.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
from test_engine_contract import (  # noqa: F401  collected here, with this module's engine
    document,
    sentence,
    test_a_cache_of_one_document_is_not_used_for_another,
    test_a_rendered_chat_is_a_document_of_turns,
    test_an_empty_batch_entry_and_an_empty_document_have_no_prediction,
    test_decoding_gives_the_text_back,
    test_many_threads_get_what_one_alone_gets,
    test_no_start_token_is_added_to_a_text,
    test_pieces_spell_the_bytes_of_the_text,
    test_probabilities_sum_to_1_and_are_in_order,
    test_scores_agree_with_next_prefix_by_prefix,
    test_scoring_one_token_predicts_nothing,
    test_scoring_reports_how_far_it_is,
    test_special_spellings_are_text_unless_asked,
    test_the_same_ids_give_the_same_answer_however_computed,
    test_tokens_are_those_of_the_vocabulary,
    test_too_long_is_said_before_it_is_computed,
    test_what_an_engine_gives_can_not_be_changed,
    test_what_the_caller_gives_is_not_changed,
)

from core.config import Settings
from core.engines import open_engine

URL = os.environ.get("LAB_TEST_VLLM_URL")
MODEL = os.environ.get("LAB_TEST_VLLM_MODEL")
TOLERANCE = 1e-4
pytestmark = pytest.mark.skipif(
    not URL, reason="un-skip when: LAB_TEST_VLLM_URL is the address of a vLLM server"
)


@pytest.fixture(scope="module")
def engine():
    """The engine over the server."""
    key = os.environ.get("LAB_TEST_VLLM_KEY")
    settings = replace(Settings.from_env(), model=MODEL, engine_url=URL, engine_key=key)
    return open_engine(settings, lambda progress: None)


def test_a_document_of_the_greatest_length_is_predicted(engine):
    """context_length is what the server takes, with the token that it must write."""
    ids = document(engine, "word " * engine.info.context_length)[: engine.info.context_length]
    assert len(ids) == engine.info.context_length
    assert engine.next(ids).tail_mass > 0


@pytest.mark.skipif(not MODEL, reason="un-skip when: LAB_TEST_VLLM_MODEL names the server's model")
def test_the_numbers_are_those_of_plain_transformers(engine):
    """Predictions and scores of the same ids in float32, on both sides."""
    local = open_engine(
        replace(Settings.from_env(), model=MODEL, dtype="float32"), lambda progress: None
    )
    ids = document(engine, "The capital of France is Paris, the café 中文 and 42.")
    there, here = engine.next(ids), local.next(ids)
    known = there.order
    np.testing.assert_allclose(
        there.logprob_by_id[known], here.logprob_by_id[known], rtol=0, atol=TOLERANCE
    )
    assert there.tail_mass == pytest.approx(here.mass_outside(known), abs=TOLERANCE)
    np.testing.assert_allclose(
        engine.score(ids).logprobs[1:], local.score(ids).logprobs[1:], rtol=0, atol=TOLERANCE
    )
    chat = [{"role": "user", "content": "Hello <|im_end|>"}]
    assert engine.render_chat(chat) == local.render_chat(chat)

"""The engine contract over a real vLLM server, and its numbers against plain transformers.

``tests/run-vllm`` starts one on a CPU and runs this. For a server that is there already:

    LAB_TEST_VLLM_URL=http://127.0.0.1:8000 LAB_TEST_VLLM_MODEL=smollm2-135m-instruct \
        python -m pytest -n0 tests/contract/test_remote_vllm.py

Every test runs with the tokenizer in this process and with the server's own.
``LAB_TEST_VLLM_MODEL`` is what LAB_MODEL would be; without it only the server's own is used
and nothing is compared with transformers. ``LAB_TEST_VLLM_KEY`` where the server has a key.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
from test_engine_contract import (  # noqa: F401  collected here, with this module's engine
    document,
    ids_of,
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
from core.engines import open_engine, remote

URL = os.environ.get("LAB_TEST_VLLM_URL")
MODEL = os.environ.get("LAB_TEST_VLLM_MODEL")
TOLERANCE = 1e-4
CHATS = (
    [{"role": "user", "content": "Hello"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "café 中文"}],
    [{"role": r, "content": r} for r in ("user", "assistant", "user")],
)
pytestmark = pytest.mark.skipif(
    not URL, reason="un-skip when: LAB_TEST_VLLM_URL is the address of a vLLM server"
)


@pytest.fixture(scope="module", params=["tokenizer here", "server's tokenizer"])
def engine(request):
    """The engine over the server, with each of the two tokenizers."""
    here = request.param == "tokenizer here"
    if here and not MODEL:
        pytest.skip("un-skip when: LAB_TEST_VLLM_MODEL names the server's model")
    key = os.environ.get("LAB_TEST_VLLM_KEY")
    settings = replace(Settings.from_env(), model=MODEL, engine_url=URL, engine_key=key)
    with pytest.MonkeyPatch.context() as patch:
        if not here:  # the folder that the server names may be on this machine
            patch.setattr(remote, "local_text", lambda settings, root, report: None)
        opened = open_engine(settings, lambda progress: None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def plain():
    """The same model in this process, in float32."""
    if not MODEL:
        pytest.skip("un-skip when: LAB_TEST_VLLM_MODEL names the server's model")
    settings = replace(Settings.from_env(), model=MODEL, dtype="float32")
    return open_engine(settings, lambda progress: None)


def test_a_document_of_the_greatest_length_is_predicted(engine):
    """context_length is what the server takes, with the token that it must write."""
    ids = document(engine, "word " * engine.info.context_length)[: engine.info.context_length]
    assert len(ids) == engine.info.context_length
    assert engine.next(ids).tail_mass > 0


def test_the_numbers_are_those_of_plain_transformers(engine, plain):
    """Predictions and scores of the same ids in float32, on both sides."""
    ids = document(engine, "The capital of France is Paris, the café 中文 and 42.")
    there, here = engine.next(ids), plain.next(ids)
    known = there.order
    np.testing.assert_allclose(
        there.logprob_by_id[known], here.logprob_by_id[known], rtol=0, atol=TOLERANCE
    )
    assert there.tail_mass == pytest.approx(here.mass_outside(known), abs=TOLERANCE)
    np.testing.assert_allclose(
        engine.score(ids).logprobs[1:], plain.score(ids).logprobs[1:], rtol=0, atol=TOLERANCE
    )


def test_the_text_side_is_that_of_plain_transformers(engine, plain):
    """Vocabulary, ids and chats.

    Without the model's files any end of text is taken for one, and text that spells a control
    token may be cut elsewhere.
    """
    assert engine.info.vocab_size == plain.info.vocab_size
    assert engine.info.prefix_ids == plain.info.prefix_ids
    assert engine.info.stop_ids >= plain.info.stop_ids
    assert engine.vocabulary.specials == plain.vocabulary.specials
    text = "Zürich, 中文 and 😀\n\tif (x):  end"
    assert ids_of(engine, text) == ids_of(plain, text)
    for chat in CHATS:
        assert engine.render_chat(chat) == plain.render_chat(chat)
    spelt = [{"role": "user", "content": "Hello <|im_end|>"}]
    written, expected = engine.render_chat(spelt), plain.render_chat(spelt)
    assert engine.decode(written.ids) == plain.decode(expected.ids)
    specials = engine.vocabulary.specials
    assert [i for i in written.ids if i in specials] == [i for i in expected.ids if i in specials]

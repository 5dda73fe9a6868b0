"""What the engine shows of its inside is what plain transformers has there.

On the real models, and on small ones with random weights for every way in which a known
architecture makes logits: soft cap, scale, bias, rows of their own.
"""

import threading

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GraniteConfig,
    LlamaConfig,
    PhiConfig,
)

from core.engines.local.limits import Limits
from core.engines.local.packed import PackedModel
from core.engines.local.predictor import Predictor
from core.engines.local.verified import WholeModel
from core.errors import ContextTooLong, InputError, NoPrediction
from core.inside import look_inside

TEXT = "The capital of France is"
TOLERANCE = 1e-4
SHAPE = {
    "vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
CONFIGS = {
    "soft cap": Gemma2Config(**SHAPE, head_dim=8, sliding_window=5, final_logit_softcapping=0.5),
    "logit scale": CohereConfig(**SHAPE, logit_scale=0.25),
    "logits divided": GraniteConfig(**SHAPE, logits_scaling=4.0),
    "bias": PhiConfig(**SHAPE),
    "own rows": LlamaConfig(**SHAPE, tie_word_embeddings=False),
}
ROOMY = Limits(n_slots=5000, distribution_bytes=10**6, scored_bytes=10**6, n_lookahead=0)
TOKENS = (3, 0, 49, 3)


@pytest.fixture(scope="module", params=CONFIGS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind):
    """A small random model, with a bias that is not zero where it has one."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind]).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)  # so that a cap is felt
        bias = getattr(model.get_output_embeddings(), "bias", None)
        if bias is not None:
            bias.normal_()
    return model


def in_plain_words(model, ids, token_ids):
    """(h, rows, logits, log-sum-exp) by the plain forward."""
    with torch.no_grad():
        given = model(torch.tensor([ids]), output_hidden_states=True, use_cache=False)
        logits = given.logits[0, -1].float()
        rows = model.get_output_embeddings().weight[list(token_ids)].float()
    hidden = given.hidden_states[-1][0, -1].float()  # the last one is after the final norm
    return hidden.numpy(), rows.numpy(), logits[list(token_ids)].numpy(), logits.logsumexp(-1)


def assert_same(found, expected):
    hidden, rows, logits, log_sum_exp = expected
    assert found.hidden.dtype == found.rows.dtype == found.logits.dtype == np.float32
    np.testing.assert_allclose(found.hidden, hidden, rtol=0, atol=TOLERANCE * abs(hidden).max())
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.logits, logits, rtol=0, atol=TOLERANCE)
    assert found.log_sum_exp == pytest.approx(float(log_sum_exp), abs=TOLERANCE)


@pytest.mark.parametrize("make", [PackedModel, WholeModel])
def test_every_way_to_make_logits(model, kind, make):
    """h, rows, logits and log-sum-exp are the plain forward's, and h · e leads to the logits."""
    found = Predictor(make(model), ROOMY).inside((1, 2, 3, 4, 5, 6, 7), TOKENS)
    assert_same(found, in_plain_words(model, (1, 2, 3, 4, 5, 6, 7), TOKENS))
    np.testing.assert_allclose(found.computed, found.logits, rtol=0, atol=TOLERANCE)
    assert (found.softcap is not None) == (kind == "soft cap")
    assert (found.scale is not None) == (kind in ("logit scale", "logits divided"))
    assert (found.bias is not None) == (kind == "bias")
    assert found.tied == model.config.tie_word_embeddings
    if kind != "own rows":  # what is done to the products is felt
        assert np.abs(found.products - found.logits).max() > 0.05


def test_probabilities_are_those_that_are_shown(model):
    """e^(logit − log-sum-exp) is what the next-token distribution of the same engine says."""
    predictor = Predictor(PackedModel(model), ROOMY)
    found = predictor.inside((4, 9, 2), TOKENS)
    expected = predictor.next((4, 9, 2)).logprob_by_id[list(TOKENS)]
    np.testing.assert_allclose(found.logprobs, expected, rtol=0, atol=TOLERANCE)


def test_a_model_of_another_make_is_not_explained_wrongly(model):
    """Where the logits are not what h · e gives, it says so and shows nothing."""
    plain = WholeModel(model)
    plain.output.scale = -1.0  # nobody does this
    with pytest.raises(InputError, match="another way"):
        Predictor(plain, ROOMY).inside((1, 2, 3), TOKENS)


def test_a_long_document_goes_in_pieces():
    """More tokens than one pass takes: the same vector as by one plain forward."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(CONFIGS["own rows"]).eval()
    ids = tuple(i * 7 % 50 for i in range(3000))
    found = Predictor(PackedModel(model), ROOMY).inside(ids, TOKENS)
    assert_same(found, in_plain_words(model, ids, TOKENS))


def test_many_threads_at_once(model):
    """Looks inside, clicks and scorings from many threads each get their own right answer."""
    predictor, wrong = Predictor(PackedModel(model), ROOMY), []

    def ask(n):
        ids = tuple((n * k) % 50 for k in range(1, 12))
        if n % 3 == 0:
            predictor.score(ids, 4, None)
        expected = predictor.next(ids).logprob_by_id[list(TOKENS)] if n % 2 else None
        found = predictor.inside(ids, TOKENS)
        try:
            assert_same(found, in_plain_words(model, ids, TOKENS))
            if expected is not None:
                np.testing.assert_allclose(found.logprobs, expected, rtol=0, atol=TOLERANCE)
        except AssertionError as error:
            wrong.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_bfloat16_is_told_and_computed_in_float32():
    """A bfloat16 model: float32 arrays, its own rounded logits, and h · e close to them."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(CONFIGS["own rows"]).to(torch.bfloat16).eval()
    found = Predictor(PackedModel(model), ROOMY).inside((1, 2, 3), TOKENS)
    assert found.dtype == "bfloat16"
    assert found.products.dtype == found.hidden.dtype == np.float32
    exact = found.rows.astype(np.float64) @ found.hidden.astype(np.float64)
    np.testing.assert_allclose(found.products, exact, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.logits, exact, rtol=0.01, atol=0.01)


@pytest.mark.usefixtures("float32_only")
def test_real_models(real_engine):
    """SmolLM2 and Gemma: h after the final norm, tied rows, and the displayed probabilities."""
    ids = [*real_engine.info.prefix_ids, *(t.id for t in real_engine.tokenize(TEXT))]
    distribution = real_engine.next(ids)
    shown = [int(i) for i in distribution.top(10)]
    found = look_inside(real_engine, ids, shown)
    model = AutoModelForCausalLM.from_pretrained(real_engine.info.folder, dtype=torch.float32)
    hidden, rows, logits, log_sum_exp = in_plain_words(model.eval(), ids, shown)
    np.testing.assert_allclose(found.hidden, hidden, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.logits, logits, rtol=0, atol=1e-3)
    assert found.log_sum_exp == pytest.approx(float(log_sum_exp), abs=1e-3)
    np.testing.assert_allclose(found.computed, found.logits, rtol=0, atol=1e-3)
    expected = np.exp(distribution.logprob_by_id[shown])
    np.testing.assert_allclose(np.exp(found.logprobs), expected, rtol=0, atol=TOLERANCE)
    embedding = model.get_input_embeddings().weight[shown].detach().numpy()
    assert found.tied
    np.testing.assert_array_equal(found.rows, embedding)


def test_what_can_not_be_shown_is_said(toy, smollm2):
    """No vector in a bigram model; nothing before the first token; too long a document."""
    with pytest.raises(InputError, match="does not show what is inside"):
        look_inside(toy, [1, 2], [3])
    with pytest.raises(NoPrediction):
        look_inside(smollm2, [], [3])
    with pytest.raises(ContextTooLong):
        look_inside(smollm2, [5] * (smollm2.info.context_length + 1), [3])

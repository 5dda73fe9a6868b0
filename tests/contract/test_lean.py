"""The body for passes of few tokens against the model it was made from, and what it refuses."""

import copy

import pytest
import torch
from small_models import SHAPE, VOCAB, random_model
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GraniteConfig,
    LlamaConfig,
    OlmoConfig,
    Qwen2Config,
    Qwen3Config,
)

from core.engines.local import lean as lean_module
from core.engines.local import verified
from core.engines.local.lean import LeanBody, NotLean
from core.engines.local.packed import LEAN_TOKENS, PackedModel
from core.engines.local.prefix_tree import PrefixTree

TOLERANCE = 1e-5
WINDOWED = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
KNOWN = {
    "llama": LlamaConfig(**SHAPE),
    "biases everywhere": LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True),
    "a key for each head": LlamaConfig(**SHAPE | {"num_key_value_heads": 4}),
    "gemma": Gemma3TextConfig(**SHAPE, **WINDOWED, sliding_window=4, query_pre_attn_scalar=5),
    "biases of queries": Qwen2Config(**SHAPE),
    "norms of heads": Qwen3Config(**SHAPE),
}
OTHER = {
    "capped scores": Gemma2Config(**SHAPE, **WINDOWED),
    "scaled residuals": GraniteConfig(**SHAPE, residual_multiplier=0.3),
    "norms without weights": OlmoConfig(**{k: v for k, v in SHAPE.items() if k != "head_dim"}),
}


@torch.inference_mode()
def computed(packed, documents):
    """The logits after each document, all in one pass, then after one more token of each."""
    tree, rows = PrefixTree(300), []
    for several in (documents, [(*ids, 7) for ids in documents]):
        paths = [tree.pin(ids) for ids in several]
        rows.append(packed.logits(packed.compute(paths, [path[-1] for path in paths])))
    return torch.cat(rows)


@pytest.mark.parametrize("config", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize(
    "documents",
    [[(5, 6, 7, 8, 9, 10)], [(5, 6, 7, 8, 9), (5, 6, 11), (12,)], [(n, 3, n) for n in range(9)]],
    ids=["alone", "forks", "side by side"],
)
def test_the_models_numbers(config, documents):
    """Few operations or transformers' own layers: the same logits, for every known make."""
    model = random_model(config)
    body = LeanBody(copy.deepcopy(model).get_decoder())
    found = computed(PackedModel(model, body).with_slots(300), documents)
    documents = [*documents, *[(*ids, 7) for ids in documents]]
    with torch.inference_mode():
        plain = [model(torch.tensor([ids])).logits[0, -1] for ids in documents]
    assert torch.allclose(found, torch.stack(plain), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("config", KNOWN.values(), ids=KNOWN)
def test_the_model_itself_keeps_its_numbers_and_its_memory(config):
    """Joined weights are the model's own: same logits from it, no weight held twice."""
    model = random_model(config)
    ids = torch.tensor([[5, 6, 7, 8]])
    before = model(ids).logits
    n_bytes = stored(model)
    body = LeanBody(model.get_decoder())
    assert torch.equal(model(ids).logits, before)
    lean = {linear.weight.untyped_storage().data_ptr() for linear in body.linears}
    assert lean <= {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    assert stored(model) == n_bytes


def stored(model):
    """Bytes of all distinct blocks of memory behind a model's weights."""
    blocks = {
        block.data_ptr(): block.nbytes()
        for block in (weight.untyped_storage() for weight in model.parameters())
    }
    return sum(blocks.values())


@pytest.mark.parametrize("config", KNOWN.values(), ids=KNOWN)
def test_a_known_make_is_taken(config):
    """The check at the start trusts it for short passes."""
    assert verified.open_model(random_model(config))._lean is not None


@pytest.mark.parametrize("config", OTHER.values(), ids=OTHER)
def test_another_make_keeps_its_own_layers(config):
    """What the short way does not know is noticed; the prefix tree is used all the same."""
    packed = verified.open_model(random_model(config))
    assert isinstance(packed, PackedModel)
    assert packed._lean is None


@pytest.mark.parametrize("config", OTHER.values(), ids=OTHER)
def test_another_makes_own_layers_are_probed(config, monkeypatch):
    """Its linear layers and its output layer take the fastest way for few rows, each once."""
    probed = []
    monkeypatch.setattr(verified, "quicken", lambda layers, most_rows: probed.extend(layers))
    model = random_model(config)
    verified.open_model(model)
    linears = [part for part in model.modules() if type(part) is torch.nn.Linear]
    weights = [{layer.weight.data_ptr() for layer in layers} for layers in (probed, linears)]
    assert weights[0] == weights[1]
    assert len(probed) == len(linears)


def test_weights_that_are_no_plain_products_are_refused():
    """A quantised or otherwise special linear layer is left to the model."""

    class Special(torch.nn.Linear):
        pass

    model = random_model(KNOWN["llama"])
    model.model.layers[1].mlp.down_proj = Special(48, 32, bias=False)
    with pytest.raises(NotLean):
        LeanBody(model.get_decoder())


def test_a_long_pass_takes_the_models_own_layers(monkeypatch):
    """Past a few dozen new tokens a pass is bit for bit transformers' own."""
    model = random_model(KNOWN["llama"])
    packed = verified.open_model(model).with_slots(300)
    monkeypatch.setattr(lean_module.LeanBody, "__call__", None)
    ids = tuple(n % VOCAB for n in range(LEAN_TOKENS + 1))
    path = PrefixTree(300).pin(ids)
    with torch.inference_mode():
        found = packed.logits(packed.compute([path], path))
        assert torch.equal(found, model(torch.tensor([ids])).logits[0])

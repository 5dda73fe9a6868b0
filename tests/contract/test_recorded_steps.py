"""Recorded lone steps, on a CPU: what a CUDA graph does is done here by a tape of operations."""

import copy

import pytest
import torch
from small_models import SHAPE, VOCAB, random_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import Gemma3TextConfig, LlamaConfig

from core.engines.local.lean import LeanBody
from core.engines.local.packed import PackedModel
from core.engines.local.prefix_tree import PrefixTree
from core.engines.local.recorded_steps import FEWEST_PLACES

TOLERANCE = 1e-5
KINDS = ["sliding_attention", "full_attention", "sliding_attention"]
MAKES = {
    "llama": LlamaConfig(**SHAPE),
    "gemma": Gemma3TextConfig(
        **SHAPE, layer_types=KINDS, sliding_window=4, query_pre_attn_scalar=5
    ),
    "windows only": Gemma3TextConfig(
        **SHAPE, layer_types=KINDS[:1] * 3, sliding_window=4, query_pre_attn_scalar=5
    ),
}
READS_NUMBERS = ("_local_scalar_dense", "nonzero", "item", "equal")  # the GPU would be waited for


class Tape(TorchDispatchMode):
    """Records operations and does them again on the very same tensors, like a CUDA graph."""

    def __init__(self):
        super().__init__()
        self.operations, self.n_replayed = [], 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        assert not any(name in str(operation) for name in READS_NUMBERS), operation
        result = operation(*args, **kwargs or {})
        self.operations.append((operation, args, kwargs or {}, result))
        return result

    def replay(self):
        self.n_replayed += 1
        for operation, args, kwargs, result in self.operations:
            again = operation(*args, **kwargs)
            given = {blocks(part) for part in tree_leaves((args, kwargs)) if is_tensor(part)}
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if is_tensor(old) and blocks(old) not in given:
                    old.copy_(new)


def is_tensor(part):
    return isinstance(part, torch.Tensor)


def blocks(tensor):
    return tensor.untyped_storage().data_ptr()


@pytest.fixture
def tapes():
    return []


@pytest.fixture
def record(tapes):
    """A recorder in the place of ``as_cuda_graph``."""

    def recorder(work):
        work()  # a warm-up
        tapes.append(Tape())
        with tapes[-1]:
            result = work()
        return lambda tape=tapes[-1]: (tape.replay(), result)[1]

    return recorder


@torch.inference_mode()
def after(packed, tree, ids):
    """The logits after a document."""
    path = tree.pin(ids)
    logits = packed.logits(packed.compute([path], path[-1:]))[0]
    tree.release(path)
    return logits


@pytest.mark.parametrize("config", MAKES.values(), ids=MAKES)
def test_a_growing_document_and_its_forks(config, record, tapes):
    """Step by step past the first recording's places, then other tokens in other places: always
    the plain forward's logits, and every lone step but the first of each length is a replay."""
    model = random_model(config)
    packed = PackedModel(model, LeanBody(copy.deepcopy(model).get_decoder()), record)
    packed, tree = packed.with_slots(400), PrefixTree(400)
    ids = tuple(n * 7 % VOCAB for n in range(FEWEST_PLACES - 20))
    documents = [ids]
    for n in range(40):
        documents.append((*documents[-1], (n * 11 + 1) % VOCAB))
    documents += [(*documents[k][:-1], 3) for k in (40, 1, 25)]
    for document in documents:
        found = after(packed, tree, document)
        with torch.inference_mode():
            wanted = model(torch.tensor([document])).logits[0, -1]
        assert torch.allclose(found, wanted, rtol=0, atol=TOLERANCE)
    assert len(tapes) == 2
    assert sum(tape.n_replayed for tape in tapes) == len(documents) - 1


def test_an_arena_has_recordings_of_its_own(record, tapes):
    """Two predictors of one model write to their own slots."""
    model = random_model(MAKES["llama"])
    packed = PackedModel(model, LeanBody(copy.deepcopy(model).get_decoder()), record)
    rooms = [(packed.with_slots(100), PrefixTree(100)) for _ in range(2)]
    for first, (room, tree) in enumerate(rooms):
        for ids in [(5, first, 7), (5, first, 7, 8)]:
            found = after(room, tree, ids)
        with torch.inference_mode():
            wanted = model(torch.tensor([ids])).logits[0, -1]
        assert torch.allclose(found, wanted, rtol=0, atol=TOLERANCE)
    assert len(tapes) == 2

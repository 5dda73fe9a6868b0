"""The statistics of scored rows against the long way in numpy, whatever stands in the rows."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig

from core.engines.local import output_layer
from core.engines.local.output_layer import OutputLayer, row_statistics

TOP = 10
WIDTHS = [TOP, 700, 256 * 40, 256 * 40 + 77]  # fewer than a block, and with a rest beside blocks


def rows_of(width, kind):
    """Rows of logits: all different, with many ties, or all the same."""
    rng = np.random.default_rng(width)
    rows = rng.normal(0, 3, (9, width)).astype(np.float32)
    return {"different": rows, "ties": np.round(rows), "equal": 0 * rows}[kind]


def the_long_way(row, target):
    """(log-prob, rank, entropy in bits, ids of the top, rest) of one row in float64."""
    logprobs = row.astype(np.float64) - np.logaddexp.reduce(row.astype(np.float64))
    order = np.lexsort((np.arange(len(row)), -row))
    entropy = -(np.exp(logprobs) * logprobs).sum() / np.log(2)
    rank = 1 + list(order).index(target)
    return logprobs, rank, entropy, order[:TOP], np.exp(logprobs[order[TOP:]]).sum()


@pytest.mark.parametrize("kind", ["different", "ties", "equal"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("together", [1, 4 << 20])
def test_every_column_is_that_of_the_long_way(width, kind, together, monkeypatch):
    """Some rows at a time or one, blocks of the vocabulary or all of it: ties by lowest id."""
    monkeypatch.setattr(output_layer, "CACHED_BYTES", together)
    rows = rows_of(width, kind)
    targets = np.random.default_rng(1).integers(0, width, len(rows))
    given = row_statistics(torch.tensor(rows), torch.tensor(targets), TOP)
    for row, target, *found in zip(rows, targets, *(c.numpy() for c in given), strict=True):
        logprob, rank, entropy, ids, values, rest = found
        logprobs, wanted_rank, wanted_entropy, wanted_ids, wanted_rest = the_long_way(row, target)
        assert rank == wanted_rank
        assert ids.tolist() == wanted_ids.tolist()
        assert logprob == pytest.approx(logprobs[target], abs=1e-5)
        assert values == pytest.approx(logprobs[ids], abs=1e-5)
        assert entropy == pytest.approx(wanted_entropy, abs=1e-4)
        assert rest == pytest.approx(wanted_rest, abs=1e-5)


@pytest.mark.parametrize("config", [Gemma3TextConfig, LlamaConfig], ids=["capped", "plain"])
@pytest.mark.parametrize("n_rows", [1, output_layer.FEW, output_layer.FEW + 1])
def test_pieces_of_the_vocabulary_make_the_same_logits(config, n_rows, monkeypatch):
    """Many rows with somebody waiting: a piece at a time, a pause before each, nothing else.

    Few rows stand in the room that is given, over those before; more take room of their own.
    """
    capped = {"final_logit_softcapping": 3.0} if config is Gemma3TextConfig else {}
    shape = {
        "vocab_size": 70,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
        "hidden_size": 16,
        "num_attention_heads": 2,
    }
    model = AutoModelForCausalLM.from_config(config(**shape, **capped, pad_token_id=0))
    whole = OutputLayer(model)
    monkeypatch.setattr(output_layer, "PIECE", 30)
    layer = OutputLayer(model)
    assert [piece.out_features for piece in layer.pieces] == [30, 30, 10]
    rows, pauses = torch.randn(n_rows, 16), []
    with torch.inference_mode():
        found = layer(rows, lambda: pauses.append(1))
        assert torch.allclose(found, whole(rows), rtol=0, atol=1e-6)
        room = layer.room()
        before = layer(-rows, room=room)
        assert torch.equal(layer(rows, room=room), found)
        assert torch.equal(before, found) == (n_rows <= output_layer.FEW)
        assert whole.room() is None
    assert len(pauses) == (3 if n_rows > output_layer.FEW else 0)

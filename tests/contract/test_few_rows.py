"""Every way of few rows through a linear layer, and the probe that chooses."""

import pytest
import torch

from core.engines.local import few_rows
from core.engines.local.few_rows import LONE_WAYS, MOST_ROWS, SEVERAL_WAYS, quicken

SHAPES = [(1, 24), (1, 1, 24), (3, 24), (1, 2, 24), (5, 1, 24), (MOST_ROWS + 1, 24)]


@pytest.mark.parametrize("way", [*LONE_WAYS, *SEVERAL_WAYS], ids=lambda way: way.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [False, True])
def test_every_way_is_the_linear_layer(way, dtype, bias, monkeypatch):
    """Whatever the probe would choose, numbers and shapes are those of torch's own layer."""
    monkeypatch.setattr(few_rows, "fastest", lambda weights, ways, n: way if way in ways else None)
    torch.manual_seed(1)
    layer = torch.nn.Linear(24, 17, bias=bias, dtype=dtype)
    inputs = [torch.randn(shape, dtype=dtype) for shape in SHAPES]
    with torch.inference_mode():
        wanted = [layer(rows) for rows in inputs]
        assert quicken([layer]) == 1
        for rows, usual in zip(inputs, wanted, strict=True):
            assert layer(rows).shape == usual.shape
            tolerance = 1e-5 if dtype == torch.float32 else 0.05
            assert torch.allclose(layer(rows), usual, atol=tolerance)


@pytest.mark.parametrize("ways", [LONE_WAYS, SEVERAL_WAYS])
def test_the_probe_keeps_what_is_fast(ways, monkeypatch):
    """A way is taken only where it clearly wins; a layer that is fast stays as it is."""
    seconds = dict.fromkeys(ways, 2.0) | {ways[0]: 0.95}
    monkeypatch.setattr(few_rows, "_seconds", lambda way, *_: seconds.get(way, 1.0))
    weights = [torch.ones(4, 3)]
    assert few_rows.fastest(weights, ways, 2) is None
    seconds[ways[0]] = 0.5
    assert few_rows.fastest(weights, ways, 2) is ways[0]


def test_many_rows_go_the_usual_way(monkeypatch):
    """Past a few dozen rows the layer is left alone, whatever the probe says."""
    monkeypatch.setattr(few_rows, "fastest", lambda *_: lambda weight, rows: None)
    layer = torch.nn.Linear(3, 4)
    rows = torch.ones(MOST_ROWS + 1, 3)
    wanted = layer(rows)
    quicken([layer])
    assert torch.equal(layer(rows), wanted)

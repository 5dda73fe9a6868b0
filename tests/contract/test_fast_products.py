"""Every way of rows through a linear layer, and the probe that chooses."""

import pytest
import torch

from core.engines.local import fast_products
from core.engines.local.fast_products import LONE_WAYS, SEVERAL_WAYS, quicken

MOST_ROWS = max(way.most_rows for way in SEVERAL_WAYS)
SHAPES = [(1, 24), (1, 1, 24), (3, 24), (1, 2, 24), (5, 1, 24), (64, 24), (MOST_ROWS + 1, 24)]
WAYS = {way.make.__name__: way for way in (*LONE_WAYS, *SEVERAL_WAYS)}
LARGE = fast_products.SMALL_BYTES // (4 * 64)  # rows of 64 numbers that are worth a probe


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [False, True])
def test_every_way_is_the_linear_layer(way, dtype, bias, monkeypatch):
    """Whatever the probe would choose, numbers and shapes are those of torch's own layer."""
    monkeypatch.setattr(
        fast_products,
        "fastest",
        lambda weights, ways, n: next((w for w in ways if w.make is way.make), None),
    )
    torch.manual_seed(1)
    layer = torch.nn.Linear(24, 16, bias=bias, dtype=dtype)
    inputs = [torch.randn(shape, dtype=dtype) for shape in SHAPES]
    with torch.inference_mode():
        wanted = [layer(rows) for rows in inputs]
        assert quicken([layer], MOST_ROWS) == 1
        for rows, usual in zip(inputs, wanted, strict=True):
            assert layer(rows).shape == usual.shape
            tolerance = 1e-5 if dtype == torch.float32 else 0.05
            assert torch.allclose(layer(rows), usual, atol=tolerance)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_rows_out_of_a_larger_block(way):
    """Rows that don't stand one right after the other in memory give the same numbers."""
    weight, block = torch.randn(16, 24), torch.randn(4, 48)
    rows = block[: min(3, way.most_rows), ::2]
    wanted = torch.nn.functional.linear(rows, weight)
    assert torch.allclose(way.make(weight)(rows), wanted, atol=1e-5)


@pytest.mark.parametrize("ways", [LONE_WAYS, SEVERAL_WAYS], ids=["lone", "several"])
def test_the_probe_keeps_what_is_fast(ways, monkeypatch):
    """A way is taken only where it clearly wins; a layer that is fast stays as it is."""
    first, last = ways[0], ways[-1]
    seconds = {way.make: 2.0 for way in ways} | {first.make: 0.95}
    monkeypatch.setattr(fast_products, "_seconds", lambda make, *_: seconds.get(make, 1.0))
    weights = [torch.ones(LARGE, 64)]
    assert fast_products.fastest(weights, ways, 2) is None
    seconds[last.make] = last.within + 0.01  # faster than usual, not worth its memory
    assert fast_products.fastest(weights, ways, 2) is None
    seconds[first.make] = 0.85
    assert fast_products.fastest(weights, ways, 2) is first
    seconds[last.make] = 0.5
    assert fast_products.fastest(weights, ways, 2) is last


def test_one_copy_serves_one_row_and_several(monkeypatch):
    """Rearranged weights that several rows have already are taken for one row where they win."""
    made = []
    monkeypatch.setattr(
        fast_products, "_seconds", lambda make, weights, rows: seconds[make, len(rows) > 1]
    )
    counted = fast_products.REARRANGED._replace(make=lambda weight: made.append(1) or weight)
    usual, parts = fast_products.usual, fast_products.in_parts
    between = (fast_products.WORTH_MEMORY + fast_products.CLEARLY) / 2
    seconds = {(counted.make, False): between, (usual, False): 1, (parts, False): 1}
    seconds |= {(counted.make, True): 0.5, (usual, True): 1, (SEVERAL_WAYS[0].make, True): 1}
    monkeypatch.setattr(fast_products, "REARRANGED", counted)
    monkeypatch.setattr(fast_products, "LONE_WAYS", (LONE_WAYS[0], counted))
    monkeypatch.setattr(fast_products, "SEVERAL_WAYS", (SEVERAL_WAYS[0], counted))
    layer = torch.nn.Linear(64, LARGE)
    assert quicken([layer], MOST_ROWS) == 1
    assert len(made) == 1
    seconds[counted.make, True] = between  # none for several: it is not worth one for one row
    assert quicken([torch.nn.Linear(64, LARGE)], MOST_ROWS) == 0


def test_a_large_model_is_not_held_twice(monkeypatch):
    """Past a size no way is asked for that copies the weights, however fast it is."""
    asked = []
    monkeypatch.setattr(fast_products, "fastest", lambda weights, ways, n: asked.extend(ways))
    monkeypatch.setattr(fast_products, "MOST_COPIED_BYTES", 2 * 64 * LARGE * 4)
    layers = [torch.nn.Linear(64, LARGE) for _ in range(3)]
    quicken(layers[:2], MOST_ROWS)
    assert fast_products.REARRANGED in asked
    asked.clear()
    quicken(layers, MOST_ROWS)
    assert asked
    assert fast_products.REARRANGED not in asked


def test_a_way_that_torch_lacks_is_not_taken():
    """An odd number of outputs has no equal parts; no build of torch need have oneDNN."""

    def lacking(weight):
        raise RuntimeError("not in this build")

    weights = [torch.ones(LARGE + 1, 64)]
    ways = (fast_products.Way(lacking, 64, 0.9), LONE_WAYS[0])
    assert fast_products.fastest(weights, ways, 1) is None


def test_small_layers_are_not_probed(monkeypatch):
    """Where a call costs more than the product, nothing is measured."""
    monkeypatch.setattr(fast_products, "_seconds", None)
    assert fast_products.fastest([torch.ones(LARGE - 1, 64)], SEVERAL_WAYS, 2) is None


def test_many_rows_go_the_usual_way(monkeypatch):
    """Past the rows that a way is for the layer is left alone, whatever the probe says."""
    never = fast_products.Way(lambda weight: lambda rows: rows[:, :0], 6, 0.9)
    monkeypatch.setattr(fast_products, "fastest", lambda *_: never)
    for n_rows, most_rows in ((7, 64), (5, 4)):
        layer, rows = torch.nn.Linear(3, 4), torch.ones(n_rows, 3)
        wanted = layer(rows)
        quicken([layer], most_rows)
        assert torch.equal(layer(rows), wanted)


def test_onednn_is_left_as_it_was(monkeypatch):
    """The way without oneDNN switches it off for its own product alone, also when that fails."""
    onednn = torch.backends.mkldnn
    product = fast_products.without_onednn(torch.randn(16, 24))
    monkeypatch.setattr(onednn, "enabled", onednn.enabled)
    for was in (False, True):
        monkeypatch.setattr(fast_products, "HAS_ONEDNN", was)
        product(torch.randn(1, 24))
        with pytest.raises(RuntimeError):
            product(torch.randn(1, 25))
        assert onednn.enabled == was

"""A lone row through a linear layer, the way a probe found fastest on this processor.

A matrix times one vector takes a path of its own in every BLAS, and often a slow one: two
equal rows can take half the time of one. All ways give the same numbers up to rounding.
Knows nothing of models beyond their linear layers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

Way = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
PROBES = 3
CLEARLY = 0.9  # a way must take at most this share of the usual one's time
COLD_BYTES = 64 << 20  # so many are read, from memory and not from a cache


def twice(weight: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """[1, in] → [1, out], computed as if there were two rows."""
    return torch.mm(weight, row.expand(2, -1).contiguous().t())[:, :1].t()


def as_vector(weight: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """[1, in] → [1, out], matrix times vector."""
    return torch.mv(weight, row[0])[None]


WAYS: tuple[Way, ...] = (twice, as_vector)


@torch.inference_mode()
def quicken(layers: Sequence[torch.nn.Linear]) -> int:
    """Give linear layers on a CPU their fastest way; how many got another one.

    One probe for each shape of weights.
    """
    chosen: dict[tuple[int, ...], Way | None] = {}
    for layer in layers:
        shape = tuple(layer.weight.shape)
        if shape not in chosen:
            chosen[shape] = fastest(
                [other.weight for other in layers if other.weight.shape == shape]
            )
        if (way := chosen[shape]) is not None:
            layer.forward = _forward(layer, layer.forward, way)  # type: ignore[method-assign,assignment]
    return sum(chosen[tuple(layer.weight.shape)] is not None for layer in layers)


def fastest(weights: list[torch.Tensor]) -> Way | None:
    """The way that is clearly faster than the usual one for weights of one shape, if any."""
    n_rows = COLD_BYTES // weights[0][0].nbytes
    enough = [weight[:n_rows] for weight in weights[: 1 + COLD_BYTES // weights[0].nbytes]]
    row = torch.ones(1, weights[0].shape[1], dtype=weights[0].dtype)
    usual = _seconds(lambda weight, row: torch.nn.functional.linear(row, weight), enough, row)
    times = {way: _seconds(way, enough, row) for way in WAYS}
    best = min(times, key=times.__getitem__)
    return best if times[best] < CLEARLY * usual else None


def _forward(layer: Any, usual: Any, way: Way) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(rows: torch.Tensor) -> torch.Tensor:
        if rows.numel() != layer.in_features:
            return usual(rows)  # type: ignore[no-any-return]
        out = way(layer.weight, rows.reshape(1, -1))
        out = out if layer.bias is None else out + layer.bias
        return out.reshape(*rows.shape[:-1], layer.out_features)

    return forward


def _seconds(way: Way, weights: list[torch.Tensor], row: torch.Tensor) -> float:
    """The shortest time of some rounds over all weights."""
    times = []
    for _ in range(PROBES):
        start = time.perf_counter()
        for weight in weights:
            way(weight, row)
        times.append(time.perf_counter() - start)
    return min(times)

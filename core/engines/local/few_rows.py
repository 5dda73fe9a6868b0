"""Few rows through a linear layer, the way a probe found fastest on this processor.

A matrix times one vector takes a path of its own in every BLAS, and often a slow one: two
equal rows can take half the time of one. A few dozen rows can take half the time when the
weights stand first in the product. All ways give the same numbers up to rounding. Knows
nothing of models beyond their linear layers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

Way = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
MOST_ROWS = 64  # more go the usual way
SEVERAL = 16  # rows stand for any number of them when ways are compared
PROBES = 2
CLEARLY = 0.9  # a way must take at most this share of the usual one's time
COLD_BYTES = 64 << 20  # so many are read, from memory and not from a cache


def twice(weight: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """[1, in] → [1, out], computed as if there were two rows."""
    return torch.mm(weight, row.expand(2, -1).contiguous().t())[:, :1].t()


def as_vector(weight: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """[1, in] → [1, out], matrix times vector."""
    return torch.mv(weight, row[0])[None]


def weights_first(weight: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """[rows, in] → [rows, out], as columns."""
    return torch.mm(weight, rows.t()).t().contiguous()


LONE_WAYS: tuple[Way, ...] = (twice, as_vector)
SEVERAL_WAYS: tuple[Way, ...] = (weights_first,)


class Ways(NamedTuple):
    """The ways of one row and of several; None for the usual one."""

    lone: Way | None
    several: Way | None

    def of(self, n_rows: int) -> Way | None:
        """The way of so many rows."""
        if n_rows == 1:
            return self.lone
        return self.several if n_rows <= MOST_ROWS else None


@torch.inference_mode()
def quicken(layers: Sequence[torch.nn.Linear]) -> int:
    """Give linear layers on a CPU their fastest ways; how many got another than the usual.

    One probe for each shape of weights.
    """
    chosen: dict[tuple[int, ...], Ways] = {}
    for layer in layers:
        shape = tuple(layer.weight.shape)
        if shape not in chosen:
            alike = [other.weight for other in layers if other.weight.shape == shape]
            chosen[shape] = Ways(
                fastest(alike, LONE_WAYS, 1), fastest(alike, SEVERAL_WAYS, SEVERAL)
            )
        if any(chosen[shape]):
            layer.forward = _forward(layer, layer.forward, chosen[shape])  # type: ignore[method-assign,assignment]
    return sum(any(chosen[tuple(layer.weight.shape)]) for layer in layers)


def fastest(weights: Sequence[torch.Tensor], ways: Sequence[Way], n_rows: int) -> Way | None:
    """The way that is clearly faster than the usual one for weights of one shape, if any."""
    n_out = COLD_BYTES // weights[0][0].nbytes
    enough = [weight[:n_out] for weight in weights[: 1 + COLD_BYTES // weights[0].nbytes]]
    rows = torch.ones(n_rows, weights[0].shape[1], dtype=weights[0].dtype)
    usual = _seconds(lambda weight, rows: torch.nn.functional.linear(rows, weight), enough, rows)
    times = {way: _seconds(way, enough, rows) for way in ways}
    best = min(times, key=times.__getitem__)
    return best if times[best] < CLEARLY * usual else None


def _forward(layer: Any, usual: Any, ways: Ways) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(rows: torch.Tensor) -> torch.Tensor:
        way = ways.of(rows.numel() // layer.in_features)
        if way is None:
            return usual(rows)  # type: ignore[no-any-return]
        out = way(layer.weight, rows.reshape(-1, layer.in_features))
        out = out if layer.bias is None else out + layer.bias
        return out.reshape(*rows.shape[:-1], layer.out_features)

    return forward


def _seconds(way: Way, weights: Sequence[torch.Tensor], rows: torch.Tensor) -> float:
    """The shortest time of some rounds over all weights."""
    times = []
    for _ in range(PROBES):
        start = time.perf_counter()
        for weight in weights:
            way(weight, rows)
        times.append(time.perf_counter() - start)
    return min(times)

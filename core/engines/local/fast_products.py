"""Rows through a linear layer on a CPU, the way a probe found fastest on this processor.

A matrix times one vector takes a path of its own in every BLAS, and often a slow one: the same
product in eight parts can take a third of the time. More rows can take half the time with the
weights first, or with a copy of the weights in the order in which oneDNN reads them. All ways
give the same numbers up to rounding. Knows nothing of models beyond their linear layers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

Product = Callable[[torch.Tensor], torch.Tensor]  # [rows, in] → [rows, out]
N_PARTS = 8
SEVERAL = 16  # rows stand for any number of them when ways are compared
SMALL_BYTES = 1 << 18  # of weights that no way is worth it for
PROBES = 3
MOST_COPIED_BYTES = 3 << 30  # of weights; a larger model is not held twice
COLD_BYTES = 64 << 20  # so many are read, from memory and not from a cache
HAS_ONEDNN = bool(torch.backends.mkldnn.enabled)  # read once: another thread may have it off


class Way(NamedTuple):
    """How ``make`` of weights [out, in] multiplies by them, up to ``most_rows`` rows.

    It is chosen if it takes at most the share ``within`` of the usual time.
    """

    make: Callable[[torch.Tensor], Product]
    most_rows: int
    within: float


def usual(weight: torch.Tensor) -> Product:
    """As torch does it."""
    return lambda rows: torch.nn.functional.linear(rows, weight)


def in_parts(weight: torch.Tensor) -> Product:
    """One row as several matrices times a vector."""
    parts = weight.view(N_PARTS, -1, weight.shape[1])
    return lambda row: torch.bmm(parts, row.t().expand(N_PARTS, -1, -1)).view(1, -1)


def without_onednn(weight: torch.Tensor) -> Product:
    """One row as a vector, by a kernel of torch's own, which oneDNN otherwise stands before.

    In 16 bits it reads weights as fast as memory gives them, where oneDNN reaches half of that.
    oneDNN is switched off for the whole process while it runs: another thread's products then
    go another way as well, to the same numbers up to rounding.
    """
    onednn: Any = torch.backends.mkldnn

    def product(row: torch.Tensor) -> torch.Tensor:
        onednn.enabled = False
        try:
            return torch.mv(weight, row[0])[None]
        finally:
            onednn.enabled = HAS_ONEDNN

    return product


def weights_first(weight: torch.Tensor) -> Product:
    """Rows as columns."""
    return lambda rows: torch.mm(weight, rows.t()).t().contiguous()


def rearranged(weight: torch.Tensor) -> Product:
    """With a second copy of the weights, which oneDNN reads from end to end."""
    onednn = torch.ops.mkldnn
    copy = onednn._reorder_linear_weight(weight, None)
    return lambda rows: onednn._linear_pointwise(rows, copy, None, "none", [], "")


def linear_over(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Linear:
    """A linear layer of these very weights [out, in], none of them copied."""
    n_out, size = weight.shape
    layer = torch.nn.Linear(size, n_out, bias=False, device="meta")
    layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = torch.nn.Parameter(bias, requires_grad=False)
    return layer


CLEARLY, WORTH_MEMORY = 0.9, 0.85
REARRANGED = Way(rearranged, 256, WORTH_MEMORY)
LONE_WAYS = (Way(in_parts, 1, CLEARLY), Way(without_onednn, 1, CLEARLY), REARRANGED)
SEVERAL_WAYS = (Way(weights_first, 64, CLEARLY), REARRANGED)


class Ways(NamedTuple):
    """The ways of one row and of several; None for the usual one."""

    lone: Way | None
    several: Way | None


@torch.inference_mode()
def quicken(layers: Sequence[torch.nn.Linear], most_rows: int) -> int:
    """Give linear layers on a CPU their fastest ways; how many got another than the usual.

    One probe for each shape of weights. More than ``most_rows`` rows go the usual way.
    """
    chosen: dict[tuple[int, ...], Ways] = {}
    fits = sum(layer.weight.nbytes for layer in layers) <= MOST_COPIED_BYTES
    for layer in layers:
        shape = tuple(layer.weight.shape)
        if shape not in chosen:
            alike = [other.weight for other in layers if other.weight.shape == shape]
            several = fastest(alike, _fitting(SEVERAL_WAYS, fits), SEVERAL)
            lone = fastest(alike, _fitting(_beside(several), fits), 1)
            chosen[shape] = Ways(lone, several)
        if any(chosen[shape]):
            forward = _forward(layer, layer.forward, chosen[shape], most_rows)
            layer.forward = forward  # type: ignore[method-assign,assignment]
    return sum(any(chosen[tuple(layer.weight.shape)]) for layer in layers)


def _fitting(ways: Sequence[Way], fits: bool) -> Sequence[Way]:
    """The ways without those that copy weights, where a copy does not fit."""
    return [way for way in ways if fits or way.make is not REARRANGED.make]


def _beside(several: Way | None) -> Sequence[Way]:
    """The ways of one row: a copy that is there already costs nothing."""
    if several is not REARRANGED:
        return LONE_WAYS
    return tuple(way._replace(within=CLEARLY) for way in LONE_WAYS)


def fastest(weights: Sequence[torch.Tensor], ways: Sequence[Way], n_rows: int) -> Way | None:
    """The fastest way for weights of one shape, if it is so much faster that it is chosen."""
    if weights[0].nbytes < SMALL_BYTES:
        return None
    enough = weights[: 1 + COLD_BYTES // weights[0].nbytes]  # whole: a part may go another way
    rows = torch.ones(n_rows, weights[0].shape[1], dtype=weights[0].dtype)
    seconds = {way: _seconds(way.make, enough, rows) for way in ways}
    limit = _seconds(usual, enough, rows)
    possible = [way for way in ways if seconds[way] < way.within * limit]
    return min(possible, key=seconds.__getitem__, default=None)


def _seconds(
    make: Callable[[torch.Tensor], Product], weights: Sequence[torch.Tensor], rows: torch.Tensor
) -> float:
    """The shortest time of some rounds over all weights; infinite where it can't be done."""
    times = []
    try:
        products = [make(weight) for weight in weights]
        for _ in range(PROBES):
            start = time.perf_counter()
            for product in products:
                product(rows)
            times.append(time.perf_counter() - start)
    except (RuntimeError, AttributeError):  # of shapes, types and builds of torch that lack it
        return float("inf")
    return min(times)


def _forward(layer: Any, otherwise: Any, ways: Ways, most_rows: int) -> Product:
    """A layer's forward: by the ways that were chosen, else as it was."""
    kinds = {way.make for way in ways if way is not None}
    made = {make: make(layer.weight.detach()) for make in kinds}

    def forward(rows: torch.Tensor) -> torch.Tensor:
        n_rows = rows.numel() // layer.in_features
        way = ways.lone if n_rows == 1 else ways.several
        if way is None or n_rows > min(way.most_rows, most_rows):
            return otherwise(rows)  # type: ignore[no-any-return]
        out = made[way.make](rows.reshape(-1, layer.in_features))
        out = out if layer.bias is None else out + layer.bias
        return out.reshape(*rows.shape[:-1], layer.out_features)

    return forward

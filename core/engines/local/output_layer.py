"""From hidden states to logits, and from rows of logits to the statistics of scored tokens.

Knows nothing of caches or documents. All statistics are float32 over the whole vocabulary.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.local.fast_products import linear_over
from core.tokens import LN2

Pause = Callable[[], None]
PIECE = 49152  # tokens of the vocabulary in one product on a CPU
LOGITS_ROWS = 160  # at once; more make no faster products
FEW = 32  # rows, and fewer, that others wait for
CACHED_BYTES = 4 << 20  # of logits whose statistics are taken together
BLOCK = 256  # logits of which only the largest is looked at, to find the largest of all
SPARE_CANDIDATES = 8  # taken beyond top_n so that ties at its edge go to the lowest id


class OutputLayer:
    """The output layer of a model by itself; rows in, float32 logits out.

    ``scale``, ``softcap``: what Granite or Cohere, and Gemma, do to the layer's products.
    ``tied``: its rows, ``vocab_size`` of them, are also the input embeddings. ``pieces``: linear
    layers that make its products, each for a part of the vocabulary.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        self.layer = model.get_output_embeddings()
        self.pieces = _pieces(self.layer)
        self.vocab_size = int(self.layer.weight.shape[0])
        self.scale = _scale(config)
        self.softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self.tied: bool = self.layer.weight is model.get_input_embeddings().weight

    def room(self) -> torch.Tensor | None:
        """Memory for few rows of logits, for one thread; None where it would save nothing.

        What has been written to before is written to in half the time.
        """
        return None if len(self.pieces) == 1 else torch.empty((FEW, self.vocab_size))

    def __call__(
        self, hidden: torch.Tensor, pause: Pause | None = None, room: torch.Tensor | None = None
    ) -> torch.Tensor:
        """float32 logits [rows, vocabulary] of hidden states [rows, size].

        Many rows take a piece of the vocabulary at a time, ``pause`` before each. Few are
        written to the ``room`` there is, over those that are there.
        """
        if len(self.pieces) == 1:
            return self._scaled(self.pieces[0](hidden)).float()
        if room is None or len(hidden) > len(room):
            room = torch.empty((len(hidden), self.vocab_size))
        logits = room[: len(hidden)]
        for start, piece in zip(range(0, self.vocab_size, PIECE), self.pieces, strict=True):
            if pause is not None and len(hidden) > FEW:
                pause()
            logits[:, start : start + PIECE] = self._scaled(piece(hidden))
        return logits

    def _scaled(self, logits: torch.Tensor) -> torch.Tensor:
        if self.scale is not None:
            logits = logits * self.scale
        if self.softcap is not None:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return logits


def _pieces(layer: Any) -> list[Any]:
    """Layers over views of an output layer's weights; itself where it is no plain one on a CPU."""
    if type(layer) is not torch.nn.Linear or layer.weight.device.type != "cpu":
        return [layer]
    pieces = []
    for at in (slice(start, start + PIECE) for start in range(0, layer.out_features, PIECE)):
        bias = None if layer.bias is None else layer.bias.detach()[at]
        pieces.append(linear_over(layer.weight.detach()[at], bias))
    return pieces


def _scale(config: Any) -> float | None:
    """What the logits are multiplied by; None where that is nothing, or 1."""
    scale = getattr(config, "logit_scale", None)
    divisor = getattr(config, "logits_scaling", None)
    if divisor is not None:
        # the same name in two senses: Granite divides by it, HyperCLOVA X multiplies
        scale = divisor if "hyperclova" in config.model_type else 1 / divisor
    return None if scale in (None, 1) else float(scale)


def row_statistics(
    logits: torch.Tensor, targets: torch.Tensor, top_n: int
) -> tuple[torch.Tensor, ...]:
    """The columns of a ScoredText for each row of logits, which are overwritten.

    A few rows at a time on a CPU, so that all passes but the first find them in its caches.
    """
    n = _rows_in_caches(logits)
    both = zip(torch.split(logits, n), torch.split(targets, n), strict=True)
    parts = [_statistics(some, at, top_n) for some, at in both]
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def log_normalizers(logits: torch.Tensor) -> torch.Tensor:
    """log Σ exp of each row [rows], a few rows at a time like their statistics."""
    parts = torch.split(logits, _rows_in_caches(logits))
    return torch.cat([torch.logsumexp(some, dim=-1) for some in parts])


def _rows_in_caches(logits: torch.Tensor) -> int:
    """How many rows are looked at together."""
    if logits.device.type != "cpu":
        return len(logits)
    return max(1, CACHED_BYTES // logits[0].nbytes)


def _statistics(
    logits: torch.Tensor, targets: torch.Tensor, top_n: int
) -> tuple[torch.Tensor, ...]:
    """Those of rows that are all looked at together.

    Entropy as log z − Σ e·(l − max) / z with e = exp(l − max), which keeps small values exact;
    the rest's mass is a sum of its own, not 1 less the others.
    """
    at_target = logits.gather(1, targets[:, None])
    ranks = _ranks(logits, targets, at_target)
    values, ids = _top(logits, top_n)
    highest = values[:, :1] if top_n else logits.amax(1, keepdim=True)
    of_top = values - highest
    top_weights = of_top.exp()
    shifted = logits.sub_(highest)
    weights = shifted.exp().scatter_(1, ids, 0.0)
    rest = weights.sum(1)
    z = rest + top_weights.sum(1)
    moment = weights.mul_(shifted).sum(1) + top_weights.mul_(of_top).sum(1)
    entropies = (z.log() - moment / z) / LN2
    log_z = highest + z.log()[:, None]
    return (at_target - log_z)[:, 0], ranks, entropies, ids, values - log_z, rest / z


def _ranks(logits: torch.Tensor, targets: torch.Tensor, at_target: torch.Tensor) -> torch.Tensor:
    """1 + how many of each row come before its target: larger, or equal with a lower id."""
    if logits.device.type == "cpu":  # where numpy counts ten times as fast as torch
        rows = zip(logits.numpy(), targets.tolist(), strict=True)
        return torch.tensor([1 + _n_before(row, target) for row, target in rows])
    ids = torch.arange(logits.shape[1], device=logits.device)
    as_large = (logits == at_target) & (ids < targets[:, None])
    return 1 + (as_large | (logits > at_target)).sum(1)


def _n_before(row: NDArray[np.float32], target: int) -> int:
    lower_ids, others = np.split(row, [target])
    n_lower, n_others = lower_ids >= row[target], others > row[target]
    return int(np.count_nonzero(n_lower) + np.count_nonzero(n_others))


def _top(logits: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The n largest of each row and their ids, equal ones by lowest id."""
    values, ids = _largest(logits, min(n + SPARE_CANDIDATES, logits.shape[1]))
    ids, by_id = ids.sort(dim=1)
    values, by_value = values.gather(1, by_id).sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, by_value)
    # a tie that goes on past the spare ones (bfloat16 has many) needs the whole row
    for row in torch.nonzero(values[:, n - 1] == values[:, -1])[:, 0]:
        values[row], ids[row] = (
            part[: ids.shape[1]] for part in logits[row].sort(descending=True, stable=True)
        )
    return values[:, :n], ids[:, :n]


def _largest(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest of each row and their ids; which of those equal to the last one, is chance.

    They are in the k blocks with the largest maxima: one pass, then a search in few numbers.
    """
    n_blocks = logits.shape[1] // BLOCK
    if n_blocks <= k:
        return tuple(logits.topk(k, dim=1))  # type: ignore[return-value]
    in_blocks = logits[:, : n_blocks * BLOCK].view(len(logits), n_blocks, BLOCK)
    first = in_blocks.amax(2).topk(k, dim=1).indices * BLOCK
    ids = (first[..., None] + torch.arange(BLOCK, device=logits.device)).flatten(1)
    left_over = torch.arange(n_blocks * BLOCK, logits.shape[1], device=logits.device)
    ids = torch.cat((ids, left_over.expand(len(ids), -1)), dim=1)
    values, at = logits.gather(1, ids).topk(k, dim=1)
    return values, ids.gather(1, at)

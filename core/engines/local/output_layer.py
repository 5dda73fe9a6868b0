"""From hidden states to logits, and from rows of logits to the statistics of scored tokens.

Knows nothing of caches or documents. All statistics are float32 over the whole vocabulary.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from core.tokens import LN2

SPARE_CANDIDATES = 8  # taken beyond top_n so that ties at its edge go to the lowest id
PROBES = 3
Rows = Callable[[torch.Tensor], torch.Tensor]


class OutputLayer:
    """The output layer of a model by itself, with Gemma's soft cap; rows in, float32 logits out.

    One row alone goes the way that a probe found fastest: on some processors a matrix
    times one vector takes twice as long as times two.
    """

    def __init__(self, model: Any) -> None:
        self._layer = model.get_output_embeddings()
        self._cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
        self.one_row_doubled = model.device.type == "cpu" and self._two_are_faster()

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """float32 logits [rows, vocabulary] of hidden states [rows, size]."""
        if len(hidden) == 1 and self.one_row_doubled:
            logits = self._doubled(hidden)
        else:
            logits = self._layer(hidden)
        return (self._cap * torch.tanh(logits / self._cap) if self._cap else logits).float()

    def _doubled(self, hidden: torch.Tensor) -> torch.Tensor:
        """The logits of one row, computed as if there were two."""
        twice = hidden.expand(2, -1).contiguous()
        logits = torch.mm(self._layer.weight, twice.t())[:, :1].t()
        return logits if self._layer.bias is None else logits + self._layer.bias

    @torch.inference_mode()
    def _two_are_faster(self) -> bool:
        row = torch.ones(1, self._layer.weight.shape[1], dtype=self._layer.weight.dtype)
        return _seconds(self._doubled, row) < _seconds(self._layer, row)


def _seconds(layer: Rows, row: torch.Tensor) -> float:
    """The shortest of some calls."""
    times = []
    for _ in range(PROBES):
        start = time.perf_counter()
        layer(row)
        times.append(time.perf_counter() - start)
    return min(times)


def row_statistics(
    logits: torch.Tensor, targets: torch.Tensor, top_n: int
) -> tuple[torch.Tensor, ...]:
    """The columns of a ScoredText for each row of logits, which are overwritten.

    Entropy as log z − Σ e·(l − max) / z with e = exp(l − max), which keeps small values exact.
    """
    at_target = logits.gather(1, targets[:, None])
    equal_before = (logits == at_target) & (
        torch.arange(logits.shape[1], device=logits.device) < targets[:, None]
    )
    ranks = 1 + (logits > at_target).sum(1) + equal_before.sum(1)
    logsumexp = torch.logsumexp(logits, dim=1, keepdim=True)
    values, ids = _top(logits, top_n)
    shifted = logits.sub_(logits.amax(1, keepdim=True))
    weights = shifted.exp()
    z = weights.sum(1)
    entropies = (z.log() - torch.linalg.vecdot(weights, shifted) / z) / LN2
    rest = weights.scatter_(1, ids, 0.0).sum(1) / z
    return (at_target - logsumexp)[:, 0], ranks, entropies, ids, values - logsumexp, rest


def _top(logits: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The n largest of each row and their ids, equal ones by lowest id."""
    values, ids = logits.topk(min(n + SPARE_CANDIDATES, logits.shape[1]), dim=1)
    ids, by_id = ids.sort(dim=1)
    values, by_value = values.gather(1, by_id).sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, by_value)
    # a tie that goes on past the spare ones (bfloat16 has many) needs the whole row
    for row in torch.nonzero(values[:, n - 1] == values[:, -1])[:, 0]:
        values[row], ids[row] = (
            part[: ids.shape[1]] for part in logits[row].sort(descending=True, stable=True)
        )
    return values[:, :n], ids[:, :n]

"""From hidden states to logits, and from rows of logits to the statistics of scored tokens.

Knows nothing of caches or documents. All statistics are float32 over the whole vocabulary.
"""

from typing import Any

import numpy as np
import torch

from core.tokens import LN2

SPARE_CANDIDATES = 8  # taken beyond top_n so that ties at its edge go to the lowest id


class OutputLayer:
    """The output layer of a model by itself; rows in, float32 logits out.

    ``scale``, ``softcap``: what Granite or Cohere, and Gemma, do to the layer's products.
    ``tied``: its rows, ``vocab_size`` of them, are also the input embeddings.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        self.layer = model.get_output_embeddings()
        self.vocab_size = int(self.layer.weight.shape[0])
        self.scale = _scale(config)
        self.softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self.tied: bool = self.layer.weight is model.get_input_embeddings().weight

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """float32 logits [rows, vocabulary] of hidden states [rows, size]."""
        logits: torch.Tensor = self.layer(hidden)
        if self.scale is not None:
            logits = logits * self.scale
        if self.softcap is not None:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return logits.float()


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

    Entropy as log z − Σ e·(l − max) / z with e = exp(l − max), which keeps small values exact;
    the rest's mass is a sum of its own, not 1 less the others.
    """
    at_target = logits.gather(1, targets[:, None])
    ranks = _ranks(logits, targets, at_target)
    values, ids = _top(logits, top_n)
    highest = logits.amax(1, keepdim=True)
    of_top = values - highest
    top_weights = of_top.exp()
    shifted = logits.sub_(highest)
    weights = shifted.exp().scatter_(1, ids, 0.0)
    rest = weights.sum(1)
    z = rest + top_weights.sum(1)
    moment = torch.linalg.vecdot(weights, shifted) + torch.linalg.vecdot(top_weights, of_top)
    entropies = (z.log() - moment / z) / LN2
    log_z = highest + z.log()[:, None]
    return (at_target - log_z)[:, 0], ranks, entropies, ids, values - log_z, rest / z


def _ranks(logits: torch.Tensor, targets: torch.Tensor, at_target: torch.Tensor) -> torch.Tensor:
    """1 + how many of each row come before its target: larger, or equal with a lower id."""
    n_larger, n_as_large = _count(logits > at_target), _count(logits >= at_target)
    ranks = 1 + n_larger
    for row in torch.nonzero(n_as_large - n_larger > 1)[:, 0]:
        ranks[row] += (logits[row, : targets[row]] == at_target[row]).sum()
    return ranks


def _count(marked: torch.Tensor) -> torch.Tensor:
    """How many of each row are true; numpy counts ten times as fast as torch on a CPU."""
    if marked.device.type != "cpu":
        return marked.sum(1)
    return torch.from_numpy(np.count_nonzero(marked.numpy(), axis=1))


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

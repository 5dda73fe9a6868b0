"""From hidden states to logits, and from rows of logits to the statistics of scored tokens.

Knows nothing of caches or documents. All statistics are float32 over the whole vocabulary.
"""

from typing import Any

import torch

from core.tokens import LN2

SPARE_CANDIDATES = 8  # taken beyond top_n so that ties at its edge go to the lowest id


class OutputLayer:
    """The output layer of a model by itself; rows in, float32 logits out.

    ``scale``, ``softcap``: what Granite or Cohere, and Gemma, do to the layer's products.
    ``tied``: its rows are also the input embeddings.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        self.layer = model.get_output_embeddings()
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

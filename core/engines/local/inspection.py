"""What is inside a model at the end of a document, as plain float32 arrays.

Knows nothing of documents or of how the hidden state was computed.
"""

import numpy as np
import torch

from core.engines.local.output_layer import OutputLayer
from core.errors import InputError
from core.inside import Inside
from core.tokens import Ids

TOLERANCE = {torch.float32: 1e-2}  # between the model's logits and h · e; others round more
ROUNDED = 1.0


@torch.inference_mode()
def looked_inside(
    output: OutputLayer, hidden: torch.Tensor, logits: torch.Tensor, token_ids: Ids
) -> Inside:
    """The Inside of a hidden state [size] with the logits [vocabulary] the model made of it.

    Raises InputError where the output layer gives other logits: the model has a step between
    that is not known here.
    """
    layer, ids = output.layer, torch.tensor(list(token_ids), dtype=torch.long)
    if layer.weight.is_meta:  # offloaded by accelerate, piece by piece
        raise InputError("This model's output layer is not in memory, so it can't be shown.")
    bias = getattr(layer, "bias", None)
    found = Inside(
        hidden=_plain(hidden),
        rows=_plain(layer.weight[ids.to(layer.weight.device)]),
        logits=_plain(logits[ids.to(logits.device)]),
        log_sum_exp=float(torch.logsumexp(logits.float(), dim=-1)),
        bias=None if bias is None else _plain(bias[ids.to(bias.device)]),
        scale=output.scale,
        softcap=output.softcap,
        tied=output.tied,
        dtype=str(layer.weight.dtype).removeprefix("torch."),
    )
    tolerance = TOLERANCE.get(layer.weight.dtype, ROUNDED)
    if not np.allclose(found.computed, found.logits, rtol=0, atol=tolerance):
        raise InputError(
            "This model makes its logits in another way than h · e, so its inside is not shown. "
            "Try another model."
        )
    return found


def _plain(values: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return values.float().cpu().numpy().copy()

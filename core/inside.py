"""The classifier inside a language model: one vector, a row for each token, their products.

Plain arrays, and how to ask an engine for them. The five verbs of ``Engine`` do without:
the weakest engine has no vector to show. Knows nothing of torch or pages.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.errors import InputError
from core.tokens import Floats, Ids


@dataclass(frozen=True, eq=False)
class Inside:
    """How the logits of some tokens after a document come about.

    ``hidden`` float32 [size]: the context vector at the document's end, after the final norm.
    ``rows`` float32 [k, size]: the rows of those tokens in the output layer; ``tied``: a row is
    also the token's input embedding. ``bias`` float32 [k] where the layer has one. ``logits``
    float32 [k]: as the model gave them, softmax over the whole vocabulary is
    e^(logit − ``log_sum_exp``). ``softcap``, ``scale``: what is done to the products, in
    ``logits_of``. ``dtype``: what the model computed in.
    """

    hidden: Floats
    rows: Floats
    logits: Floats
    log_sum_exp: float
    bias: Floats | None
    scale: float | None
    softcap: float | None
    tied: bool
    dtype: str

    def __post_init__(self) -> None:
        for values in (self.hidden, self.rows, self.logits):
            values.setflags(write=False)

    @property
    def products(self) -> Floats:
        """h · e of each token, float32 [k]."""
        return (self.rows @ self.hidden).astype(np.float32)

    @property
    def computed(self) -> Floats:
        """The logits as h · e gives them in float32, [k]: plus bias, times scale, soft cap."""
        logits = self.products if self.bias is None else self.products + self.bias
        logits = logits if self.scale is None else logits * np.float32(self.scale)
        if self.softcap is None:
            return logits
        cap = np.float32(self.softcap)
        return np.asarray(cap * np.tanh(logits / cap), dtype=np.float32)

    @property
    def logprobs(self) -> Floats:
        """Natural log-probabilities, float32 [k]: logit − log-sum-exp."""
        return self.logits - np.float32(self.log_sum_exp)

    @property
    def hidden_norm(self) -> float:
        """The length of the context vector."""
        return float(np.linalg.norm(self.hidden))

    @property
    def row_norms(self) -> Floats:
        """The length of each row, float32 [k]."""
        return np.asarray(np.linalg.norm(self.rows, axis=1), dtype=np.float32)


class LooksInside(Protocol):
    """What an engine has beside its five verbs if it holds the model itself."""

    def inside(self, ids: Ids, token_ids: Ids) -> Inside:
        """The context vector after ``ids`` and the output rows of ``token_ids``.

        Raises NoPrediction for an empty document, ContextTooLong, and InputError for a model
        whose logits are made in another way. Safe to call from many threads.
        """


def look_inside(engine: object, ids: Ids, token_ids: Ids) -> Inside:
    """What ``engine`` shows of its inside; raises InputError where it shows nothing."""
    found: LooksInside | None = engine if hasattr(engine, "inside") else None
    if found is None:
        raise InputError(
            "This engine does not show what is inside the model. "
            "Run Token Lab with a model in its own process, such as SmolLM2 or Gemma."
        )
    return found.inside(ids, token_ids)

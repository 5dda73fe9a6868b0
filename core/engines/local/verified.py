"""The fastest way through a model that gives what the plain forward gives.

Each way is tried on a small document and a fork of it before it is trusted. Knows nothing
of who asks for passes.
"""

import logging
from collections.abc import Sequence
from typing import Any

import torch

from core.engines.local.few_rows import quicken
from core.engines.local.lean import LeanBody
from core.engines.local.output_layer import OutputLayer
from core.engines.local.packed import PackedModel, Pause
from core.engines.local.prefix_tree import Node, PrefixTree

log = logging.getLogger("token_lab")
N_TRIAL, N_FORKED = 6, 2
EXACT, ROUNDED = 1e-2, 0.5  # logits may differ by: at most in float32, else on average


class WholeModel:
    """A model of another make: every document through the plain forward, nothing kept."""

    in_pieces = False

    def __init__(self, model: Any) -> None:
        self.output = OutputLayer(model)
        self._model = model

    def with_slots(self, n_slots: int) -> "WholeModel":
        """Itself: it keeps nothing."""
        return self

    @torch.inference_mode()
    def compute(
        self, paths: Sequence[Sequence[Node]], wanted: Sequence[Node], pause: Pause | None = None
    ) -> torch.Tensor:
        """Logits [wanted, vocabulary]; see PackedModel."""
        row_of: dict[Node, torch.Tensor] = {}
        for path in paths:
            ends = [
                node for node in wanted if node.depth <= len(path) and path[node.depth - 1] is node
            ]
            ids = torch.tensor([[node.token for node in path]], device=self._model.device)
            kept = torch.tensor([node.depth - 1 for node in ends], device=self._model.device)
            rows = self._model(ids, logits_to_keep=kept, use_cache=False).logits[0]
            row_of.update(zip(ends, rows, strict=True))
            for node in path:
                node.ready = True
        return torch.stack([row_of[node] for node in wanted])

    @torch.inference_mode()
    def at_end(
        self, path: Sequence[Node], pause: Pause | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(hidden state [size], float32 logits [vocabulary]); see PackedModel."""
        ids = torch.tensor([[node.token for node in path]], device=self._model.device)
        given = self._model(ids, logits_to_keep=1, use_cache=False, output_hidden_states=True)
        return given.hidden_states[-1][0, -1], given.logits[0, -1].float()

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows are logits already."""
        return rows.float()


def open_model(model: Any) -> PackedModel | WholeModel:
    """The fastest way through a model that gives what the plain forward gives.

    The model's own layers may become views of weights that are joined here.
    """
    way = way_through(model)
    return _with_lean(way, model) if isinstance(way, PackedModel) else way


def way_through(model: Any) -> PackedModel | WholeModel:
    """The same through transformers' own layers, without a change to the model."""
    try:
        packed = PackedModel(model)
        if _agree(packed, model):
            return packed
    except Exception:
        log.exception("This model can't be computed in packed passes")
    log.warning("This model is computed without a prefix cache: every click takes a whole pass.")
    return WholeModel(model)


def _with_lean(packed: PackedModel, model: Any) -> PackedModel:
    """The same with few operations for few tokens, where the model is of a known kind."""
    try:
        lean = LeanBody(model.get_decoder())
        if model.device.type == "cpu":
            quicken([*lean.linears, packed.output.layer])
        quick = PackedModel(model, lean)
        if _agree(quick, model):
            return quick
    except Exception as error:  # whatever a model of another make lacks or refuses
        log.info("Short passes take transformers' own layers: %s", error)
    return packed


@torch.inference_mode()
def _agree(packed: PackedModel, model: Any) -> bool:
    """Whether a document and a fork of it get the plain forward's logits, up to rounding."""
    n_tokens = model.config.get_text_config().vocab_size
    # ordinary tokens: the first ids are often marks, whose hidden states are extreme
    ids = tuple(n_tokens * k // (N_TRIAL + 3) for k in range(1, N_TRIAL + 3))
    trial, fork, longer = ids[:N_TRIAL], (*ids[: N_TRIAL - N_FORKED], *ids[-N_FORKED:]), ids[:-1]
    n_slots = 4 * len(ids)
    packed, tree = packed.with_slots(n_slots), PrefixTree(n_slots)
    rows = []
    for documents in ((trial, fork), (longer,)):  # together, then a lone step
        paths = [tree.pin(document) for document in documents]
        rows.append(packed.logits(packed.compute(paths, [path[-1] for path in paths])))
    plain = [
        model(torch.tensor([document], device=model.device)).logits[0, -1].float()
        for document in (trial, fork, longer)
    ]
    apart = (torch.cat(rows) - torch.stack(plain)).abs()
    exact = model.dtype == torch.float32
    return bool(apart.max() <= EXACT if exact else apart.mean() <= ROUNDED)

"""The fastest way through a model that gives what the plain forward gives.

Each way is tried on a small document and a fork of it before it is trusted. Knows nothing
of who asks for passes.
"""

import logging
from collections.abc import Sequence
from typing import Any

import torch

from core.engines.local.fast_products import quicken
from core.engines.local.lean import LeanBody
from core.engines.local.output_layer import LOGITS_ROWS, OutputLayer
from core.engines.local.packed import LEAN_TOKENS, PackedModel, Pause
from core.engines.local.prefix_tree import Node, PrefixTree
from core.engines.local.recorded_steps import as_cuda_graph

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

    def logits(
        self, rows: torch.Tensor, pause: Pause | None = None, room: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The rows are logits already."""
        return rows.float()


def open_model(model: Any) -> PackedModel | WholeModel:
    """The fastest way through a model that gives what the plain forward gives.

    The model's own layers may become views of weights that are joined here.
    """
    trial = _Trial(model)
    way = _packed_or_whole(model, trial)
    return _with_few_operations(way, model, trial) if isinstance(way, PackedModel) else way


def way_through(model: Any) -> PackedModel | WholeModel:
    """The same through transformers' own layers, without a change to the model."""
    return _packed_or_whole(model, _Trial(model))


def _packed_or_whole(model: Any, trial: "_Trial") -> PackedModel | WholeModel:
    try:
        packed = PackedModel(model)
        if trial.agrees(packed):
            return packed
    except Exception:
        log.exception("This model can't be computed in packed passes")
    log.warning("This model is computed without a prefix cache: every click takes a whole pass.")
    return WholeModel(model)


def _with_few_operations(packed: PackedModel, model: Any, trial: "_Trial") -> PackedModel:
    """The same, faster for few tokens: fewer operations where the model is of a known kind, and
    on a CPU every linear layer the way a probe found fastest."""
    lean = _lean_body(model, trial)
    quick = PackedModel(model, lean) if lean else packed
    if model.device.type == "cpu":
        own = [part for part in model.get_decoder().modules() if type(part) is torch.nn.Linear]
        quicken(lean.linears if lean else own, LEAN_TOKENS)
        quicken(quick.output.pieces, LOGITS_ROWS)
    elif lean and model.device.type == "cuda":
        return _with_recorded_steps(quick, model, lean, trial)
    return quick


def _with_recorded_steps(
    quick: PackedModel, model: Any, lean: LeanBody, trial: "_Trial"
) -> PackedModel:
    """The same with lone steps as CUDA graphs, where those give the same numbers."""
    try:
        recorded = PackedModel(model, lean, as_cuda_graph)
        if trial.agrees(recorded):
            return recorded
    except Exception as error:  # what can be in a graph depends on the GPU and its libraries
        log.info("Steps are sent to the GPU operation by operation: %s", error)
    return quick


def _lean_body(model: Any, trial: "_Trial") -> LeanBody | None:
    """The body in few operations, where it is of a known kind and gives the same numbers."""
    try:
        lean = LeanBody(model.get_decoder())
        if trial.agrees(PackedModel(model, lean)):
            return lean
    except Exception as error:  # whatever a model of another make lacks or refuses
        log.info("Short passes take transformers' own layers: %s", error)
    return None


class _Trial:
    """A small document, a fork of it and a longer step, with the plain forward's logits."""

    @torch.inference_mode()
    def __init__(self, model: Any) -> None:
        n_tokens = model.config.get_text_config().vocab_size
        # ordinary tokens: the first ids are often marks, whose hidden states are extreme
        ids = tuple(n_tokens * k // (N_TRIAL + 3) for k in range(1, N_TRIAL + 3))
        fork = (*ids[: N_TRIAL - N_FORKED], *ids[-N_FORKED:])
        self._documents = (ids[:N_TRIAL], fork, ids[:-1])
        self._exact = model.dtype == torch.float32
        plain = [
            model(torch.tensor([document], device=model.device)).logits[0, -1].float()
            for document in self._documents
        ]
        self._plain = torch.stack(plain)

    @torch.inference_mode()
    def agrees(self, packed: PackedModel) -> bool:
        """Whether the documents get the plain forward's logits, up to rounding."""
        trial, fork, longer = self._documents
        n_slots = 4 * (len(longer) + 1)
        packed, tree = packed.with_slots(n_slots), PrefixTree(n_slots)
        rows = []
        for documents in ((trial, fork), (longer,)):  # together, then a lone step
            paths = [tree.pin(document) for document in documents]
            rows.append(packed.logits(packed.compute(paths, [path[-1] for path in paths])))
        apart = (torch.cat(rows) - self._plain).abs()
        return bool(apart.max() <= EXACT if self._exact else apart.mean() <= ROUNDED)

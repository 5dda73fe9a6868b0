"""One forward pass over the new tokens of many documents, each looking at its own past only.

New tokens stand packed in one row; a mask lets every token see its ancestors in the
prefix tree. So a fork costs one token, ten candidates share their prefix, and documents
of any length go together without padding. Knows nothing of who asked or of what is
made of the result.
"""

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.local.arena import Arena, PassCache, as_slots
from core.engines.local.lean import LeanBody
from core.engines.local.output_layer import OutputLayer
from core.engines.local.prefix_tree import Node
from core.engines.local.recorded_steps import Record, RecordedSteps

Pause = Callable[[], None]
FULL, SLIDING = "full_attention", "sliding_attention"
LEAN_TOKENS = 64  # new ones; a longer pass goes through transformers' own layers, bit for bit
APART = 3  # times the work that a mask over all columns may cost before rows stand apart


class PackedModel:
    """A causal language model that computes nodes of a prefix tree.

    ``logits`` makes float32 logits [rows, vocabulary] of the rows ``compute`` returns;
    ``output`` is the output layer; ``lean`` computes passes of few tokens, if there is one, and
    ``record`` makes recordings of its lone steps.
    ``pause`` of a pass is called before each layer: what it does there (let urgent work
    through, or raise to end the pass) does not change the pass's numbers.
    """

    in_pieces = True  # a long document may be computed piece by piece

    def __init__(
        self, model: Any, lean: LeanBody | None = None, record: Record | None = None
    ) -> None:
        config = model.config.get_text_config()
        self.logits = self.output = OutputLayer(model)
        self._lean, self._record = lean, record
        self._steps: RecordedSteps | None = None
        self._body = model.get_decoder()
        self._arena = Arena(0)
        self._dtype, self._device = model.dtype, model.device
        self._innermost: Pause | None = None
        self._window = getattr(config, "sliding_window", None)
        types = getattr(config, "layer_types", None)
        self._one_mask = types is None or set(types) == {FULL}
        self._types = sorted(set(types or [SLIDING if self._window else FULL]))
        if not set(self._types) <= {FULL, SLIDING}:
            raise NotImplementedError(f"layers of other kinds than these: {self._types}")

    def with_slots(self, n_slots: int) -> "PackedModel":
        """The same model with an arena of its own, for a tree of ``n_slots``."""
        other = copy.copy(self)
        other._arena = Arena(n_slots)
        if self._lean is not None and self._record is not None:
            windows = {k: self._window if k == SLIDING else None for k in self._types}
            like = torch.empty(0, dtype=self._dtype, device=self._device)
            other._steps = RecordedSteps(self._lean, other._arena, windows, like, self._record)
        return other

    @torch.inference_mode()
    def compute(
        self, paths: Sequence[Sequence[Node]], wanted: Sequence[Node], pause: Pause | None = None
    ) -> torch.Tensor:
        """The last hidden states [wanted, size]; every node of every path is ready afterwards.

        A path leads from a document's first node to where this pass ends in it. ``wanted``
        nodes are on the paths and are computed again if they were ready.
        """
        columns = list(dict.fromkeys(node for path in paths for node in path))
        again = set(wanted)
        new = [node for node in columns if not node.ready or node in again]
        for node in new:
            node.under_way = True
        try:
            if self._steps is not None and _is_step(new, paths):
                hidden = self._steps(new[0].token, [node.slot for node in columns], pause)
            elif self._is_plain(new, columns, paths):
                hidden = self._forward_plain(new, pause)
            elif _is_apart(new, columns, paths):
                hidden = self._forward_side_by_side(new, paths, pause)
            else:
                hidden = self._forward(new, columns, _ancestry(new, columns, paths), pause)
        finally:
            for node in new:
                node.under_way = False
        for node in new:
            node.ready = True
        row_of = {node: row for row, node in enumerate(new)}
        return hidden[[row_of[node] for node in wanted]]

    @torch.inference_mode()
    def at_end(
        self, path: Sequence[Node], pause: Pause | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(hidden state [size] after the final norm, float32 logits [vocabulary]) of a document."""
        rows = self.compute([path], path[-1:], pause)
        return rows[0], self.logits(rows)[0]

    def _is_plain(
        self, new: list[Node], columns: list[Node], paths: Sequence[Sequence[Node]]
    ) -> bool:
        """Whether this is one long document from its beginning: a pass as the model knows it."""
        is_whole = len(paths) == 1 and len(new) == len(columns)
        return is_whole and (self._lean is None or len(new) > LEAN_TOKENS)

    def _forward_plain(self, new: list[Node], pause: Pause | None) -> torch.Tensor:
        """Hidden states [new, size] under the model's own masks, which it knows to be causal."""
        slots = as_slots([node.slot for node in new], self._device)
        return self._through_body(new, np.arange(len(new))[None], slots, None, pause)[0]

    def _forward(
        self, new: list[Node], columns: list[Node], seen: NDArray[np.bool_], pause: Pause | None
    ) -> torch.Tensor:
        """Hidden states [new, size] of a pass whose tokens see the columns in ``seen``."""
        depths = np.array([node.depth for node in new]) - 1
        columns_depths = np.array([node.depth for node in columns]) - 1
        masks = self._masks(seen, depths[:, None] - columns_depths)
        read = as_slots([node.slot for node in columns], self._device)
        return self._through_body(new, depths[None], read, masks, pause)[0]

    def _forward_side_by_side(
        self, new: list[Node], paths: Sequence[Sequence[Node]], pause: Pause | None
    ) -> torch.Tensor:
        """Hidden states [new, size] of one new token for each path, every path in a row of its own.

        Shorter paths are filled up with a place of their own that is not looked at again.
        """
        lengths = np.array([len(path) for path in paths])
        places = np.arange(lengths.max())
        slots = np.array([[path[0].slot] * len(places) for path in paths])
        for row, path in enumerate(paths):
            slots[row, : len(path)] = [node.slot for node in path]
        depths = lengths[:, None] - 1
        masks = self._masks(places < lengths[:, None], depths - places, side_by_side=True)
        read = torch.from_numpy(slots).to(self._device)
        return self._through_body(new, depths, read, masks, pause)[:, 0]

    def _through_body(
        self, new: list[Node], positions: Any, read: Any, masks: Any, pause: Pause | None
    ) -> torch.Tensor:
        """Hidden states, in rows as ``positions`` has them."""
        ids = np.array([node.token for node in new]).reshape(positions.shape)
        tokens = torch.as_tensor(ids, device=self._device)
        places = torch.as_tensor(positions, device=self._device)
        write = as_slots([node.slot for node in new], self._device)
        cache = PassCache(self._arena, write, read)
        if self._lean is not None and len(new) <= LEAN_TOKENS:
            return self._lean(tokens, places, masks, cache, pause)
        with self._pausing(pause):
            output = self._body(
                input_ids=tokens,
                position_ids=places,
                attention_mask=masks,
                past_key_values=cache,
                use_cache=True,
            )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _masks(self, seen: NDArray[np.bool_], distances: Any, *, side_by_side: bool = False) -> Any:
        """The mask of each kind of layer, or the only one; None for a lone row that sees all."""
        allowed = {
            kind: seen & (distances < self._window) if kind == SLIDING else seen
            for kind in self._types
        }
        if len(seen) == 1 and all(mask.all() for mask in allowed.values()):
            return None
        masks = {
            kind: self._additive(mask[:, None, None] if side_by_side else mask[None, None])
            for kind, mask in allowed.items()
        }
        return masks[self._types[0]] if self._one_mask else masks

    def _additive(self, allowed: NDArray[np.bool_]) -> torch.Tensor:
        """What is added to attention scores: 0 where a token may look, else the lowest number."""
        blocked = ~torch.from_numpy(allowed)
        added = torch.zeros(allowed.shape, dtype=self._dtype)
        return added.masked_fill_(blocked, torch.finfo(self._dtype).min).to(self._device)

    @contextmanager
    def _pausing(self, pause: Pause | None) -> Iterator[None]:
        """Have ``pause`` called before each layer of the pass in the block.

        Not before those of a pass inside it: they are the same layers, with hooks of both.
        """
        layers = getattr(self._body, "layers", ()) if pause is not None else ()
        outer, self._innermost = self._innermost, pause
        owner = threading.get_ident()

        def before_layer(*_: Any) -> None:
            mine = self._innermost is pause and threading.get_ident() == owner
            if pause is not None and mine:
                pause()

        handles = [layer.register_forward_pre_hook(before_layer) for layer in layers]
        try:
            yield
        finally:
            self._innermost = outer
            for handle in handles:
                handle.remove()


def _is_step(new: list[Node], paths: Sequence[Sequence[Node]]) -> bool:
    """Whether this is one more token after a document that is there."""
    return len(paths) == 1 < len(paths[0]) and new == [paths[0][-1]]


def _is_apart(new: list[Node], columns: list[Node], paths: Sequence[Sequence[Node]]) -> bool:
    """Whether every path has one new token, its last, and the paths share little.

    Then rows of their own cost less than one row with a mask over all columns.
    """
    if len(new) != len(paths) or [path[-1] for path in paths] != new:
        return False
    n_places = len(paths) * max(map(len, paths))
    return len(new) > 1 and len(new) * len(columns) > APART * n_places


def _ancestry(
    new: list[Node], columns: list[Node], paths: Sequence[Sequence[Node]]
) -> NDArray[np.bool_]:
    """Which columns each new node sees, [new, columns]: its document up to itself."""
    row_of = {node: row for row, node in enumerate(new)}
    column_of = {node: column for column, node in enumerate(columns)}
    seen = np.zeros((len(new), len(columns)), dtype=np.bool_)
    for path in paths:
        mine = [node for node in path if node in row_of]
        depths = np.array([node.depth for node in mine])
        rows, at = [row_of[node] for node in mine], [column_of[node] for node in path]
        seen[np.ix_(rows, at)] = np.arange(len(path)) < depths[:, None]
    return seen

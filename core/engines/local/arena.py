"""Keys and values of every computed token, one slot each, in one block of memory per layer.

A transformers Cache shows one pass its part of the arena: where its new tokens go and
which slots they look at. Knows nothing of documents or of what a slot stands for.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache

Slots = torch.Tensor | slice


class Arena:
    """At most ``n_slots`` tokens' keys and values, [slots, heads, size] for each layer.

    What a token has in a layer stands together, so that it is copied in one go. A block is made
    when its layer first writes; memory is taken as slots are written, and never given back.
    """

    def __init__(self, n_slots: int) -> None:
        self.n_slots = n_slots
        self._blocks: dict[tuple[int, bool], torch.Tensor] = {}

    @property
    def n_bytes(self) -> int:
        """Memory of all blocks when every slot has been written."""
        return sum(block.nbytes for block in self._blocks.values())

    def exchange(self, key: tuple[int, bool], new: torch.Tensor, write: Slots, read: Slots) -> Any:
        """Keep new rows at ``write`` and return those at ``read``.

        One row of tokens, [1, heads, tokens, size]; or, with ``read`` [rows, places], a token
        in each row, [rows, heads, 1, size], which gets the keys or values of its own places.
        """
        block = self._blocks.get(key)
        if block is None:
            shape = (self.n_slots, new.shape[1], new.shape[3])
            block = self._blocks[key] = torch.empty(shape, dtype=new.dtype, device=new.device)
        block[write] = new.transpose(1, 2).reshape(-1, *block.shape[1:])
        if isinstance(read, slice):
            return block[read].transpose(0, 1)[None]
        rows = read.reshape(-1, read.shape[-1])
        found = block.index_select(0, read.flatten())
        return found.view(*rows.shape, *block.shape[1:]).transpose(1, 2)


class PassCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """What one forward pass sees of an arena."""

    def __init__(self, arena: Arena, write: Slots, read: Slots) -> None:
        super().__init__(layers=[])
        self._arena, self._write, self._read = arena, write, read

    def update(
        self, key_states: Any, value_states: Any, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Any, Any]:
        """Keep a layer's new keys and values; return those to attend to."""
        exchange, write, read = self._arena.exchange, self._write, self._read
        return (
            exchange((layer_idx, True), key_states, write, read),
            exchange((layer_idx, False), value_states, write, read),
        )

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """0: positions come with every pass and are never counted from the cache."""
        return 0

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """0: only a pass over a whole document has the model make its masks."""
        return 0

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """(columns, the first one) of such a pass: its own tokens."""
        return query_length, 0


def as_slots(slots: Sequence[int], device: Any) -> Slots:
    """Slots as a slice where they follow each other, so that nothing is copied."""
    first, n = slots[0], len(slots)
    if list(slots) == list(range(first, first + n)):
        return slice(first, first + n)
    return torch.tensor(slots, device=device)

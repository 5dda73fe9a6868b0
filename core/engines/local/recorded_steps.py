"""Lone steps on a GPU, recorded once and sent again in one go.

A step of a small model is a few hundred short operations, and a GPU waits longer for each
than it takes. A CUDA graph of them has no such waits, but all it reads and writes must stay
where it was recorded: so the token, its place and the slots it looks at are written into
tensors of fixed sizes, and places that are not there are masked. Knows nothing of documents.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from core.engines.local.arena import Arena, PassCache
from core.engines.local.lean import LeanBody, Pause

Work = Callable[[], torch.Tensor]
Record = Callable[[Work], Work]
FEWEST_PLACES = 64  # looked at by the shortest recording; each next one has twice as many
WARM_UPS = 3  # runs of what is recorded, in which libraries prepare themselves


def as_cuda_graph(work: Work) -> Work:
    """What ``work`` sends to the GPU as one graph; its result is the same tensor every time."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = work()

    def replay() -> torch.Tensor:
        graph.replay()
        return result

    return replay


class RecordedSteps:
    """One token through a body, by a recording for each power of two of places looked at.

    ``windows``: how many places each kind of layer sees, None for all. ``like``: a tensor of the
    model's type and device. ``record`` makes a recording of some work, on a GPU
    ``as_cuda_graph``.
    """

    def __init__(
        self,
        body: LeanBody,
        arena: Arena,
        windows: Mapping[Any, int | None],
        like: torch.Tensor,
        record: Record,
    ) -> None:
        self._body, self._arena, self._windows = body, arena, windows
        self._like, self._record = like, record
        self._recorded: dict[int, tuple[_Given, Work]] = {}

    def __call__(self, token: int, slots: Sequence[int], pause: Pause | None) -> torch.Tensor:
        """The last hidden state [1, size] of a token whose document stands in ``slots``.

        Its own slot is the last. ``pause`` is called once, before the step.
        """
        if pause is not None:
            pause()
        n_places = FEWEST_PLACES
        while n_places < len(slots):
            n_places *= 2
        if n_places not in self._recorded:
            self._recorded[n_places] = self._recording(n_places, token, slots)
        given, replay = self._recorded[n_places]
        given.fill(token, slots)
        return replay()[0].clone()

    def _recording(self, n_places: int, token: int, slots: Sequence[int]) -> tuple["_Given", Work]:
        """What a step is given, and a step that reads it: hidden states [1, 1, size]."""
        given = _Given(n_places, self._windows, self._like)
        given.fill(token, slots)  # recording runs it, and it writes to its slot
        cache = PassCache(self._arena, given.numbers[2:], given.read)
        masks = given.masks if len(given.masks) > 1 else next(iter(given.masks.values()))

        def step() -> torch.Tensor:
            ids, positions = given.numbers[None, :1], given.numbers[None, 1:2]
            return self._body(ids, positions, masks, cache, None)

        return given, self._record(step)


class _Given:
    """The tensors that a recording reads: token, position and slot; slots to look at; masks."""

    def __init__(
        self, n_places: int, windows: Mapping[Any, int | None], like: torch.Tensor
    ) -> None:
        self._windows = windows
        self.numbers = torch.zeros(3, dtype=torch.long, device=like.device)
        self.read = self.numbers.new_zeros(n_places)
        self.masks = {kind: like.new_zeros(1, 1, 1, n_places) for kind in windows}

    def fill(self, token: int, slots: Sequence[int]) -> None:
        """Write what one step is about."""
        n, n_places = len(slots), len(self.read)
        self.numbers.copy_(torch.tensor([token, n - 1, slots[-1]]))
        self.read.copy_(torch.tensor([*slots, *[slots[0]] * (n_places - n)]))
        places = torch.arange(n_places)
        for kind, mask in self.masks.items():
            seen = (places < n) & (places >= n - (self._windows[kind] or n))
            blocked = torch.finfo(mask.dtype).min
            mask.copy_(torch.zeros(n_places).masked_fill_(~seen, blocked))

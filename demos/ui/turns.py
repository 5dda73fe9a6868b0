"""Whose result counts when one person acts again before the answer is there.

Events of one session may run side by side. The rule: what was done last counts, and it was
done to what was on the screen; an older result that comes late is dropped, and an older
stream ends. Knows nothing of what the events do.
"""

import inspect
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import gradio as gr

Key = tuple[str | None, int]
MOST_KEYS = 10_000  # sessions times states; the longest unused go first


class Turns:
    """Which event of every session and state was the last. Safe to use from many threads."""

    def __init__(self) -> None:
        self._last: OrderedDict[Key, int] = OrderedDict()
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def begin(self, key: Key) -> tuple[Callable[[], bool], Callable[[], None]]:
        """Say that an event of ``key`` begins: (is it still the last?, it changed nothing)."""
        with self._lock:
            turn, before = next(self._numbers), self._last.get(key)
            self._set(key, turn)

        def hand_back() -> None:
            with self._lock:
                if self._last.get(key) == turn and before is not None:
                    self._set(key, before)

        return lambda: self._last.get(key, turn) == turn, hand_back

    def _set(self, key: Key, turn: int) -> None:
        self._last[key] = turn
        self._last.move_to_end(key)
        if len(self._last) > MOST_KEYS:
            self._last.popitem(last=False)

    def in_turn(
        self, handler: Callable[..., Any], state_id: int, n_outputs: int
    ) -> Callable[..., Any]:
        """``handler(*values)`` for a Gradio event that sets the state ``state_id``.

        One that fails before it has a result changes nothing, and ends nothing either.
        """
        nothing = gr.skip() if n_outputs == 1 else (gr.skip(),) * n_outputs

        def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
            is_last, hand_back = self.begin((request.session_hash, state_id))
            with closing(handler(*values)) as results:
                try:
                    first = next(results, nothing)
                except Exception:
                    hand_back()
                    raise
                for result in itertools.chain([first], results):
                    if not is_last():
                        return
                    yield result

        def call(request: gr.Request, *values: Any) -> Any:
            is_last, hand_back = self.begin((request.session_hash, state_id))
            try:
                result = handler(*values)
            except Exception:
                hand_back()
                raise
            return result if is_last() else nothing

        wrapped = stream if inspect.isgeneratorfunction(handler) else call
        wrapped.__name__ = handler.__name__
        return wrapped

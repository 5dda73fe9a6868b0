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
    """The number of the last event of every session and state. Safe to use from many threads."""

    def __init__(self) -> None:
        self._last: OrderedDict[Key, int] = OrderedDict()
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def begin(self, key: Key) -> Callable[[], bool]:
        """Say that an event of ``key`` begins; returns whether it is still the last one."""
        with self._lock:
            turn = next(self._numbers)
            self._last[key] = turn
            self._last.move_to_end(key)
            if len(self._last) > MOST_KEYS:
                self._last.popitem(last=False)
        return lambda: self._last.get(key, turn) == turn

    def in_turn(
        self, handler: Callable[..., Any], state_id: int, n_outputs: int
    ) -> Callable[..., Any]:
        """``handler(*values)`` for a Gradio event that sets the state ``state_id``."""
        nothing = gr.skip() if n_outputs == 1 else (gr.skip(),) * n_outputs

        def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
            is_last = self.begin((request.session_hash, state_id))
            with closing(handler(*values)) as results:
                for result in results:
                    if not is_last():
                        return
                    yield result

        def call(request: gr.Request, *values: Any) -> Any:
            is_last = self.begin((request.session_hash, state_id))
            result = handler(*values)
            return result if is_last() else nothing

        wrapped = stream if inspect.isgeneratorfunction(handler) else call
        wrapped.__name__ = handler.__name__
        return wrapped

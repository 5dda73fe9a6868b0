"""Whose result counts when one person acts again before the answer is there.

Events of one session may run side by side. The rule: what was done last counts, and it was
done to what was on the screen; an older result that comes late is dropped, and an older
stream ends. What only shows a state is dropped when the state is set meanwhile. Knows
nothing of what the events do.
"""

import inspect
import itertools
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import gradio as gr

Key = tuple[str | None, int]
MOST_KEYS = 10_000  # sessions times states; the longest unused go first


class Turns:
    """Which event of every session and state was the last. Safe to use from many threads."""

    def __init__(self) -> None:
        self._last: OrderedDict[Key, int] = OrderedDict()
        # what the state was set to, for a while before Gradio sets it
        self._values: dict[Key, Any] = {}
        self._under_way: Counter[Key] = Counter()
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def begin(self, key: Key) -> tuple[Callable[[], bool], Callable[[], None]]:
        """Say that an event of ``key`` begins: (is it still the last?, it changed nothing)."""
        with self._lock:
            turn, before = next(self._numbers), self._last.get(key)
            self._set(key, turn)
            self._under_way[key] += 1

        def hand_back() -> None:
            with self._lock:
                if self._last.get(key) == turn and before is not None:
                    self._set(key, before)

        return lambda: self._last.get(key, turn) == turn, hand_back

    def end(self, key: Key) -> None:
        """Say that an event of ``key`` is over, whatever became of it."""
        with self._lock:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]

    def watch(self, key: Key, value: Any) -> Callable[[], bool]:
        """A function: whether ``value``, as Gradio has read it of ``key``, stands, and did now."""
        with self._lock:
            is_old = value is not self._values.get(key, value)
            seen = None if self._under_way[key] or is_old else (self._last.get(key),)
        return lambda: seen == (self._last.get(key),)

    def keep(self, key: Key, result: Any, at: int) -> None:
        """Remember what an event sets the state to: ``result[at]``, or all of a lone result."""
        value = result[at] if isinstance(result, tuple) else result
        with self._lock:
            if not _is_skip(value):
                self._values[key] = value

    def _set(self, key: Key, turn: int) -> None:
        self._last[key] = turn
        self._last.move_to_end(key)
        if len(self._last) > MOST_KEYS:
            forgotten, _ = self._last.popitem(last=False)
            self._values.pop(forgotten, None)

    def in_turn(
        self, handler: Callable[..., Any], state_id: int, n_outputs: int, at: int = 0
    ) -> Callable[..., Any]:
        """``handler(*values)`` for a Gradio event that sets the state ``state_id``, output ``at``.

        One that fails before it has a result changes nothing, and ends nothing either.
        """
        nothing = _nothing(n_outputs)

        def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
            key = (request.session_hash, state_id)
            is_last, hand_back = self.begin(key)
            with self._until_over(key), closing(handler(*values)) as results:
                try:
                    first = next(results, nothing)
                except Exception:
                    hand_back()
                    raise
                for result in itertools.chain([first], results):
                    if not is_last():
                        return
                    self.keep(key, result, at)
                    yield result

        def call(request: gr.Request, *values: Any) -> Any:
            key = (request.session_hash, state_id)
            is_last, hand_back = self.begin(key)
            with self._until_over(key):
                try:
                    result = handler(*values)
                except Exception:
                    hand_back()
                    raise
                if not is_last():
                    return nothing
                self.keep(key, result, at)
                return result

        wrapped = stream if inspect.isgeneratorfunction(handler) else call
        wrapped.__name__ = handler.__name__
        return wrapped

    def following(
        self, handler: Callable[..., Any], state_id: int, n_outputs: int, at: int = 0
    ) -> Callable[..., Any]:
        """``handler(*values)`` for a Gradio event that shows a state, which is its input ``at``."""

        def call(request: gr.Request, *values: Any) -> Any:
            stands = self.watch((request.session_hash, state_id), values[at])
            result = handler(*values)
            return result if stands() else _nothing(n_outputs)

        call.__name__ = handler.__name__
        return call

    @contextmanager
    def _until_over(self, key: Key) -> Iterator[None]:
        try:
            yield
        finally:
            self.end(key)


def _nothing(n_outputs: int) -> Any:
    """What leaves all outputs of an event alone."""
    return gr.skip() if n_outputs == 1 else (gr.skip(),) * n_outputs


def _is_skip(value: Any) -> bool:
    """Whether an output leaves its component alone."""
    return isinstance(value, dict) and value == gr.skip()

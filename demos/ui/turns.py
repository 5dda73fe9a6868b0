"""Whose result counts when one person acts again before the answer is there.

Events of one session may run side by side, and begin in another order than they arrived. The
rule: what was done last counts, and it was done to what was on the screen; an older result
that comes late is dropped, and an older stream ends. So it is for events that set one state,
or show in one place. What only shows a state is dropped when the state is set meanwhile. Knows
nothing of what the events do.
"""

import inspect
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demos.ui.arrivals import number_of

Key = tuple[str | None, int]  # a session, and a state or the place where an event shows
SETTING_SECONDS = 10.0  # in which even a busy Gradio sets what a handler has returned
MOST_KEYS = 50_000  # sessions times what they set; the longest unused go first


@dataclass(eq=False)
class Turn:
    """An event under way that sets ``key``; ``number``: when it arrived.

    ``change`` is the number of the last one that does not give way; ``before``, the event
    that counted before it. Until it is ``answered``, those that give way do.
    """

    key: Key
    number: int
    gives_way: bool
    change: int
    before: "Turn | None"
    answered: bool = False


class Turns:
    """Which event of every session and state was the last. Safe to use from many threads."""

    def __init__(self) -> None:
        self._last: OrderedDict[Key, Turn] = OrderedDict()
        # what the state was set to, for a while before Gradio sets it
        self._values: dict[Key, tuple[Any, float]] = {}
        self._under_way: dict[Key, list[Turn]] = {}
        self._lock = threading.Lock()

    def begin(self, key: Key, number: int, read: tuple[Any, ...] = ()) -> Turn | None:
        """Say that an event of ``key`` begins; None when it has been superseded before.

        ``read``: the state as Gradio has read it, of an event that gives way.
        """
        with self._lock:
            before = self._last.get(key)
            changed = before.change if before else -1
            latest = before.number if before and read else changed
            if number < latest or (read and self._is_awaited(key, read[0])):
                return None
            turn = Turn(key, number, bool(read), changed if read else number, before)
            self._set(key, turn)
            self._under_way.setdefault(key, []).append(turn)
        return turn

    def is_last(self, turn: Turn) -> bool:
        """Whether no later event has begun."""
        return self._last.get(turn.key, turn) is turn

    def hand_back(self, turn: Turn) -> None:
        """Say that an event changed nothing: the one before it counts again."""
        with self._lock:
            if self._last.get(turn.key) is turn and turn.before is not None:
                self._set(turn.key, turn.before)

    def end(self, turn: Turn) -> None:
        """Say that an event is over, whatever became of it."""
        with self._lock:
            turn.before = None  # or each would hold all before it
            self._under_way[turn.key].remove(turn)
            if not self._under_way[turn.key]:
                del self._under_way[turn.key]

    def watch(self, key: Key, value: Any) -> Callable[[], bool]:
        """A function: whether ``value``, as Gradio has read it of ``key``, stands, and did now."""
        with self._lock:
            under_way = any(map(self.is_last, self._under_way.get(key, ())))
            is_old = under_way or self._is_old(key, value)
            seen = None if is_old else (self._last.get(key),)
        return lambda: seen == (self._last.get(key),)

    def keep(self, turn: Turn, result: Any, at: int | None) -> None:
        """Remember what an event sets the state to: ``result[at]``, or all of a lone result.

        Nothing where ``at`` is None.
        """
        with self._lock:
            turn.answered = True
            if at is None:
                return
            value = result[at] if isinstance(result, tuple) else result
            if not _is_skip(value):
                self._values[turn.key] = value, time.monotonic()

    def _is_awaited(self, key: Key, value: Any) -> bool:
        """Whether what an event is about to change, or has just changed, is not on the page yet."""
        known = [turn for turn in self._under_way.get(key, ()) if self.is_last(turn)]
        if known:
            return not (known[0].answered or known[0].gives_way)
        return self._is_old(key, value)

    def _is_old(self, key: Key, value: Any) -> bool:
        """Whether Gradio has read a value that it is about to replace."""
        kept, at = self._values.get(key, (value, 0.0))
        return value is not kept and time.monotonic() - at < SETTING_SECONDS

    def _set(self, key: Key, turn: Turn) -> None:
        self._last[key] = turn
        self._last.move_to_end(key)
        if len(self._last) > MOST_KEYS:
            forgotten, _ = self._last.popitem(last=False)
            self._values.pop(forgotten, None)

    def in_turn(
        self,
        handler: Callable[..., Any],
        sets: int,
        n_outputs: int,
        at: int | None = 0,
        gives_way: int | None = None,
    ) -> Callable[..., Any]:
        """``handler(*values)`` for a Gradio event that ``sets`` a state, its output ``at``.

        Or, with None for ``at``, something that nobody reads back.
        One that fails before it has a result changes nothing, and ends nothing either. One
        that ``gives_way``, with the state as its input there, is dropped while another's
        first result is awaited.
        """
        nothing = _nothing(n_outputs)

        def begun(request: gr.Request, values: tuple[Any, ...]) -> Turn | None:
            key, read = (request.session_hash, sets), _read(values, gives_way)
            return self.begin(key, number_of(request), read)

        def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
            turn = begun(request, values)
            yield from self._streamed(turn, handler(*values), nothing, at) if turn else [nothing]

        def call(request: gr.Request, *values: Any) -> Any:
            turn = begun(request, values)
            return self._called(turn, lambda: handler(*values), nothing, at) if turn else nothing

        wrapped = stream if inspect.isgeneratorfunction(handler) else call
        wrapped.__name__ = handler.__name__
        return wrapped

    def _streamed(self, turn: Turn, results: Any, nothing: Any, at: int | None) -> Iterator[Any]:
        """The results, as long as no later event has begun.

        A stream that is over ends with ``nothing``: Gradio sends the last result again when one
        ends, over what the later event shows, and empties the outputs of one that had none.
        """
        with self._until_over(turn), closing(results):
            with self._handing_back(turn):
                first = next(results, nothing)
            for result in itertools.chain([first], results):
                if not self.is_last(turn):
                    yield nothing
                    return
                self.keep(turn, result, at)
                yield result

    def _called(self, turn: Turn, handler: Callable[[], Any], nothing: Any, at: int | None) -> Any:
        with self._until_over(turn):
            with self._handing_back(turn):
                result = handler()
            if not self.is_last(turn):
                return nothing
            self.keep(turn, result, at)
            return result

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
    def _until_over(self, turn: Turn) -> Iterator[None]:
        try:
            yield
        finally:
            self.end(turn)

    @contextmanager
    def _handing_back(self, turn: Turn) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.hand_back(turn)
            raise


def _nothing(n_outputs: int) -> Any:
    """What leaves all outputs of an event alone."""
    return gr.skip() if n_outputs == 1 else (gr.skip(),) * n_outputs


def _read(values: tuple[Any, ...], at: int | None) -> tuple[Any, ...]:
    """The value at a place, alone; nothing for no place."""
    return () if at is None else (values[at],)


def _is_skip(value: Any) -> bool:
    """Whether an output leaves its component alone."""
    return isinstance(value, dict) and value == gr.skip()

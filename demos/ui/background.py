"""Long work of an engine as a stream that a Stop button can end and a page can follow.

Knows nothing of what the work is.
"""

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


SECONDS_BETWEEN_VIEWS = 0.25  # a page that is sent more has no time left for a click on Stop


class _Stopped(Exception):
    """Raised inside the work, from its report, once nobody waits for it any more."""


def reporting(
    work: Callable[[Callable[[Part, int], None]], Result],
) -> Iterator[tuple[Part, int] | Result]:
    """Run ``work(report)`` in a thread: yields what it reports, (part, total), then its result.

    Closing the iterator makes the next ``report`` end the work. What the work raises is
    raised here.
    """
    news: queue.Queue[tuple[str, object]] = queue.Queue()
    stopped = threading.Event()

    def report(part: Part, total: int) -> None:
        if stopped.is_set():
            raise _Stopped
        news.put(("progress", (part, total)))

    def run() -> None:
        try:
            news.put(("result", work(report)))
        except _Stopped:
            return
        except BaseException as error:
            news.put(("error", error))

    # in the context of the event: whoever lends a GPU asks for whom
    here = contextvars.copy_context()
    threading.Thread(target=here.run, args=(run,), daemon=True).start()
    try:
        yield from _relay(news)
    finally:
        stopped.set()


def _relay(news: "queue.Queue[tuple[str, object]]") -> Iterator[object]:  # type: ignore[misc]
    """Pass on the newest progress and the result; raise the error."""
    while True:
        kind, value = news.get()
        if kind == "error":
            raise value
        if kind == "result" or news.empty():
            yield value
        if kind == "result":
            return


def paced(views: Iterator[Result], seconds: float = SECONDS_BETWEEN_VIEWS) -> Iterator[Result]:
    """The first view, then the newest one every ``seconds`` at most, and always the last.

    Each view must hold all there is to see. An error comes after the view before it.
    """
    held: list[Result] = []
    sent_at = float("-inf")
    try:
        for view in views:
            held = [view]
            if time.monotonic() - sent_at >= seconds:
                yield held.pop()
                sent_at = time.monotonic()
    except Exception:
        yield from held
        raise
    yield from held

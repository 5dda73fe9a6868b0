"""Long work of an engine as a stream a Stop button can end.

Knows nothing of what the work is.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


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

    threading.Thread(target=run, daemon=True).start()
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

"""Thirty people at once, and a click while somebody else scores a long text."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from benchmarks.subject import Subject
from benchmarks.table import Row
from benchmarks.timing import ROUNDS, median, seconds_of

N_USERS = 30
PROMPT_TOKENS = 40
LONG_TOKENS = 4000
N_CLICKS = 12
THINKING_SECONDS = 0.15

Document = tuple[int, ...]


def class_rows(subject: Subject) -> Iterator[Row]:
    """Thirty clicks together against thirty one after another."""
    predictor, tokens = subject.fresh(), count(500)
    prompts = [subject.words(PROMPT_TOKENS, seed) for seed in range(N_USERS)]
    predictor.next_of_each(prompts)

    def clicks() -> list[Document]:
        return [(*prompt, next(tokens)) for prompt in prompts]

    together, alone, p95s = [], [], []
    for _ in range(ROUNDS):
        seconds, waits = at_once(predictor.next, clicks())
        together.append(seconds)
        p95s.append(sorted(waits)[int(0.95 * N_USERS)])
        alone += [seconds_of(lambda click=click: predictor.next(click)) for click in clicks()]
    p95, one = median(p95s), median(alone)
    yield Row("30 clicks at once: throughput against one after another",
              N_USERS * one / median(together), 8, at_least=True,
              detail=f"{median(together):.2f} s for 30")  # fmt: skip
    yield Row("30 clicks at once: 95 % wait at most, in single clicks", p95 / one, 4,
              detail=f"{1000 * p95:.0f} ms, in the worst round {1000 * max(p95s):.0f}; "
                     f"one click {1000 * one:.0f} ms")  # fmt: skip
    yield from prompt_rows(subject)


def prompt_rows(subject: Subject) -> Iterator[Row]:
    """Thirty people with the same first prompt against one."""
    ratios = []
    for seed in range(ROUNDS):
        prompt, other = subject.words(PROMPT_TOKENS, 50 + seed), subject.words(PROMPT_TOKENS, seed)
        alone = seconds_of(lambda other=other: subject.fresh().next(other))
        together, _ = at_once(subject.fresh().next, [prompt] * N_USERS)
        ratios.append(together / alone)
    yield Row("30 people, one prompt: in prefills of one", median(ratios), 1.5,
              detail="one prefill in the tests, by count")  # fmt: skip


def beside_rows(subject: Subject) -> Iterator[Row]:
    """Clicks while a long text is scored, against clicks on an idle engine."""
    predictor, tokens = subject.fresh(), count(500)
    prompt, text = subject.words(PROMPT_TOKENS, 1), subject.words(LONG_TOKENS, 2)
    predictor.next(prompt)

    def click() -> float:
        time.sleep(THINKING_SECONDS)
        return seconds_of(lambda: predictor.next((*prompt, next(tokens))))

    idle = [click() for _ in range(N_CLICKS)]
    scoring = threading.Thread(target=predictor.score, args=(text, 10, None))
    scoring.start()
    beside = []
    while scoring.is_alive():
        beside.append(click())
    beside = beside[:-1] or beside
    worst = max(beside) / median(idle)
    yield Row("click while another scores 4,000 tokens", median(beside) / median(idle), 3,
              detail=f"{len(beside)} clicks; the slowest {worst:.1f} ×")  # fmt: skip


def at_once(
    ask: Callable[[Document], object], documents: Sequence[Document]
) -> tuple[float, list[float]]:
    """Seconds until all have their answers, and how long each waited."""
    waits: list[float] = []
    start = threading.Barrier(len(documents) + 1)

    def one(document: Document) -> None:
        start.wait()
        waits.append(seconds_of(lambda: ask(document)))

    threads = [threading.Thread(target=one, args=(document,)) for document in documents]
    for thread in threads:
        thread.start()
    start.wait()
    return seconds_of(lambda: [thread.join() for thread in threads]), waits

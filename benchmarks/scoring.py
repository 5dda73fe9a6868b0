"""Scoring texts: time, memory and agreement, beside the libraries made for it."""

import time
from collections.abc import Iterator
from itertools import count

import numpy as np

from benchmarks.classroom import LONG_TOKENS
from benchmarks.memory import MB, extra_memory
from benchmarks.peers import Peer
from benchmarks.subject import Subject
from benchmarks.table import Row
from benchmarks.timing import in_turn, median, seconds_of
from core.tokens import ScoredText

N_TOKENS = 1000


class _Seen(Exception):
    """Ends a scoring once its first colours are there."""


def text_of(subject: Subject, seed: int) -> str:
    """About 1,000 tokens of plain words."""
    n_before = len(subject.engine.info.prefix_ids)
    return subject.engine.decode(subject.words(N_TOKENS, seed)[n_before:])


def scoring_rows(subject: Subject, peers: list[Peer]) -> Iterator[Row]:
    """A text of 1,000 tokens, new and with its last word changed, beside each peer."""
    predictor, edits = subject.fresh(), count(500)

    def again(n: int) -> float:
        ids = (*subject.words(N_TOKENS, n)[:-1], next(edits))
        return seconds_of(lambda: predictor.score(ids, 10, None))

    works = {
        "ours": lambda n: predictor.score(subject.words(N_TOKENS, n), 10, None),
        "again": again,
    }
    for peer in peers:
        works[peer.name] = lambda n, peer=peer: peer.score(text_of(subject, n))["seconds"]
    seconds = in_turn(works, rounds=5)
    ours, edited = median(seconds["ours"]), median(seconds["again"])
    yield Row("scored again after one changed word at the end", ours / edited, 10,
              at_least=True, detail=f"{ours:.2f} s, then {edited:.3f} s")  # fmt: skip
    memory = extra_memory(subject, "score", N_TOKENS)
    for peer in peers:
        theirs = median(seconds[peer.name])
        yield Row(f"speed against {peer.name}", theirs / ours, 1.0, at_least=True,
                  detail=f"{ours:.2f} against {theirs:.2f} s")  # fmt: skip
        yield Row(f"memory against {peer.name}", memory / peer.memory(text_of(subject, 99)), 1 / 3,
                  detail=f"{memory / MB:.0f} MB")  # fmt: skip
        if peer.name == "minicons":  # surprisal puts a start token of its own before the text
            yield agreement(subject, peer)


def agreement(subject: Subject, peer: Peer) -> Row:
    """How far the last log-probs are from a peer's; the first ones depend on its start token."""
    text = text_of(subject, 1)
    theirs = np.array(peer.score(text)["logprobs"][-100:])
    prefix = subject.engine.info.prefix_ids
    ids = (*prefix, *(token.id for token in subject.engine.tokenize(text)))
    ours = subject.engine.score(ids).logprobs[-100:]
    return Row(f"largest difference from {peer.name}", float(np.abs(ours - theirs).max()),
               unit="nats", detail="last 100 tokens")  # fmt: skip


def long_rows(subject: Subject) -> Iterator[Row]:
    """The longest text there may be: memory, and when its first colours come."""
    text = subject.words(LONG_TOKENS, 3)
    seconds = seconds_of(lambda: subject.fresh().score(text, 10, None))
    memory = extra_memory(subject, "score", LONG_TOKENS)
    yield Row("4,000 tokens: memory", memory / MB, 1200, unit="MB",
              detail=f"{seconds:.1f} s in all")  # fmt: skip
    yield Row("4,000 tokens: first colours", first_colours(subject, text), 1, unit="s")


def first_colours(subject: Subject, text: tuple[int, ...]) -> float:
    """Seconds until a part with a number is told."""
    start = time.perf_counter()

    def seen(part: ScoredText, total: int) -> None:
        if len(part) > 1:
            raise _Seen

    try:
        subject.fresh().score(text, 10, seen)
    except _Seen:
        return time.perf_counter() - start
    return float("inf")

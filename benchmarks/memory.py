"""The memory of some work; of decoding beside generate's; each in a process of its own.

``python -m benchmarks.memory MODEL DTYPE WHAT N_TOKENS [after-first]`` prints how many more bytes
than before the process held at its fullest moment: in all of the work, or after its first token.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.clicks import generated, statistics_kept
from benchmarks.subject import PROMPT_TOKENS, Subject
from benchmarks.table import Row
from benchmarks.timing import extra_bytes_from_now
from core.engines.local.predictor import Predictor

N_WRITTEN = (100, 400)  # the most tokens that a demo writes at once; and a text of several goes
AFTER_FIRST = "after-first"
MB = 1e6
Told = Callable[[], None]


class _FirstToken:
    """A streamer of transformers that tells when the first token after the prompt is there."""

    def __init__(self, told: Told) -> None:
        self._told, self._n_put = told, 0

    def put(self, value: Any) -> None:
        """The prompt, then each token."""
        self._n_put += 1
        if self._n_put == 2:
            self._told()

    def end(self) -> None:
        """All tokens are there."""


def memory_rows(subject: Subject) -> Iterator[Row]:
    """Decoding with statistics against generate with its logits kept, from the first token on.

    Then with what the engine keeps so that going back costs nothing; then from the prompt on.
    """
    for n in N_WRITTEN:
        ours, theirs, kept = (
            extra_memory(subject, what, n, after_first=True)
            for what in ("decode", "generate", "kept")
        )
        all_ours, all_theirs = (extra_memory(subject, what, n) for what in ("decode", "generate"))
        yield Row(f"decode of {n} tokens, from its first on: memory against generate",
                  ours / theirs, 0.25,
                  detail=f"{ours / MB:.1f} against {theirs / MB:.1f} MB")  # fmt: skip
        yield Row("the same, every distribution kept", kept / theirs,
                  detail=f"{kept / MB:.1f} MB")  # fmt: skip
        yield Row(f"the prompt's pass and {n} tokens: memory against generate",
                  all_ours / all_theirs,
                  detail=f"{all_ours / MB:.1f} against {all_theirs / MB:.1f} MB")  # fmt: skip


def extra_memory(subject: Subject, what: str, n_tokens: int, *, after_first: bool = False) -> int:
    """Extra bytes of some work in a fresh process; or of what comes after its first token."""
    info = subject.engine.info
    work = [info.name, info.dtype, what, str(n_tokens), *([AFTER_FIRST] if after_first else [])]
    command = [sys.executable, "-m", "benchmarks.memory", *work]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


def _work(subject: Subject, predictor: Predictor, what: str, n_tokens: int, first: Told) -> None:
    prompt = subject.words(PROMPT_TOKENS, 5)
    if what == "generate":
        generated(subject, prompt, n_tokens, streamer=_FirstToken(first))
    elif what == "score":
        predictor.score(subject.words(n_tokens, 6), 10, None)
    elif what in {"decode", "kept"}:
        for n in range(n_tokens):
            prompt = (*prompt, statistics_kept(predictor.next(prompt)))
            if n == 0:
                first()
    else:
        raise SystemExit(f"there is no such work: {what}")


def main(name: str, dtype: str, what: str, n_tokens: str, *after: str) -> None:
    """Measure in this process, once everything has run before."""
    subject = Subject.of(name, dtype)
    predictor = subject.fresh(remembers=what != "decode")
    predictor.score(subject.words(20, 4), 10, None)
    generated(subject, subject.words(20, 4))
    marks = [extra_bytes_from_now()]

    def first() -> None:
        if AFTER_FIRST in after:
            marks.append(extra_bytes_from_now())

    _work(subject, predictor, what, int(n_tokens), first)
    print(marks[-1]())


if __name__ == "__main__":
    main(*sys.argv[1:])

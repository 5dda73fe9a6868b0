"""One person clicking, and a text that goes on by itself."""

import time
from collections.abc import Iterator
from itertools import count, pairwise
from typing import Any

import numpy as np
import torch

from benchmarks.peers import Peer
from benchmarks.subject import PROMPT_TOKENS, Subject, statistics_of
from benchmarks.table import Row
from benchmarks.timing import BANDWIDTH_BYTES, apart, in_turn, median, reading, seconds_of
from core.engines.local.predictor import Predictor
from core.sampling import Sampler
from core.sampling import generate as draw_text
from core.tokens import Distribution

N_AHEAD = 10
N_DECODED = 32
TOP_P = 0.9
POLL_SECONDS = 0.01


def click_rows(subject: Subject) -> Iterator[Row]:
    """Clicks against one step of transformers with its own cache."""
    prompt, tokens = subject.words(PROMPT_TOKENS, seed=1), count(500)
    predictor, ahead = subject.fresh(), subject.fresh(N_AHEAD)
    predictor.next(prompt)
    cache = apart(lambda: subject.plain_prefill(prompt))

    def elsewhere(n: int) -> None:
        predictor.next((*prompt[: PROMPT_TOKENS - n], next(tokens)))

    def ten_at_once(n: int) -> None:
        predictor.next_of_each([(*prompt, next(tokens)) for _ in range(N_AHEAD)])

    seconds = in_turn(
        {
            "step": lambda n: apart(lambda: subject.plain_step(cache, 500)),
            "elsewhere": elsewhere,
            "ten": ten_at_once,
            "ahead": lambda n: looked_ahead(ahead, (*prompt, n)),
        }
    )
    step = median(seconds["step"])
    quick = subject.engine.info.dtype != "float32"
    said = f"{1000 * step:.1f} ms a step of transformers"
    yield Row("click on a looked-ahead candidate", median(seconds["ahead"]) / step, 0.05,
              detail=f"{1000 * median(seconds['ahead']):.2f} ms; {said}")  # fmt: skip
    yield Row("click elsewhere (cached prefix)", median(seconds["elsewhere"]) / step, 1.1,
              detail=f"{1000 * median(seconds['elsewhere']):.1f} ms")  # fmt: skip
    yield Row("lookahead of 10, in one pass", median(seconds["ten"]) / step, 1.5 if quick else 2.4,
              detail=f"{1000 * median(seconds['ten']):.1f} ms")  # fmt: skip


def looked_ahead(predictor: Predictor, document: tuple[int, ...]) -> float:
    """Seconds of a click on the third candidate, once the engine has prepared it."""
    shown = predictor.next(document)
    click = (*document, int(shown.top(3)[2]))
    while predictor._distributions.get(click) is None:
        time.sleep(POLL_SECONDS)
    return seconds_of(lambda: predictor.next(click))


def decode_rows(subject: Subject) -> Iterator[Row]:
    """Greedy text with statistics of every step, against ``generate`` with the same.

    The bound is what reading all weights takes, in the same rounds, for a step after the prompt.
    """
    began: list[float] = []
    steps: list[float] = []

    def ours(n: int) -> None:
        ids, predictor = subject.words(PROMPT_TOKENS, seed=100 + n), subject.fresh()
        began.clear()
        for _ in range(N_DECODED):
            began.append(time.perf_counter())
            ids = (*ids, statistics_kept(predictor.next(ids)))
        steps.append(median([b - a for a, b in pairwise(began[1:])]))

    def theirs(n: int) -> None:
        for logits in generated(subject, subject.words(PROMPT_TOKENS, seed=100 + n)):
            statistics_of(logits[0].float())

    seconds = in_turn(
        {"ours": ours, "theirs": lambda n: apart(lambda: theirs(n)), "reading": reading()}
    )
    ratio = median(seconds["theirs"]) / median(seconds["ours"])
    rate = N_DECODED / median(seconds["ours"])
    yield Row("decode with statistics against generate", ratio, 1.15, at_least=True,
              detail=f"{rate:.1f} against {rate / ratio:.1f} tokens/s")  # fmt: skip
    if not torch.cuda.is_available():
        bandwidth = BANDWIDTH_BYTES / median(seconds["reading"])
        bound, step = subject.weight_bytes / bandwidth, median(steps[1:])
        wanted = 0.45 if "gemma" in subject.engine.info.name else None
        said = f"{1000 * step:.1f} ms, {subject.weight_bytes / 1e6:.0f} MB a step"
        yield Row("a step's share of the bandwidth bound", bound / step, wanted, at_least=True,
                  unit="", detail=f"{said}, {bandwidth / 1e9:.1f} GB/s")  # fmt: skip


def statistics_kept(given: Distribution) -> int:
    """Ask for the top 20, their log-probs, the entropy and the rank of the first; its id."""
    best = [int(token) for token in given.top(20)]
    for token in best:
        given.logprob_of(token)
    assert given.entropy_bits is not None
    return given.candidate(best[0]).id


def sampled_rows(subject: Subject) -> Iterator[Row]:
    """A text drawn with top-p, each token's r, rank and probability kept, against ``generate``."""
    longest = subject.engine.info.context_length

    def ours(n: int) -> None:
        ids, rng = subject.words(PROMPT_TOKENS, seed=300 + n), np.random.default_rng(n)
        predictor, sampler = subject.fresh(), Sampler(top_p=TOP_P)
        drawn = draw_text(
            lambda ids: predictor.next(tuple(ids)), ids, sampler, rng, N_DECODED, (), longest
        )
        assert len(list(drawn)) == N_DECODED

    def theirs(n: int) -> None:
        torch.manual_seed(n)
        ids = subject.words(PROMPT_TOKENS, seed=300 + n)
        generated(subject, ids, do_sample=True, top_p=TOP_P, top_k=0, temperature=1.0)

    seconds = in_turn({"ours": ours, "theirs": lambda n: apart(lambda: theirs(n))})
    ratio = median(seconds["theirs"]) / median(seconds["ours"])
    rate = N_DECODED / median(seconds["ours"])
    yield Row(f"text drawn at top-p {TOP_P:g} against generate", ratio,
              detail=f"{rate:.1f} against {rate / ratio:.1f} tokens/s")  # fmt: skip


def llama_rows(subject: Subject, llama: Peer) -> Iterator[Row]:
    """Steps beside llama.cpp's, which reads 4-bit weights: an eighth of float32's bytes."""

    def ours(n: int) -> float:
        ids, predictor = subject.words(PROMPT_TOKENS, seed=200 + n), subject.fresh()
        predictor.next(ids)
        steps = [
            seconds_of(lambda k=k: predictor.next((*ids, *range(500, 501 + k)))) for k in range(8)
        ]
        return median(steps)

    seconds = in_turn({"ours": ours, "theirs": lambda n: llama.decode("The old ship")["seconds"]})
    ratio = median(seconds["ours"]) / median(seconds["theirs"])
    yield Row("one step, in steps of llama.cpp (4-bit)", ratio,
              detail=f"{1000 * median(seconds['theirs']):.1f} ms theirs")  # fmt: skip


def generated(subject: Subject, ids: tuple[int, ...], n_tokens: int = N_DECODED, **how: Any) -> Any:
    """The logits of every step of transformers' own loop, which is greedy unless ``how`` says."""
    row = torch.tensor([ids], device=subject.plain.device)
    return subject.plain.generate(
        row, attention_mask=torch.ones_like(row), max_new_tokens=n_tokens,
        min_new_tokens=n_tokens, return_dict_in_generate=True, output_logits=True, pad_token_id=0,
        **({"do_sample": False} | how),
    ).logits  # fmt: skip

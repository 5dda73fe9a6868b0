"""The engine over a vLLM server: how its numbers agree with transformers, and how fast it is.

``python -m benchmarks.remote http://127.0.0.1:8000``; ``tests/run-vllm`` starts a server and
runs it. The same model is opened by plain transformers in float32 beside it.
"""

import argparse
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from benchmarks.classroom import N_USERS, at_once
from benchmarks.table import Row, as_markdown, machine
from benchmarks.timing import ROUNDS, median, seconds_of
from core.config import Settings
from core.engines import Engine
from core.engines.remote import open_remote

MODEL = "smollm2-135m-instruct"
PROMPT_TOKENS, TEXT_TOKENS = 40, 1000
N_CLICKS = 40
TEXT = Path(__file__).parent.parent / "docs" / "performance.md"


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote", description=__doc__)
    parser.add_argument("url", help="the address of the server")
    parser.add_argument("--model", default=MODEL, help="what LAB_MODEL would be")
    chosen = parser.parse_args()
    settings = Settings(Settings.from_env().cache_dir, chosen.model, engine_url=chosen.url)
    engine = open_remote(settings, lambda progress: None)
    plain = AutoModelForCausalLM.from_pretrained(engine.info.folder, dtype=torch.float32).eval()
    print(machine() + "\n", flush=True)
    ids = text_ids(engine)
    rows = [*agreement_rows(engine, plain, ids), *click_rows(engine, ids), *score_rows(engine, ids)]
    engine.close()
    print(as_markdown(f"{engine.info.name} on a vLLM server, float32", rows), flush=True)


def text_ids(engine: Engine) -> tuple[int, ...]:
    """The first tokens of a page of ours: no model learnt it by heart."""
    tokens = engine.tokenize(TEXT.read_text(encoding="utf-8"))
    return tuple(token.id for token in tokens[:TEXT_TOKENS])


def agreement_rows(engine: Engine, plain: Any, ids: tuple[int, ...]) -> Iterator[Row]:
    """The greatest difference of any log-prob the server gives from transformers' own."""
    with torch.no_grad():
        true = torch.log_softmax(plain(torch.tensor([ids])).logits[0].float(), -1).numpy()
    scored = engine.score(ids)
    own = true[np.arange(len(ids) - 1), ids[1:]]
    yield Row("a text's log-probs: greatest difference from transformers",
              float(np.abs(scored.logprobs[1:] - own).max()), 1e-4, unit="nats",
              detail=f"{len(ids):,} tokens in one request")  # fmt: skip
    worst, worst_tail, places = 0.0, 0.0, range(PROMPT_TOKENS, len(ids), 40)
    for at, given in zip(places, engine.next([ids[:at] for at in places]), strict=True):
        known, row = given.order, true[at - 1].astype(np.float64)
        worst = max(worst, float(np.abs(given.logprob_by_id[known] - row[known]).max()))
        worst_tail = max(worst_tail, abs(given.tail_mass - (1 - np.exp(row[known]).sum())))
    how = f"{len(places)} places, {len(known)} tokens each"
    yield Row("listed tokens' log-probs: greatest difference", worst, 1e-4, unit="nats", detail=how)
    yield Row("mass of all others: greatest difference", float(worst_tail), 1e-4, unit="")


def click_rows(engine: Engine, ids: tuple[int, ...]) -> Iterator[Row]:
    """One person who clicks, and thirty at once; the beginnings are known to the server."""
    tokens = count(500)
    prompt = ids[:PROMPT_TOKENS]
    engine.next(prompt)
    one = median(
        [seconds_of(lambda: engine.next((*prompt, next(tokens)))) for _ in range(N_CLICKS)]
    )
    yield Row(
        "one click after another", 1 / one, unit="steps/s", detail=f"{1000 * one:.0f} ms each"
    )
    prompts = [ids[20 * n : 20 * n + PROMPT_TOKENS] for n in range(N_USERS)]
    engine.next(prompts)
    together, waits = [], []
    for _ in range(ROUNDS):
        seconds, each = at_once(engine.next, [(*prompt, next(tokens)) for prompt in prompts])
        together.append(seconds)
        waits += each
    p95 = sorted(waits)[int(0.95 * len(waits))]
    all_of_them = median(together)
    yield Row(f"{N_USERS} clicks at once", N_USERS / all_of_them, unit="steps/s",
              detail=f"{all_of_them:.2f} s for {N_USERS}, 95 % within {p95:.2f} s")  # fmt: skip
    batch = median(
        [
            seconds_of(lambda: engine.next([(*p, next(tokens)) for p in prompts]))
            for _ in range(ROUNDS)
        ]
    )
    yield Row(f"{N_USERS} documents in one request", N_USERS / batch, unit="steps/s",
              detail=f"{batch:.2f} s")  # fmt: skip


def score_rows(engine: Engine, ids: tuple[int, ...]) -> Iterator[Row]:
    """Texts that nobody has scored before."""
    texts = [(*ids[n:], *ids[:n]) for n in range(1, ROUNDS + 1)]
    taken = median([seconds_of(lambda text=text: engine.score(text)) for text in texts])
    yield Row("scoring a text", len(ids) / taken, unit="tokens/s",
              detail=f"{taken:.1f} s for {len(ids):,}")  # fmt: skip


if __name__ == "__main__":
    main()

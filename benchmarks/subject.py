"""What is measured: the local engine, and plain transformers with the same weights beside it."""

import random
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from benchmarks.timing import SETTLING_SECONDS, apart
from core.config import Settings
from core.engines import open_engine
from core.engines.local import LocalEngine, scheduler
from core.engines.local.predictor import Predictor
from core.tokens import LN2

scheduler.IDLE_SECONDS = SETTLING_SECONDS / 2  # see benchmarks.timing
PROMPT_TOKENS = 60
WORDS = "the old ship sailed north with seven men and a small grey cat on board"


@dataclass
class Subject:
    """An engine without lookahead, and the same model opened by transformers alone."""

    engine: LocalEngine
    plain: Any

    @classmethod
    def of(cls, name: str, dtype: str) -> "Subject":
        """Open a catalogue model both ways."""
        return apart(lambda: cls._opened(name, dtype))

    @classmethod
    def _opened(cls, name: str, dtype: str) -> "Subject":
        settings = replace(Settings.from_env(), model=name, dtype=dtype, lookahead=0)
        engine = open_engine(settings, lambda progress: None)
        assert isinstance(engine, LocalEngine)
        plain = AutoModelForCausalLM.from_pretrained(
            engine.info.folder, dtype=getattr(torch, dtype)
        )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(engine, plain.to(device).eval())

    @property
    def weight_bytes(self) -> int:
        """What one step reads: every weight once, and tied embeddings only as the output layer."""
        return sum(p.nbytes for p in self.plain.parameters())

    def words(self, n_tokens: int, seed: int) -> tuple[int, ...]:
        """A document of plain words, another one for every seed."""
        rng = random.Random(seed)
        text = " ".join(rng.choice(WORDS.split()) for _ in range(n_tokens))
        ids = [token.id for token in self.engine.tokenize(f"{seed}: {text}")]
        return (*self.engine.info.prefix_ids, *ids)[:n_tokens]

    def fresh(self, n_lookahead: int = 0, *, remembers: bool = True) -> Predictor:
        """The engine's model with nothing computed yet, or one that keeps no distributions."""
        limits = replace(self.engine.predictor.limits, n_lookahead=n_lookahead)
        if not remembers:
            limits = replace(limits, distribution_bytes=0)
        return Predictor(self.engine.predictor.model, limits)

    @torch.inference_mode()
    def plain_step(self, cache: Any, token: int) -> tuple[Any, torch.Tensor]:
        """One token through transformers with its own cache: (cache, float32 logits)."""
        ids = torch.tensor([[token]], device=self.plain.device)
        output = self.plain(ids, past_key_values=cache, use_cache=True)
        return output.past_key_values, output.logits[0, -1].float()

    @torch.inference_mode()
    def plain_prefill(self, ids: tuple[int, ...]) -> Any:
        """transformers' cache after a document."""
        row = torch.tensor([ids], device=self.plain.device)
        return self.plain(row, use_cache=True, logits_to_keep=1).past_key_values


def statistics_of(logits: torch.Tensor) -> tuple[Any, ...]:
    """Top 20, log-prob of the first, entropy in bits and rank, the way a notebook does it."""
    logprobs = logits.log_softmax(-1)
    values, ids = logprobs.topk(20)
    entropy_bits = -(logprobs.exp() * logprobs).sum() / LN2
    rank = 1 + (logprobs > logprobs[ids[0]]).sum()
    return ids.tolist(), values.tolist(), entropy_bits.item(), rank.item()

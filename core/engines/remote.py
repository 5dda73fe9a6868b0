"""A model on a vLLM server (OpenAI-compatible), which many copies of this app may share.

The server gives the N most likely tokens of a prediction and the mass of all others; of a
text that is scored, each token's own log-prob and rank. Nothing of ours is kept there. Knows
nothing of sampling, of demos, or of HTTP beyond the questions.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from core.config import Settings
from core.engines import ModelInfo, ScoreReport
from core.engines.memory import BoundedMemory
from core.engines.remote_answers import (
    Known,
    allowed_logprobs,
    next_tokens,
    scored_text,
    served_model,
)
from core.engines.remote_text import ServedText, check_same, local_text
from core.engines.remote_vocabulary import ServerText
from core.engines.remote_wire import Refused, Wire, as_sentence
from core.errors import ConfigError, ContextTooLong, EngineAway
from core.progress import Progress, Report
from core.tokens import Distribution, Ids, ScoredText, Token, require_context

N_WANTED = 100  # most likely tokens of a prediction; the server may allow fewer
MOST_DOCUMENTS = 64  # in one request
WAITING_SECONDS = 1800.0  # for a server that is still loading its model
SECONDS_BETWEEN = 3.0
COMPLETIONS = "/v1/completions"
GREEDY = {"max_tokens": 1, "temperature": 0, "top_p": 1, "repetition_penalty": 1}
KNOWN_SHARE, SCORED_SHARE = 0.7, 0.3  # of the memory that settings allow
NO_DTYPE = "server's precision"  # stands in a narrow place; LAB_DTYPE can say more
Json = dict[str, Any]


def open_remote(
    settings: Settings,
    report: Report,
    wire: Wire | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> "RemoteEngine":
    """Wait for the server of ``settings`` and learn what it runs.

    Raises EngineAway after half an hour, ConfigError for a key, a tokenizer or an address that
    does not fit.
    """
    wire = wire or Wire(settings.engine_url or "", settings.engine_key)
    model, root, n_most = served_model(_awaited(wire, report, sleep))
    here = local_text(settings, root, report)
    if here is not None:
        check_same(here, wire, model)
    text: ServedText = here or ServerText(wire, model, report)
    engine = RemoteEngine(wire, model, text, settings, n_most)
    engine.next((0,))  # to learn how many tokens the server gives, before the header says so
    return engine


def _awaited(wire: Wire, report: Report, sleep: Callable[[float], None]) -> Json:
    """What the server says of its models, as soon as it is there."""
    waited = 0.0
    while True:
        why = f" ({wire.trouble})" if wire.trouble else ""
        report(Progress(f"Waiting for the model server{why}", int(waited), unit="s"))
        try:
            return wire.get("/v1/models")
        except EngineAway:
            if waited >= WAITING_SECONDS:
                raise
        except Refused as refusal:
            raise ConfigError(
                f"LAB_ENGINE_URL is not the address of a vLLM server: it answers {refusal}. "
                "Give the address without a path, such as http://127.0.0.1:8000."
            ) from refusal
        sleep(SECONDS_BETWEEN)
        waited += SECONDS_BETWEEN


def _shown(model: str) -> str:
    """A model's name; of a folder on the server only the last part, which is no secret."""
    return PurePath(model).name if model.startswith(("/", ".", "~")) else model


class RemoteEngine:
    """An Engine over a vLLM server. ``memory`` holds what was asked before, by ids."""

    def __init__(
        self, wire: Wire, model: str, text: ServedText, settings: Settings, n_most: int
    ) -> None:
        self._wire, self._model, self._text = wire, model, text
        self.decode, self.render_chat = text.decode, text.render_chat
        self.vocabulary = text.vocabulary
        self._n_known = min(N_WANTED, text.vocab_size)
        n_bytes = settings.memory_mb * 2**20
        self.memory: BoundedMemory[Known] = BoundedMemory(int(KNOWN_SHARE * n_bytes))
        self.scored: BoundedMemory[ScoredText] = BoundedMemory(int(SCORED_SHARE * n_bytes))
        self._info = ModelInfo(
            name=_shown(model),
            licence=text.licence,
            source="vLLM server",
            device="vLLM server",
            dtype=settings.dtype or NO_DTYPE,
            vocab_size=text.vocab_size,
            context_length=min(settings.max_tokens, n_most - 1),  # one token is always written
            prefix_ids=text.prefix_ids,
            stop_ids=text.stop_ids,
            chat_note=text.chat_note,
            lent_template=text.lent_template,
            folder=text.folder or model,
            recomputes=False,
        )

    @property
    def info(self) -> ModelInfo:
        """The model that runs; the note says what is not exact, and when the server is away."""
        notes = [self._text.note]
        n_listed = self._n_known if self._n_known < self._info.vocab_size else 0
        if n_listed:
            notes.insert(
                0,
                f"Not exact: this engine gives only its {n_listed:,} most likely tokens of "
                "each prediction, and what all others hold together.",
            )
        if self._wire.trouble:
            notes.insert(0, f"The model server does not answer: {self._wire.trouble}.")
        return replace(self._info, note=" ".join(filter(None, notes)), n_listed=n_listed)

    def close(self) -> None:
        """End the connections to the server; nothing can be asked any more."""
        self._wire.close()

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text, without BOS; see Engine."""
        return self._text.tokenize(text, control_tokens=control_tokens) if text else ()

    def next(self, ids: Any) -> Any:
        """The next-token distribution(s), all that are not known yet in one request; see Engine."""
        if len(ids) and not np.isscalar(ids[0]):
            return self._next_of_each([self._checked(document) for document in ids])
        return self._next_of_each([self._checked(ids)])[0]

    def _next_of_each(self, documents: Sequence[tuple[int, ...]]) -> list[Distribution]:
        found = {ids: self.memory.get(ids) for ids in documents}
        missing = [ids for ids, known in found.items() if known is None]
        for start in range(0, len(missing), MOST_DOCUMENTS):
            some = missing[start : start + MOST_DOCUMENTS]
            for ids, known in zip(some, self._asked(some), strict=True):
                found[ids] = known
                self.memory.put(ids, known, 24 * len(known.ids) + 64 * len(ids))
        size = self._info.vocab_size
        return [known.distribution(size) for known in map(found.get, documents) if known]

    def _asked(self, documents: Sequence[tuple[int, ...]]) -> list[Known]:
        prompts = [list(ids) for ids in documents]
        answer, n = self._completed(
            {"prompt": prompts, "return_tokens_as_token_ids": True}, "logprobs", self._n_known
        )
        return next_tokens(answer, len(documents), n)

    def score(
        self,
        ids: Ids,
        *,
        top_n: int = 10,
        report: ScoreReport | None = None,
        exact: bool = False,
    ) -> ScoredText:
        """Score a document in one request, reported at its end; see Engine.

        The server computes ``exact`` no differently.
        """
        known = self._checked(ids)
        n = min(top_n, self._n_known)
        scored = self.scored.get((n, *known))
        if scored is None:
            answer, n = self._completed({"prompt": list(known)}, "prompt_logprobs", n)
            scored = scored_text(answer, known, n)
            n_bytes = sum(column.nbytes for column in scored.columns) + 64 * len(known)
            self.scored.put((n, *known), scored, n_bytes)
        if report is not None:
            report(scored, len(known))
        return scored

    def _completed(self, question: Json, field: str, n: int) -> tuple[Json, int]:
        """The answer with ``n`` log-probs, or as many as the server allows, and how many."""
        while True:
            body = {"model": self._model, **GREEDY, **question, field: n}
            try:
                return self._wire.post(COMPLETIONS, body), n
            except Refused as refusal:
                allowed = allowed_logprobs(refusal.message, n)
                if not allowed:
                    raise as_sentence(refusal, "document") from refusal
                n = self._n_known = min(allowed, self._n_known)

    def _checked(self, ids: Ids) -> tuple[int, ...]:
        require_context(ids)
        if len(ids) > self._info.context_length:
            raise ContextTooLong(len(ids), self._info.context_length)
        return tuple(map(int, ids))

"""A model in this process, through transformers and torch.

Text on one side, token ids on the other; what is predicted comes from the predictor.
Knows nothing of sampling, of demos, or of where weights come from beyond the folder it
is given.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from core.config import Settings
from core.engines import Message, ScoreReport
from core.engines.described import describe
from core.engines.local.limits import Limits
from core.engines.local.predictor import Predictor
from core.engines.local.verified import open_model
from core.engines.local.zero import LentPredictor
from core.engines.pieces import vocabulary_of
from core.engines.templates import ChatWriter
from core.errors import ContextTooLong
from core.inside import Inside
from core.progress import Progress, Report
from core.tokens import (
    ChatDocument,
    Ids,
    ScoredText,
    Token,
    Vocabulary,
    require_context,
)
from core.weights import LocalModel, obtain


def open_local(settings: Settings, report: Report) -> "LocalEngine":
    """Get the weights of the chosen model and open it on the best device there is."""
    has_gpu = torch.cuda.is_available()
    found = obtain(settings, has_gpu, report)
    report(Progress(f"Loading {found.name} into memory"))
    transformers_logging.disable_progress_bar()
    dtype = getattr(torch, settings.dtype or ("bfloat16" if has_gpu else "float32"))
    return LocalEngine(*opened(found, dtype, _best_device()), found, settings)


def opened(found: LocalModel, dtype: torch.dtype, device_map: str) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder's files, read side by side."""
    with ThreadPoolExecutor(1) as aside:
        tokenizer = aside.submit(AutoTokenizer.from_pretrained, found.folder)
        model = _open_weights(str(found.folder), dtype, device_map)
    return model, tokenizer.result()


class LocalEngine:
    """An Engine over a transformers causal language model and its tokenizer."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        found: LocalModel,
        settings: Settings,
        predictor: Predictor | LentPredictor | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._tokenizer_lock = threading.Lock()  # its special-token switch is shared state
        self._writer = ChatWriter(tokenizer)
        self.vocabulary: Vocabulary = vocabulary_of(tokenizer)
        self.info = describe(
            model, tokenizer, found, settings, self._writer, _device_name(model.device)
        )
        self._exact: Predictor | None = None
        self._exact_device = "cpu" if predictor is not None else _best_device()
        self._exact_lock = threading.Lock()
        self.predictor: Predictor | LentPredictor = predictor or Predictor(
            open_model(model), Limits.of(model, settings)
        )

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text, without BOS; see Engine."""
        with self._tokenizer_lock:
            encoded = self._tokenizer(
                text,
                add_special_tokens=False,
                split_special_tokens=not control_tokens,
                verbose=False,  # what is too long is said by us
            )
        return self.vocabulary.tokens(encoded["input_ids"])

    def decode(self, ids: Ids) -> str:
        """The text of the ids; see Engine."""
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def next(self, ids: Any) -> Any:
        """The next-token distribution(s); see Engine."""
        if len(ids) and not np.isscalar(ids[0]):
            return self.predictor.next_of_each([self._checked(document) for document in ids])
        document = self._checked(ids)
        return self.predictor.next(document, may_grow=len(document) < self.info.context_length)

    def score(
        self,
        ids: Ids,
        *,
        top_n: int = 10,
        report: ScoreReport | None = None,
        exact: bool = False,
    ) -> ScoredText:
        """Score a document; see Engine."""
        predictor = self._exact_predictor() if exact else self.predictor
        return predictor.score(self._checked(ids), min(top_n, self.info.vocab_size), report)

    def inside(self, ids: Ids, token_ids: Ids) -> Inside:
        """The context vector and some rows of the output layer; see LooksInside."""
        return self.predictor.inside(self._checked(ids), tuple(map(int, token_ids)))

    def _exact_predictor(self) -> Predictor | LentPredictor:
        """The same model in float32, opened when it is first asked for."""
        if self.info.dtype == "float32":
            return self.predictor
        with self._exact_lock:
            if self._exact is None:
                model = _open_weights(self.info.folder, torch.float32, self._exact_device)
                few = replace(self.predictor.limits, distribution_bytes=0, n_lookahead=0)
                self._exact = Predictor(open_model(model), few)
        return self._exact

    def render_chat(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        control_tokens: bool = False,
        template: str | None = None,
    ) -> ChatDocument:
        """Write messages with the tokenizer's template; see Engine."""
        asked = (messages, tools, add_generation_prompt, control_tokens, template)
        with self._tokenizer_lock:
            return self._writer.write(*asked)

    def _checked(self, ids: Ids) -> tuple[int, ...]:
        require_context(ids)
        if len(ids) > self.info.context_length:
            raise ContextTooLong(len(ids), self.info.context_length)
        return tuple(map(int, ids))


def _best_device() -> str:
    return "auto" if torch.cuda.is_available() else "cpu"


def _open_weights(folder: str, dtype: torch.dtype, device_map: str) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map=device_map)
    return model.eval()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()

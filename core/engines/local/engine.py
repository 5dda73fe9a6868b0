"""A model in this process, through transformers and torch.

Text is the text side's, what is predicted comes from the predictor.
Knows nothing of sampling, of demos, or of where weights come from beyond the folder it
is given.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from core.config import Settings
from core.engines import ScoreReport
from core.engines.described import describe
from core.engines.local.limits import Limits
from core.engines.local.predictor import Predictor
from core.engines.local.verified import open_model
from core.engines.local.zero import LentPredictor
from core.engines.text_side import TextSide
from core.errors import ContextTooLong
from core.inside import Inside
from core.tokens import Ids, ScoredText, Vocabulary, require_context
from core.weights import LocalModel


def open_local(
    found: LocalModel, settings: Settings, text_side: TextSide | None = None
) -> "LocalEngine":
    """Open a model's files on the best device there is; ``text_side`` where it was read ahead."""
    transformers_logging.disable_progress_bar()
    dtype = getattr(torch, settings.dtype or ("bfloat16" if has_gpu() else "float32"))
    if text_side is None:
        return LocalEngine(*opened(found, settings, dtype, _best_device()), settings)
    return LocalEngine(_open_weights(found.folder, dtype, _best_device()), text_side, settings)


def has_gpu() -> bool:
    """Whether torch can compute on a GPU here."""
    return torch.cuda.is_available()


def opened(
    found: LocalModel, settings: Settings, dtype: torch.dtype, device_map: str
) -> tuple[Any, TextSide]:
    """(model, its text side) of a folder's files, read side by side."""
    with ThreadPoolExecutor(1) as aside:
        tokenizer = aside.submit(AutoTokenizer.from_pretrained, found.folder)
        model = _open_weights(found.folder, dtype, device_map)
    return model, TextSide(tokenizer.result(), found, settings)


class LocalEngine:
    """An Engine over a transformers causal language model and its text side."""

    def __init__(
        self,
        model: Any,
        text_side: TextSide,
        settings: Settings,
        predictor: Predictor | LentPredictor | None = None,
    ) -> None:
        self.vocabulary: Vocabulary = text_side.vocabulary
        self.tokenize, self.decode = text_side.tokenize, text_side.decode
        self.render_chat = text_side.render_chat
        device = _device_name(model.device)
        self.info = describe(model, text_side.tokenizer, text_side.info, device)
        self._exact: Predictor | None = None
        self._exact_device = "cpu" if predictor is not None else _best_device()
        self._exact_lock = threading.Lock()
        self.predictor: Predictor | LentPredictor = predictor or Predictor(
            open_model(model), Limits.of(model, settings)
        )

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

    def _checked(self, ids: Ids) -> tuple[int, ...]:
        require_context(ids)
        if len(ids) > self.info.context_length:
            raise ContextTooLong(len(ids), self.info.context_length)
        return tuple(map(int, ids))


def _best_device() -> str:
    return "auto" if has_gpu() else "cpu"


def _open_weights(folder: str | Path, dtype: torch.dtype, device_map: str) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map=device_map)
    return model.eval()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()

"""A model in this process, through transformers and torch: the only importer of torch.

Softmax and log-probabilities are float32 over the whole vocabulary whatever the
weights are in. Knows nothing of sampling, of demos, or of where weights come from
beyond the folder it is given.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging as transformers_logging

from core.config import Settings
from core.engines import Message, ModelInfo, ScoreReport
from core.engines.memory import BoundedMemory
from core.engines.pieces import vocabulary_of
from core.engines.templates import ChatWriter
from core.errors import ContextTooLong
from core.progress import Progress, Report
from core.tokens import (
    LN2,
    ChatDocument,
    Distribution,
    Ids,
    ScoredText,
    Token,
    Vocabulary,
    require_context,
)
from core.weights import LocalModel, obtain

ROWS_AT_ONCE = 64  # rows of logits held while scoring: 64 MiB for 262,144 float32 columns
DOCUMENTS_AT_ONCE = 16
SPARE_CANDIDATES = 8  # taken beyond top_n so that ties at its edge go to the lowest id
DISTRIBUTION_BYTES = 256 * 2**20
SCORED_BYTES = 64 * 2**20
LIVE_CACHES = 8


def open_local(settings: Settings, report: Report) -> "LocalEngine":
    """Get the weights of the chosen model and open it on the best device there is."""
    has_gpu = torch.cuda.is_available()
    found = obtain(settings, has_gpu, report)
    report(Progress(f"Loading {found.name} into memory"))
    transformers_logging.disable_progress_bar()
    dtype = getattr(torch, settings.dtype or ("bfloat16" if has_gpu else "float32"))
    model = AutoModelForCausalLM.from_pretrained(
        found.folder, dtype=dtype, device_map="auto" if has_gpu else "cpu"
    )
    return LocalEngine(model.eval(), AutoTokenizer.from_pretrained(found.folder), found, settings)


class LocalEngine:
    """An Engine over a transformers causal language model and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, found: LocalModel, settings: Settings) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._lock = threading.RLock()
        self._tokenizer_lock = threading.Lock()  # its special-token switch is shared state
        self._writer = ChatWriter(tokenizer)
        self._caches: dict[tuple[int, ...], DynamicCache] = {}
        self._distributions = BoundedMemory[Distribution](DISTRIBUTION_BYTES)
        self._scored = BoundedMemory[ScoredText](SCORED_BYTES)
        self.vocabulary: Vocabulary = vocabulary_of(tokenizer)
        self.info = _info(model, tokenizer, found, settings, self._writer)

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text, without BOS; see Engine."""
        with self._tokenizer_lock:
            encoded = self._tokenizer(
                text, add_special_tokens=False, split_special_tokens=not control_tokens
            )
        return self.vocabulary.tokens(encoded["input_ids"])

    def decode(self, ids: Ids) -> str:
        """The text of the ids; see Engine."""
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def next(self, ids: Any) -> Any:
        """The next-token distribution(s); see Engine."""
        if len(ids) and not np.isscalar(ids[0]):
            return self._next_of_each([tuple(map(int, document)) for document in ids])
        return self._next_of_each([tuple(map(int, ids))])[0]

    def score(self, ids: Ids, *, top_n: int = 10, report: ScoreReport | None = None) -> ScoredText:
        """Score a document in chunks of rows; see Engine."""
        document = self._checked(ids)
        key = (top_n, *document)
        known = self._scored.get(key)
        if known is None:
            known = self._score(document, min(top_n, self.info.vocab_size), report)
            self._scored.put(key, known, known.top_ids.nbytes + known.top_logprobs.nbytes)
        return known

    def render_chat(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        control_tokens: bool = False,
    ) -> ChatDocument:
        """Write messages with the tokenizer's template; see Engine."""
        with self._tokenizer_lock:
            return self._writer.write(messages, tools, add_generation_prompt, control_tokens)

    def _checked(self, ids: Ids) -> tuple[int, ...]:
        require_context(ids)
        if len(ids) > self.info.context_length:
            raise ContextTooLong(len(ids), self.info.context_length)
        return tuple(map(int, ids))

    def _next_of_each(self, documents: list[tuple[int, ...]]) -> list[Distribution]:
        found = {d: self._distributions.get(self._checked(d)) for d in documents}
        missing = [d for d, known in found.items() if known is None]
        if len(missing) == 1:
            found[missing[0]] = self._remember(missing[0], self._step(missing[0]))
        else:
            for start in range(0, len(missing), DOCUMENTS_AT_ONCE):
                batch = missing[start : start + DOCUMENTS_AT_ONCE]
                for document, logits in zip(batch, self._padded_batch(batch), strict=True):
                    found[document] = self._remember(document, logits)
        return [known for d in documents if (known := found[d]) is not None]

    def _remember(self, document: tuple[int, ...], logits: torch.Tensor) -> Distribution:
        logprobs = (logits - torch.logsumexp(logits, dim=-1)).cpu().numpy()
        distribution = Distribution(logprobs)
        # its order, made when first asked for, takes twice as much again
        self._distributions.put(document, distribution, 3 * logprobs.nbytes)
        return distribution

    @torch.inference_mode()
    def _step(self, document: tuple[int, ...]) -> torch.Tensor:
        """float32 logits [vocabulary] after a document, from the longest known part of it."""
        with self._lock:
            known = self._longest_cached_prefix(document)
            cache = self._caches.pop(known) if known else self._new_cache()
            for chunk in self._chunks(document[len(known) :]):
                output = self._model(chunk, past_key_values=cache, logits_to_keep=1)
            self._caches[document] = cache
            while len(self._caches) > LIVE_CACHES:
                del self._caches[next(iter(self._caches))]
            logits: torch.Tensor = output.logits[0, -1].float()
        return logits

    def _longest_cached_prefix(self, document: tuple[int, ...]) -> tuple[int, ...]:
        """The longest document with a live cache that ``document`` continues; () for none."""
        known = (d for d in self._caches if len(d) < len(document) and document[: len(d)] == d)
        return max(known, key=len, default=())

    def _new_cache(self) -> DynamicCache:
        return DynamicCache(config=self._model.config)

    def _chunks(self, ids: Ids, size: int = 512) -> Iterator[torch.Tensor]:
        """Ids as tensors [1, ≤ size] on the model's device."""
        for start in range(0, len(ids), size):
            yield torch.tensor([ids[start : start + size]], device=self._model.device)

    @torch.inference_mode()
    def _padded_batch(self, documents: list[tuple[int, ...]]) -> torch.Tensor:
        """float32 logits [documents, vocabulary], all in one left-padded pass."""
        longest = max(map(len, documents))
        ids = torch.zeros(len(documents), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, document in enumerate(documents):
            ids[row, longest - len(document) :] = torch.tensor(document)
            mask[row, longest - len(document) :] = 1
        device = self._model.device
        with self._lock:
            output = self._model(
                ids.to(device),
                attention_mask=mask.to(device),
                position_ids=(mask.cumsum(-1) - 1).clamp(min=0).to(device),
                logits_to_keep=1,
                use_cache=False,
            )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    @torch.inference_mode()
    def _score(self, ids: tuple[int, ...], top_n: int, report: ScoreReport | None) -> ScoredText:
        n = len(ids)
        cache = self._new_cache()
        logprobs = np.full(n, np.nan, dtype=np.float32)
        entropies = np.full(n, np.nan, dtype=np.float32)
        ranks = np.zeros(n, dtype=np.int64)
        top_ids = np.zeros((n, top_n), dtype=np.int64)
        top_logprobs = np.full((n, top_n), -np.inf, dtype=np.float32)
        row = 1
        for chunk in self._chunks(ids[:-1], ROWS_AT_ONCE):
            rows = slice(row, row + chunk.shape[1])
            with self._lock:
                logits = self._model(chunk, past_key_values=cache).logits[0].float()
            targets = torch.tensor(ids[rows], device=logits.device)
            statistics = _row_statistics(logits, targets, top_n)
            logprobs[rows], entropies[rows], ranks[rows], top_ids[rows], top_logprobs[rows] = (
                values.cpu().numpy() for values in statistics
            )
            row = rows.stop
            if report is not None:
                report(row, n)
        return ScoredText(ids, logprobs, ranks, entropies, top_ids, top_logprobs)


def _row_statistics(
    logits: torch.Tensor, targets: torch.Tensor, top_n: int
) -> tuple[torch.Tensor, ...]:
    """(log p, entropy bits, rank, top ids, top log p) of each row; ``logits`` is overwritten.

    Entropy as log z − Σ e·(l − max) / z with e = exp(l − max), which keeps small values exact.
    """
    at_target = logits.gather(1, targets[:, None])
    equal_before = (logits == at_target) & (
        torch.arange(logits.shape[1], device=logits.device) < targets[:, None]
    )
    ranks = 1 + (logits > at_target).sum(1) + equal_before.sum(1)
    logsumexp = torch.logsumexp(logits, dim=1, keepdim=True)
    values, ids = _top(logits, top_n)
    shifted = logits.sub_(logits.amax(1, keepdim=True))
    weights = shifted.exp()
    z = weights.sum(1)
    entropies = (z.log() - weights.mul_(shifted).sum(1) / z) / LN2
    return (at_target - logsumexp)[:, 0], entropies, ranks, ids, values - logsumexp


def _top(logits: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The n largest of each row and their ids, equal ones by lowest id."""
    values, ids = logits.topk(min(n + SPARE_CANDIDATES, logits.shape[1]), dim=1)
    ids, by_id = ids.sort(dim=1)
    values, by_value = values.gather(1, by_id).sort(dim=1, descending=True, stable=True)
    return values[:, :n], ids.gather(1, by_value)[:, :n]


def _info(
    model: Any, tokenizer: Any, found: LocalModel, settings: Settings, writer: ChatWriter
) -> ModelInfo:
    config = model.config.get_text_config()
    prefix = tokenizer("", add_special_tokens=True)["input_ids"]
    return ModelInfo(
        name=found.name,
        licence=found.licence,
        source=found.source,
        device=_device_name(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
        vocab_size=int(model.get_output_embeddings().weight.shape[0]),
        context_length=min(settings.max_tokens, int(config.max_position_embeddings)),
        prefix_ids=tuple(i for i in prefix if i != tokenizer.eos_token_id),
        stop_ids=_stop_ids(model, tokenizer),
        note=found.note,
        chat_note=writer.note,
        lent_template=writer.lent_template,
        folder=str(found.folder),
    )


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """End of text and end of turn: what the model's files name, and Gemma's marker."""
    named = model.generation_config.eos_token_id
    ids = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    ids.add(tokenizer.get_added_vocab().get("<end_of_turn>"))
    return frozenset(i for i in ids if i is not None)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()

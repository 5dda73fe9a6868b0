"""A model in this process, through transformers and torch: the only importer of torch.

Softmax and log-probabilities are float32 over the whole vocabulary whatever the
weights are in. Knows nothing of sampling, of demos, or of where weights come from
beyond the folder it is given.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging as transformers_logging

from core.config import Settings
from core.engines import Message, ScoreReport
from core.engines.described import describe
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
    unscored_columns,
)
from core.weights import LocalModel, obtain

TOKENS_AT_ONCE = 2048  # that go through the body of the model together
ROWS_AT_ONCE = 64  # rows of logits held while scoring: 64 MiB for 262,144 float32 columns
DOCUMENTS_AT_ONCE = 16
SPARE_CANDIDATES = 8  # taken beyond top_n so that ties at its edge go to the lowest id
DISTRIBUTION_BYTES = 256 * 2**20
SCORED_BYTES = 64 * 2**20
LIVE_TOKENS = 8192  # whose keys and values are kept, all live caches together


def open_local(settings: Settings, report: Report) -> "LocalEngine":
    """Get the weights of the chosen model and open it on the best device there is."""
    has_gpu = torch.cuda.is_available()
    found = obtain(settings, has_gpu, report)
    report(Progress(f"Loading {found.name} into memory"))
    transformers_logging.disable_progress_bar()
    dtype = getattr(torch, settings.dtype or ("bfloat16" if has_gpu else "float32"))
    with ThreadPoolExecutor(1) as aside:
        tokenizer = aside.submit(AutoTokenizer.from_pretrained, found.folder)
        model = AutoModelForCausalLM.from_pretrained(
            found.folder, dtype=dtype, device_map="auto" if has_gpu else "cpu"
        )
    return LocalEngine(model.eval(), tokenizer.result(), found, settings)


class LocalEngine:
    """An Engine over a transformers causal language model and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, found: LocalModel, settings: Settings) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._tokenizer_lock = threading.Lock()  # its special-token switch is shared state
        self._writer = ChatWriter(tokenizer)
        self._head = _separate_head(model)
        self._caches: dict[tuple[int, ...], DynamicCache] = {}
        self._distributions = BoundedMemory[Distribution](DISTRIBUTION_BYTES)
        self._scored = BoundedMemory[ScoredText](SCORED_BYTES)
        self.vocabulary: Vocabulary = vocabulary_of(tokenizer)
        self.info = describe(
            model, tokenizer, found, settings, self._writer, _device_name(model.device)
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
            while len(self._caches) > 1 and sum(map(len, self._caches)) > LIVE_TOKENS:
                del self._caches[next(iter(self._caches))]
            logits: torch.Tensor = output.logits[0, -1].float()
        return logits

    def _longest_cached_prefix(self, document: tuple[int, ...]) -> tuple[int, ...]:
        """The longest document with a live cache that ``document`` continues; () for none."""
        known = (d for d in self._caches if len(d) < len(document) and document[: len(d)] == d)
        return max(known, key=len, default=())

    def _new_cache(self) -> DynamicCache:
        return DynamicCache(config=self._model.config)

    def _chunks(self, ids: Ids, size: int = TOKENS_AT_ONCE) -> Iterator[torch.Tensor]:
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
        n, row = len(ids), 1
        columns = unscored_columns(n, top_n)
        if report is not None:
            report(row, n)
        for logits in self._logit_rows(ids[:-1]):
            rows = slice(row, row + len(logits))
            targets = torch.tensor(ids[rows], device=logits.device)
            for column, values in zip(
                columns, _row_statistics(logits, targets, top_n), strict=True
            ):
                column[rows] = values.cpu().numpy()
            row = rows.stop
            if report is not None:
                report(row, n)
        return ScoredText(ids, *columns)

    def _logit_rows(self, ids: Ids) -> Iterator[torch.Tensor]:
        """float32 logits [≤ ROWS_AT_ONCE, vocabulary] after each of ``ids``, in order.

        The body takes the document as the plain forward would, at once, so that the last
        digits are the same; only the output layer, whose rows are huge, goes in pieces.
        """
        cache = self._new_cache()
        for chunk in self._chunks(ids, TOKENS_AT_ONCE if self._head else ROWS_AT_ONCE):
            if self._head is None:
                with self._lock:  # never held while a row is looked at
                    logits = self._model(chunk, past_key_values=cache).logits[0].float()
                yield logits
                continue
            with self._lock:
                body = self._model.get_decoder()
                hidden = body(input_ids=chunk, past_key_values=cache).last_hidden_state[0]
            for start in range(0, len(hidden), ROWS_AT_ONCE):
                with self._lock:
                    logits = self._head(hidden[start : start + ROWS_AT_ONCE]).float()
                yield logits


@torch.inference_mode()
def _separate_head(model: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """The output layer by itself, with Gemma 2's soft cap; None where that is not all there is.

    Tried on three tokens: models may scale their logits in ways of their own.
    """
    layer = model.get_output_embeddings()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)

    def head(hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = layer(hidden)
        return cap * torch.tanh(logits / cap) if cap else logits

    probe = torch.tensor([[1, 2, 3]], device=model.device)
    by_parts = head(model.get_decoder()(input_ids=probe).last_hidden_state)
    return head if torch.allclose(by_parts, model(probe).logits, atol=1e-3) else None


def _row_statistics(
    logits: torch.Tensor, targets: torch.Tensor, top_n: int
) -> tuple[torch.Tensor, ...]:
    """The columns of a ScoredText for each row of logits, which are overwritten.

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
    entropies = (z.log() - torch.linalg.vecdot(weights, shifted) / z) / LN2
    rest = weights.scatter_(1, ids, 0.0).sum(1) / z
    return (at_target - logsumexp)[:, 0], ranks, entropies, ids, values - logsumexp, rest


def _top(logits: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The n largest of each row and their ids, equal ones by lowest id."""
    values, ids = logits.topk(min(n + SPARE_CANDIDATES, logits.shape[1]), dim=1)
    ids, by_id = ids.sort(dim=1)
    values, by_value = values.gather(1, by_id).sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, by_value)
    # a tie that goes on past the spare ones (bfloat16 has many) needs the whole row
    for row in torch.nonzero(values[:, n - 1] == values[:, -1])[:, 0]:
        values[row], ids[row] = (
            part[: ids.shape[1]] for part in logits[row].sort(descending=True, stable=True)
        )
    return values[:, :n], ids[:, :n]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()

"""A whole language model small enough to read: byte bigrams, counted from a few lines.

Deterministic and instant: for tests, and for teaching the code itself
(``LAB_MODEL=toy``). Knows nothing of torch or of files.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.engines import Message, ModelInfo, ScoreReport
from core.errors import ContextTooLong, InputError
from core.tokens import (
    ChatDocument,
    Distribution,
    Ids,
    ScoredText,
    Token,
    Vocabulary,
    require_context,
    unscored_columns,
)

BOS, TURN_START, TURN_END = 256, 257, 258
NAMES = {BOS: "<bos>", TURN_START: "<turn>", TURN_END: "</turn>"}
IDS = {name: token_id for token_id, name in NAMES.items()}
VOCAB_SIZE = 256 + len(NAMES)
SMOOTHING = 0.05  # count given to every pair that was never seen
CORPUS = (
    "The cat sat on the mat. The dog sat on the log. The rat ran at the cat. "
    "A token is a piece of text, and the model predicts the next token. "
    "Then it predicts the next one, and the next one after that.\n"
)


class ToyEngine:
    """An Engine whose next-token distribution depends on the last token alone."""

    def __init__(self, context_length: int = 4096) -> None:
        pieces = [bytes([i]) for i in range(256)] + [name.encode() for name in NAMES.values()]
        self.vocabulary = Vocabulary(tuple(pieces), frozenset(NAMES))
        self.info = ModelInfo(
            name="toy",
            licence="Apache 2.0",
            source="counted from five sentences in core/engines/toy.py",
            device="CPU",
            dtype="float32",
            vocab_size=VOCAB_SIZE,
            context_length=context_length,
            prefix_ids=(BOS,),
            stop_ids=frozenset({TURN_END}),
            note="A byte bigram model: it shows the parts, not the skill, of a language model.",
        )
        self._logits = np.log(_bigram_counts() + SMOOTHING).astype(np.float32)

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """One token per UTF-8 byte; see Engine."""
        if not control_tokens:
            return self.vocabulary.tokens(list(text.encode()))
        ids: list[int] = []
        for piece in re.split("(" + "|".join(map(re.escape, IDS)) + ")", text):
            ids += [IDS[piece]] if piece in IDS else piece.encode()
        return self.vocabulary.tokens(ids)

    def decode(self, ids: Ids) -> str:
        """The bytes as UTF-8; see Engine."""
        joined = b"".join(token.piece for token in self.vocabulary.tokens(ids))
        return joined.decode("utf-8", errors="replace")

    def next(self, ids: Any) -> Any:
        """The row of the last token; see Engine."""
        if len(ids) and not np.isscalar(ids[0]):
            return [self.next(document) for document in ids]
        self._check(ids)
        return Distribution.from_logits(self._logits[ids[-1]])

    def score(
        self,
        ids: Ids,
        *,
        top_n: int = 10,
        report: ScoreReport | None = None,
        exact: bool = False,
    ) -> ScoredText:
        """Score a document row by row; see Engine."""
        self._check(ids)
        known = tuple(map(int, ids))
        n, top_n = len(known), min(top_n, VOCAB_SIZE)
        columns = unscored_columns(n, top_n)
        for i in range(1, n):
            for column, value in zip(columns, self._row(ids[i - 1], ids[i], top_n), strict=True):
                column[i] = value
            if report is not None:
                report(ScoredText(known[: i + 1], *(column[: i + 1] for column in columns)), n)
        return ScoredText(known, *columns)

    def _row(self, before: int, token_id: int, top_n: int) -> tuple[Any, ...]:
        """What the model makes of one token, in the order of a ScoredText's columns."""
        given = Distribution.from_logits(self._logits[before])
        best = given.top(top_n)
        token = given.candidate(token_id)
        logprobs, rest = given.logprob_by_id[best], given.mass_outside(best)
        return token.logprob, token.rank, given.entropy_bits, best, logprobs, rest

    def render_chat(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        control_tokens: bool = False,
        template: str | None = None,
    ) -> ChatDocument:
        """``<bos>`` and ``<turn>role\\ncontent</turn>\\n`` for each message; see Engine."""
        if template is not None:
            raise InputError("The toy model has one form of its own. Choose no other template.")
        ids = [BOS]
        for message in messages:
            if not isinstance(message.get("content"), str):
                raise InputError("Every message needs a role and a content, both text.")
            words = self.tokenize(message["content"], control_tokens=control_tokens)
            ids += [TURN_START, *f"{message['role']}\n".encode(), *(t.id for t in words)]
            ids += [TURN_END, *b"\n"]
        if add_generation_prompt:
            ids += [TURN_START, *b"assistant\n"]
        return ChatDocument(tuple(ids), TURN_START)

    def _check(self, ids: Ids) -> None:
        require_context(ids)
        if len(ids) > self.info.context_length:
            raise ContextTooLong(len(ids), self.info.context_length)


def _bigram_counts() -> np.ndarray[Any, np.dtype[np.float64]]:
    """How often token j follows token i in the corpus, [vocabulary, vocabulary]."""
    ids = [BOS, *CORPUS.encode(), TURN_END]
    counts = np.zeros((VOCAB_SIZE, VOCAB_SIZE))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts

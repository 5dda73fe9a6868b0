"""Texts, ids and chats with a Hugging Face tokenizer in this process, for any engine that has one.

Knows nothing of models, of where files come from, or of torch.
"""

import threading
from collections.abc import Sequence
from typing import Any

from core.engines import Message
from core.engines.pieces import vocabulary_of
from core.engines.templates import ChatWriter
from core.tokens import ChatDocument, Ids, Token, Vocabulary


class TokenizerText:
    """The verbs of an Engine that need no prediction. Safe to use from many threads."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.writer = ChatWriter(tokenizer)
        self.vocabulary: Vocabulary = vocabulary_of(tokenizer)
        self._lock = threading.Lock()  # the tokenizer's special-token switch is shared state

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text, without BOS; see Engine."""
        with self._lock:
            encoded = self.tokenizer(
                text,
                add_special_tokens=False,
                split_special_tokens=not control_tokens,
                verbose=False,  # what is too long is said by us
            )
        return self.vocabulary.tokens(encoded["input_ids"])

    def decode(self, ids: Ids) -> str:
        """The text of the ids; see Engine."""
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

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
        with self._lock:
            return self.writer.write(*asked)

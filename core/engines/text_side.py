"""The text side of a local model: its tokenizer and chat template, there before its weights.

Cuts texts, spells ids and writes chats. Knows nothing of torch, which takes longer to import
than all of this to open, so the first demo need not wait for it.
"""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from core.config import Settings
from core.engines import Message, ModelInfo
from core.engines.described import describe_text_side
from core.engines.pieces import vocabulary_of
from core.engines.templates import ChatWriter
from core.errors import ModelNotReady
from core.tokens import ChatDocument, Ids, Token, Vocabulary
from core.weights import LocalModel

PLAIN_CLASS = "TokenizersBackend"  # what transformers calls PreTrainedTokenizerFast in a folder


class TextSide:
    """An Engine without a model: ``next`` and ``score`` raise ModelNotReady."""

    def __init__(self, tokenizer: Any, found: LocalModel, settings: Settings) -> None:
        self.found = found
        self.tokenizer = tokenizer
        self._lock = threading.Lock()  # the tokenizer's special-token switch is shared state
        self._writer = ChatWriter(tokenizer)
        self.vocabulary: Vocabulary = vocabulary_of(tokenizer)
        self.info: ModelInfo = describe_text_side(tokenizer, found, settings, self._writer)

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
            return self._writer.write(*asked)

    def next(self, ids: Any) -> NoReturn:
        """Raises ModelNotReady."""
        raise ModelNotReady()

    def score(self, ids: Ids, **settings: Any) -> NoReturn:
        """Raises ModelNotReady."""
        raise ModelNotReady()


def read_ahead(found: LocalModel, settings: Settings) -> TextSide | None:
    """The text side of a model that is not opened yet; None where only transformers' whole
    machinery of models, and so torch, knows the tokenizer's class."""
    if _tokenizer_class(found.folder) != PLAIN_CLASS:
        return None
    from transformers import PreTrainedTokenizerFast

    return TextSide(PreTrainedTokenizerFast.from_pretrained(found.folder), found, settings)


def _tokenizer_class(folder: Path) -> str:
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("tokenizer_class")) if isinstance(config, dict) else ""

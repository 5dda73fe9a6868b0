"""The text side of a local model: its tokenizer and chat template, there before its weights.

Cuts texts, spells ids and writes chats. Knows nothing of torch, which takes longer to import
than all of this to open, so the first demo need not wait for it.
"""

import json
from pathlib import Path
from typing import Any, NoReturn

from core.config import Settings
from core.engines import ModelInfo
from core.engines.described import describe_text_side
from core.engines.tokenizer_text import TokenizerText
from core.errors import ModelNotReady
from core.tokens import Ids
from core.weights import LocalModel

PLAIN_CLASS = "TokenizersBackend"  # what transformers calls PreTrainedTokenizerFast in a folder


class TextSide(TokenizerText):
    """An Engine without a model: ``next`` and ``score`` raise ModelNotReady."""

    def __init__(self, tokenizer: Any, found: LocalModel, settings: Settings) -> None:
        super().__init__(tokenizer)
        self.found = found
        self.info: ModelInfo = describe_text_side(tokenizer, found, settings, self.writer)

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

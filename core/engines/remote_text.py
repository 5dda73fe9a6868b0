"""From text to ids and back for a model on a server: with its tokenizer here.

The server is asked once, whether it has the same tokenizer. Knows nothing of predicting.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from core import catalogue
from core.config import Settings
from core.engines import Message
from core.engines.described import prefix_ids, stop_ids
from core.engines.remote_answers import token_ids
from core.engines.remote_wire import Refused, Wire, as_sentence
from core.engines.tokenizer_text import TokenizerText
from core.errors import ConfigError, WeightsError
from core.progress import Report
from core.tokens import ChatDocument, Ids, Token, Vocabulary
from core.weights import HUB_ID, obtain, obtain_tokenizer

PROBE = "The café of 1,234 中文 words;\n\tif (x):  end"


class ServedText(Protocol):
    """All of a served model that needs no prediction. Safe to use from many threads."""

    vocabulary: Vocabulary
    vocab_size: int
    prefix_ids: tuple[int, ...]
    stop_ids: frozenset[int]
    licence: str
    folder: str
    note: str
    chat_note: str
    lent_template: str

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text, without BOS; see Engine."""

    def decode(self, ids: Ids) -> str:
        """The text of the ids; see Engine."""

    def render_chat(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        control_tokens: bool = False,
        template: str | None = None,
    ) -> ChatDocument:
        """Messages as ids; see Engine."""


class LocalText(TokenizerText):
    """A ServedText over a Hugging Face tokenizer in this process."""

    note = ""

    def __init__(self, tokenizer: Any, files: Path, folder: str, licence: str) -> None:
        super().__init__(tokenizer)
        self.chat_note, self.lent_template = self.writer.note, self.writer.lent_template
        self.folder, self.licence = folder, licence
        self.prefix_ids = prefix_ids(tokenizer)
        config, generation = _json(files / "config.json"), _json(files / "generation_config.json")
        text_config = config.get("text_config", config)
        self.vocab_size = max(len(self.vocabulary), int(text_config.get("vocab_size", 0)))
        self.stop_ids = stop_ids(
            generation.get("eos_token_id", text_config.get("eos_token_id")), tokenizer
        )


def _json(file: Path) -> dict[str, Any]:
    """One of the model's own files; empty where there is none."""
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def local_text(settings: Settings, root: str, report: Report) -> LocalText | None:
    """The tokenizer that LAB_MODEL names, or else the server's own model name; None for neither.

    Of a model on the Hub only the tokenizer and its settings are fetched. Raises ConfigError
    when LAB_MODEL names something that can't be had: the person who set it wants it used.
    """
    name = settings.model or root
    spec = catalogue.find(name)
    try:
        if spec is not None and spec.gguf is not None:
            found = obtain(replace(settings, model=name), False, report)
            return _opened(found.folder, str(found.folder), found.licence)
        folder = Path(name).expanduser()
        if folder.is_dir():
            return _opened(folder, str(folder.absolute()), "see its folder")
        if spec is not None or HUB_ID.fullmatch(name):
            hub_id = spec.hub_id if spec is not None else name
            licence = spec.licence if spec is not None else f"see https://huggingface.co/{name}"
            return _opened(obtain_tokenizer(hub_id, report), hub_id, licence)
    except (WeightsError, OSError, ValueError) as error:
        if settings.model is not None:
            raise _no_tokenizer(name) from error
        return None
    if settings.model is not None:
        raise _no_tokenizer(name)
    return None


def _opened(files: Path, folder: str, licence: str) -> LocalText:
    from transformers import AutoTokenizer

    return LocalText(AutoTokenizer.from_pretrained(files), files, folder, licence)


def _no_tokenizer(name: str) -> ConfigError:
    return ConfigError(
        f"The tokenizer of {name!r} can't be had here. Set LAB_MODEL to a folder, a name or a "
        "Hub id of the model that the server runs, or leave it unset: then the server is asked "
        "for every text."
    )


def check_same(text: LocalText, wire: Wire, model: str) -> None:
    """Raise ConfigError when the server makes other ids of a text than the tokenizer here."""
    body = {"model": model, "prompt": PROBE, "add_special_tokens": False}
    try:
        there = token_ids(wire.post("/tokenize", body))
    except Refused as refusal:
        raise as_sentence(refusal, "text") from refusal
    if there != tuple(token.id for token in text.tokenize(PROBE)):
        raise ConfigError(
            f"The model server runs {model!r}, whose tokenizer is not that of the model that "
            "LAB_MODEL names here. Set LAB_MODEL to the model of the server, or leave it unset."
        )

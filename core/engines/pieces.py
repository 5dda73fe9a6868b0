"""From a Hugging Face tokenizer to the bytes each of its tokens stands for.

Two notations are known: byte-level BPE (GPT-2's printable stand-ins for bytes) and
SentencePiece's (``▁`` for a space, ``<0x41>`` for a byte). Knows nothing of models.
"""

import json
import re
from functools import cache
from typing import Any

from core.tokens import Vocabulary

BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """The vocabulary of a fast tokenizer (``transformers.PreTrainedTokenizerFast``)."""
    added = {i: t.content for i, t in tokenizer.added_tokens_decoder.items()}
    specials = frozenset(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)
    names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    if "ByteLevel" in _decoder_types(tokenizer):
        stand_ins = byte_stand_ins()
        pieces = tuple(
            _added_or(added.get(i), lambda name=name: _byte_level(name, stand_ins))
            for i, name in enumerate(names)
        )
    else:
        pieces = tuple(
            (name or "").encode() if i in specials else _sentencepiece(name or "")
            for i, name in enumerate(names)
        )
    return Vocabulary(pieces, specials)


def spelt(name: str, byte_level: bool) -> bytes:
    """The bytes of a token that is no added one, from its name in the tokenizer's notation."""
    return _byte_level(name, byte_stand_ins()) if byte_level else _sentencepiece(name)


@cache
def byte_stand_ins() -> dict[str, int]:
    """GPT-2's table from printable character to byte: visible bytes are themselves."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    table = {chr(byte): byte for byte in visible}
    return table | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def _added_or(content: str | None, spelt: Any) -> bytes:
    """An added token is stored as plain text, the others in the tokenizer's notation."""
    return content.encode() if content is not None else spelt()


def _byte_level(name: str | None, stand_ins: dict[str, int]) -> bytes:
    return b"".join(bytes([stand_ins[c]]) if c in stand_ins else c.encode() for c in name or "")


def _sentencepiece(name: str) -> bytes:
    byte = BYTE_TOKEN.fullmatch(name)
    return bytes([int(byte[1], 16)]) if byte else name.replace("▁", " ").encode()


def _decoder_types(tokenizer: Any) -> set[str]:
    """The type names in the tokenizer's decoder, nested ones included."""
    decoder = tokenizer.backend_tokenizer.decoder
    if decoder is None:
        return set()
    state = json.loads(decoder.__getstate__())
    return {state["type"], *(inner["type"] for inner in state.get("decoders", []))}

"""The same text cut three ways: into characters, whole words, and a model's subwords.

The whole-word vocabulary is made of the entries of the model's own vocabulary that are
whole words, so what it can't hold is real. Knows nothing of engines or pages.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from core.tokens import Vocabulary

WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Cut:
    """A text in pieces; ``unknown`` are the places whose piece the vocabulary can't hold."""

    pieces: tuple[str, ...]
    unknown: frozenset[int]
    vocab_size: int


def characters(text: str) -> Cut:
    """One piece per Unicode character; the vocabulary is every assigned character."""
    return Cut(tuple(text), frozenset(), n_unicode_characters())


def words(text: str, vocabulary: Vocabulary) -> Cut:
    """Words and punctuation marks, spaces dropped, against the vocabulary's whole words."""
    known = whole_words(vocabulary)
    pieces = tuple(WORD.findall(text))
    unknown = frozenset(i for i, piece in enumerate(pieces) if piece not in known)
    return Cut(pieces, unknown, len(known))


@cache
def whole_words(vocabulary: Vocabulary) -> frozenset[str]:
    """Entries that are a space and then letters, without the space; and marks and digits."""
    found = set()
    for token_id, piece in enumerate(vocabulary.pieces):
        if token_id in vocabulary.specials:
            continue
        text = piece.decode("utf-8", errors="replace")
        bare = text.removeprefix(" ")
        is_word = text.startswith(" ") and bare.isalpha()
        is_mark = len(bare) == 1 and not bare.isalpha() and not bare.isspace()
        if (is_word or is_mark) and "\ufffd" not in bare:
            found.add(bare)
    return frozenset(found)


@cache
def n_unicode_characters() -> int:
    """How many characters Unicode assigns, in the version this Python knows."""
    unassigned = {"Cn", "Cs", "Co"}
    return sum(unicodedata.category(chr(i)) not in unassigned for i in range(0x110000))

"""Characters and whole words: what is in the pieces, and what a vocabulary can't hold."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from core import cuts
from core.tokens import Vocabulary

VOCABULARY = Vocabulary(
    (b" the", b" cat", b"cat", b" sat", b".", b" 7", b"ing", b" <b>", b" don", b"\xc3",
     " café".encode()),
    frozenset({7}),
)  # fmt: skip


@given(st.text())
def test_characters_lose_nothing(text):
    """One piece per character, in order, and Unicode holds them all."""
    cut = cuts.characters(text)
    assert "".join(cut.pieces) == text
    assert all(len(piece) == 1 for piece in cut.pieces)
    assert cut.unknown == frozenset()


def test_the_number_of_characters_is_plausible_for_this_python():
    """Unicode 14 has 144,697 assigned characters besides control; later ones have more."""
    counted = sum(
        unicodedata.category(chr(i)) not in ("Cn", "Cs", "Co") for i in range(sys.maxunicode + 1)
    )
    assert cuts.n_unicode_characters() == counted > 144_000


@given(st.text())
def test_words_lose_only_white_space(text):
    """Letters, digits and marks are all in some piece; no piece holds white space."""
    cut = cuts.words(text, VOCABULARY)
    assert "".join(cut.pieces) == "".join(text.split())
    assert not any(c.isspace() for piece in cut.pieces for c in piece)


def test_whole_words_are_real_entries_of_the_vocabulary():
    """A space and letters; a single mark or digit; no specials, no parts of words or bytes."""
    assert cuts.whole_words(VOCABULARY) == {"the", "cat", "sat", ".", "7", "don", "café"}


def test_words_the_vocabulary_can_not_hold():
    """Their places are told; letter case matters; an apostrophe stays inside a word."""
    cut = cuts.words("The cat sat, don't sit.", VOCABULARY)
    assert cut.pieces == ("The", "cat", "sat", ",", "don't", "sit", ".")
    assert cut.unknown == {0, 3, 4, 5}
    assert cut.vocab_size == 7

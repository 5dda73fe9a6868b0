"""How tokens and numbers look: nothing invisible, nothing broken, nothing rounded but labels."""

import json
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import display
from core.tokens import Candidate, Token, Vocabulary

TEXTS = st.text(min_size=1, max_size=8)
HIDDEN_CATEGORIES = {"Cc", "Cf", "Zs", "Zl", "Zp", "Co", "Cn", "Cs"}
# Unicode's Default_Ignorable_Code_Point that are letters, and the blank of Braille
BLANK_LETTERS = {0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800}


def shown(text):
    return display.label(Token(1, text.encode()))


@given(TEXTS)
def test_whole_characters_never_look_broken(text):
    """No label of whole characters holds U+FFFD, not even of U+FFFD itself."""
    assert "\ufffd" not in shown(text)


def test_every_character_leaves_something_to_see():
    """Each character of the first planes alone: drawn, or named by its code point."""
    planes = [*range(0xD800), *range(0xE000, 0x11000), *range(0x1F000, 0x1FB00)]
    tags = [*range(0xE0000, 0xE0200), 0xF0000, 0x10FFFD]
    for code in planes + tags:
        label = shown(chr(code))
        drawn = [c for c in label if unicodedata.category(c) not in HIDDEN_CATEGORIES]
        assert drawn, f"U+{code:04X} can't be seen"
        assert all(ord(c) not in BLANK_LETTERS for c in drawn), f"U+{code:04X} can't be seen"
        assert not unicodedata.category(label[0]).startswith("M"), f"U+{code:04X} has no ground"


def test_no_invisible_character_stays_in_a_label():
    """Joiners, marks of direction, soft hyphens and byte order marks are named where they stand."""
    text = "a\u200bb\u200d\u202e\ufeff\u00ad\u00a0\u2028\x00\x7fc"
    label = shown(text)
    assert all(unicodedata.category(c) not in HIDDEN_CATEGORIES for c in label)
    names = "".join(f"U+{ord(c):04X}" for c in "\u202e\ufeff\u00ad\u00a0\u2028\x00\x7f")
    assert label == f"aU+200BbU+200D{names}c"


def test_white_space_has_its_signs():
    """A faint dot, an arrow for a line break, one for a tab; runs of a kind are one part."""
    assert display.parts(Token(1, b"  a\n\tb\r")) == [
        ["space", "··"],
        ["text", "a"],
        ["newline", "↵"],
        ["tab", "⇥"],
        ["text", "b"],
        ["newline", "␍"],
    ]


@given(st.binary(min_size=1, max_size=4))
def test_bytes_that_are_no_text_are_shown_as_bytes(piece):
    """In hex, each of them; never as text."""
    token = Token(3, piece)
    if not token.is_text:
        assert display.parts(token) == [["byte", " ".join(f"{b:02X}" for b in piece)]]


def test_a_special_token_is_its_name():
    """As one part of its own kind, which the page outlines."""
    assert display.parts(Token(1, b"<b>\n", special=True)) == [["special", "<b>\n"]]


def test_a_combining_mark_stands_on_something():
    """An accent alone is drawn on a dotted circle; after a letter it is not."""
    assert shown("\u0301") == "◌\u0301"
    assert shown("e\u0301") == "e\u0301"


@given(st.integers(0, 10**6))
def test_a_hue_depends_on_the_id_alone(token_id):
    """One of the hues there are."""
    assert 0 <= display.hue(token_id) < display.N_HUES


# --- numbers


def value_of(label):
    """The probability a label says."""
    plain = label.removesuffix(" %").removeprefix("≈").replace("·10", "e")
    return float(plain.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))) / 100


@given(st.floats(0, 1) | st.floats(-60, 0).map(lambda x: 10.0**x))
def test_a_probability_label_is_right_to_two_digits(prob):
    """Within half a unit of its second digit; and 0 % is said of nothing but 0."""
    label = display.format_prob(prob)
    assert label.endswith(" %")
    assert value_of(label) == pytest.approx(prob, rel=0.0501)
    assert (label == "0 %") == (prob == 0)
    assert (label == "100 %") == (prob == 1)


@given(st.floats(0, 1), st.floats(0, 1))
def test_probability_labels_keep_the_order(first, second):
    """A larger probability never gets a smaller label."""
    low, high = sorted((first, second))
    assert value_of(display.format_prob(low)) <= value_of(display.format_prob(high))


@pytest.mark.parametrize(
    ("prob", "label"),
    [
        (0.94, "94 %"),
        (0.00012, "0.012 %"),
        (0.5, "50 %"),
        (0.0999, "10 %"),
        (0.0123, "1.2 %"),
        (0.995, "99.50 %"),
        (1 - 1e-7, "≈100 %"),
        (1, "100 %"),
        (4.2e-7, "0.000042 %"),
        (1e-8, "0.0000010 %"),
        (4.24e-11, "4.2·10⁻⁹ %"),
        (0, "0 %"),
    ],
)
def test_probability_labels_of_the_design(prob, label):
    """Two significant digits, more near 1 where two would lie."""
    assert display.format_prob(prob) == label


@given(st.floats(0, 1e4))
def test_bits_have_two_decimals(bits):
    """Rounded in the label only; a dash for no prediction; never −0.00."""
    label = display.format_bits(bits)
    assert float(label) == pytest.approx(bits, abs=0.00501)
    assert len(label.partition(".")[2]) == 2
    assert not label.startswith("-")
    assert display.format_bits(None) == "–"
    assert display.format_bits(-0.0) == "0.00"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_exact_numbers_are_exact(value):
    """What a hover shows is the same float32 again."""
    assert np.float32(display.format_exact(value)) == np.float32(value)


# --- values for the page


@given(st.binary(max_size=5), st.booleans())
def test_chips_and_candidates_are_plain_json(piece, special):
    """Any token: JSON values only, NaN nowhere; id, parts and hue always there."""
    token = Token(7, piece, special)
    for value in (
        display.chip(token, character="é", heat=0.5),
        display.candidate_row(token, Candidate(7, -1.0, 3)),
        display.candidate_row(token, Candidate(7, -1.0, None)),
    ):
        assert json.loads(json.dumps(value, allow_nan=False)) == value
        assert (value["id"], value["hue"]) == (7, display.hue(7))
        assert value["parts"] == display.parts(token)


@given(TEXTS)
def test_a_chip_breaks_the_line_where_its_text_does(text):
    """The strip follows the text's own lines; a special token's name breaks nothing."""
    assert display.chip(Token(1, text.encode())).get("breaks", False) == ("\n" in text)
    assert display.plain_chip(text).get("breaks", False) == ("\n" in text)
    assert "breaks" not in display.chip(Token(1, text.encode(), special=True))


def test_a_candidate_tells_the_exact_numbers():
    """Probability, bits, rank: the label rounds, the value does not."""
    row = display.candidate_row(Token(3, b" a"), Candidate(3, math.log(0.25), 2))
    assert row["prob"] == pytest.approx(0.25, rel=1e-12)
    assert (row["prob_label"], row["bits_label"], row["rank"]) == ("25 %", "2.00", 2)


@given(st.floats(-60, 0))
def test_the_facts_of_a_prediction_are_exact(logprob):
    """Probability, bits and natural log in full, and the rank where the engine said it."""
    known = dict(display.probability_facts(Candidate(3, logprob, 12)))
    unknown = dict(display.probability_facts(Candidate(3, logprob, None)))
    assert float(known["probability"]) == pytest.approx(math.exp(logprob), rel=1e-6)
    bits = float(known["surprisal"].removesuffix(" bits"))
    assert bits == pytest.approx(-logprob / math.log(2), abs=1e-6)
    assert float(known["log-prob"]) == pytest.approx(logprob, abs=1e-6)
    assert known["rank"] == "12"
    assert unknown == known | {"rank": "unknown"}


def test_the_rest_is_a_row_that_says_how_many_tokens_it_is():
    """Label, label of the probability, and the exact numbers; it is no candidate and has no id."""
    row = display.rest_row(0.5, 262_124)
    assert row["label"] == "everything else: 262,124 tokens"
    assert (row["prob"], row["prob_label"]) == (0.5, "50 %")
    assert ["tokens", "262,124"] in row["facts"]
    assert "id" not in row


def test_token_facts_are_about_the_token():
    """Text, id and bytes; a special token says that it is one."""
    vocabulary = Vocabulary((b" a", b"<bos>"), frozenset({1}))
    assert display.token_facts(vocabulary.token(0)) == [
        ["text", "' a'"],
        ["token id", "0"],
        ["bytes", "20 61"],
    ]
    assert ["kind", "special token"] in display.token_facts(vocabulary.token(1))


@given(st.floats(-1000, 1000), st.integers(0, 6))
def test_a_change_shows_its_sign_unless_it_rounds_to_nothing(bits, decimals):
    """The number rounded, with + or a true minus; what rounds to 0 has neither."""
    shown = display.format_change(bits, decimals)
    assert float(shown.replace("−", "-")) == pytest.approx(round(bits, decimals))
    assert shown[0] == ("+" if round(bits, decimals) > 0 else "−" if round(bits, decimals) < 0
                        else "0")  # fmt: skip

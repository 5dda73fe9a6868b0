"""What comes in from outside: everything that can't be used gets a sentence."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from core.errors import InputError

VOCAB_SIZE = 49_152
SURROGATES = st.integers(0xD800, 0xDFFF).map(chr)
WHOLE_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(WHOLE_TEXTS)
def test_any_real_text_is_taken_as_it_is(text):
    """Spaces, control characters and all of Unicode but NUL: returned unchanged."""
    assert limits.check_text(text) == text


@given(WHOLE_TEXTS, SURROGATES, WHOLE_TEXTS)
def test_half_a_character_is_refused_where_it_stands(before, half, after):
    """A lone surrogate can't be UTF-8; the sentence counts from 1."""
    with pytest.raises(InputError, match=f"surrogate.* position {len(before) + 1}"):
        limits.check_text(before + half + after)


@given(WHOLE_TEXTS)
def test_nul_is_refused_where_it_stands(before):
    """The position is that of the NUL."""
    with pytest.raises(InputError, match=f"NUL .* position {len(before) + 1}"):
        limits.check_text(before + "\0")


def test_a_megabyte_is_refused_and_the_limit_is_told():
    """Up to the limit is fine, one more is not."""
    limits.check_text("a" * limits.MAX_CHARACTERS)
    for text in ("a" * (limits.MAX_CHARACTERS + 1), "é" * 2**20):
        with pytest.raises(InputError, match=r"at most 20,000"):
            limits.check_text(text)


def test_empty_text_is_refused_unless_it_may_be():
    """Spaces are text."""
    with pytest.raises(InputError, match="empty"):
        limits.check_text("")
    assert limits.check_text("", may_be_empty=True) == ""
    assert limits.check_text("   ") == "   "


@pytest.mark.parametrize("value", [None, 3, 2.5, b"bytes", ["a"], {"a": 1}, True])
def test_what_is_no_text_is_refused(value):
    """The sentence names what it is."""
    with pytest.raises(InputError, match=type(value).__name__):
        limits.check_text(value, "message")


NO_NUMBERS = (
    math.nan, math.inf, -math.inf, True, False, None, "1", "", "x" * 10**6, [1], {}, 10**400,
    -(10**400), 10**5000, 1j,
)  # fmt: skip
CHECKS = {
    "number": lambda value: limits.check_number(value, "Temperature"),
    "whole number": lambda value: limits.check_whole_number(value, "The seed", 0, 100),
    "top-k": lambda value: limits.check_top_k(value, VOCAB_SIZE),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
@pytest.mark.parametrize(
    "value", NO_NUMBERS, ids=lambda value: repr(value)[:12] if value != 10**5000 else "huge"
)
def test_what_is_no_number_is_refused_in_one_line(check, value):
    """NaN, infinities, booleans, text, nothing, numbers no float holds: a short sentence."""
    with pytest.raises(InputError, match=r"must be") as caught:
        check(value)
    assert len(str(caught.value)) < 200


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300))
def test_any_finite_number_is_taken(value):
    """As a float."""
    assert limits.check_number(value, "top-p") == float(value)


def test_numbers_of_numpy_are_numbers():
    """float64 is what a notebook passes."""
    assert limits.check_number(np.float64(0.5), "top-p") == 0.5


@given(st.integers(-200, 300))
def test_whole_numbers_in_their_range(value):
    """As int, from int or float; outside the range the sentence tells it."""
    for given_as in (value, float(value)):
        if 0 <= value <= 100:
            assert limits.check_whole_number(given_as, "n", 0, 100) == value
        else:
            with pytest.raises(InputError, match="from 0 to 100"):
                limits.check_whole_number(given_as, "n", 0, 100)


@pytest.mark.parametrize("value", [0.5, 99.999])
def test_a_fraction_is_no_whole_number(value):
    """3.0 is, 3.5 is not."""
    with pytest.raises(InputError, match="whole number"):
        limits.check_whole_number(value, "n", 0, 100)


def test_top_k_over_the_vocabulary_is_refused_and_the_size_is_told():
    """The whole vocabulary is fine, one more is not, less than 0 is not."""
    assert limits.check_top_k(VOCAB_SIZE, VOCAB_SIZE) == VOCAB_SIZE
    assert limits.check_top_k(0, VOCAB_SIZE) == 0
    with pytest.raises(InputError, match="only 49,152 tokens"):
        limits.check_top_k(VOCAB_SIZE + 1, VOCAB_SIZE)
    for value in (-1, 1.5):
        with pytest.raises(InputError, match="from 0 to 49,152"):
            limits.check_top_k(value, VOCAB_SIZE)


@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_taken_as_they_are(value):
    """The very same."""
    assert limits.check_bool(value, "control_tokens") is value


@pytest.mark.parametrize(
    "value", [0, 1, "true", "", None, [], [True], math.nan, "x" * 10**6, 10**5000, np.True_],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_merely_counts_as_true_or_false_is_refused_in_one_line(value):
    """1, "false" and nothing at all mean something else to whoever sent them: a short sentence."""
    with pytest.raises(InputError, match=r"^control_tokens must be true or false.*\.$") as caught:
        limits.check_bool(value, "control_tokens")
    assert len(str(caught.value)) < 200

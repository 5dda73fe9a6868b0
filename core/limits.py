"""What the demos and the API accept: checks of plain values, each with its sentence.

Gradio's own limits are not enforced on the server, so everything that comes in is
checked here. Knows nothing of models beyond the numbers it is given.
"""

import sys

from core.errors import InputError

MAX_CHARACTERS = 20_000
MAX_NEW_TOKENS = 200
MAX_LISTED = 100


def check_text(text: object, what: str = "text", *, may_be_empty: bool = False) -> str:
    """The text itself, when a tokenizer can take it; raises InputError with the remedy."""
    if not isinstance(text, str):
        raise InputError(f"The {what} must be text; this is {type(text).__name__}.")
    if not text and not may_be_empty:
        raise InputError(f"The {what} is empty. Type at least one character.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"The {what} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken. "
            "Use a shorter piece of it."
        )
    if "\0" in text:
        raise InputError(
            f"The {what} holds a NUL character at position {text.index(chr(0)) + 1}. Delete it."
        )
    _check_surrogates(text, what)
    return text


def _check_surrogates(text: str, what: str) -> None:
    broken = next((i for i, c in enumerate(text) if "\ud800" <= c <= "\udfff"), None)
    if broken is not None:
        raise InputError(
            f"The {what} holds half of a character (a lone surrogate) at position {broken + 1}. "
            "Delete it; it can't be written in UTF-8."
        )


def check_whole_number(value: object, what: str, low: int, high: int) -> int:
    """A whole number in [low, high]; 3.0 counts as 3. Raises InputError."""
    number = _number(value, what)
    if number != int(number) or not low <= number <= high:
        raise InputError(f"{what} is {value}; it must be a whole number from {low:,} to {high:,}.")
    return int(number)


def check_number(value: object, what: str) -> float:
    """A finite number; raises InputError for NaN, infinity, text and nothing."""
    return _number(value, what)


def check_top_k(value: object, vocab_size: int) -> int:
    """top-k for a vocabulary of this size; 0 is off. Raises InputError."""
    number = check_number(value, "top-k")
    if number > vocab_size:
        raise InputError(
            f"top-k is {number:,.0f}, but this vocabulary has only {vocab_size:,} tokens. "
            "Use 0 to switch top-k off, or a smaller number."
        )
    return check_whole_number(number, "top-k", 0, vocab_size)


def check_bool(value: object, what: str) -> bool:
    """true or false, nothing that merely counts as one. Raises InputError."""
    if not isinstance(value, bool):
        raise InputError(f"{what} must be true or false; this is {type(value).__name__}.")
    return value


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what} is {str(value)[:40]!r}; it must be a number.")
    if not abs(value) <= sys.float_info.max:
        raise InputError(f"{what} is not a finite number; it must be one.")
    return float(value)

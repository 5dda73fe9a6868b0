"""A scored text as a sheet: a line for each token, to paste into a spreadsheet or a notebook.

Log-prob and entropy with all the digits a float32 holds, and what is made of them with as many.
Knows nothing of pages.
"""

import csv
import io
import math

from core import display
from core.measures import surprisal_bits
from core.tokens import ScoredText, Token, Vocabulary

HEADS = (
    "position",
    "token",
    "piece",
    "token_id",
    "logprob",
    "probability",
    "surprisal_bits",
    "rank",
    "entropy_bits",
)
BEGIN_FORMULAS = ("=", "+", "-", "@")  # a spreadsheet would compute what begins so


def as_sheet(vocabulary: Vocabulary, scored: ScoredText) -> str:
    """Tab-separated lines under ``HEADS``, in the text's order; what nobody said is empty.

    ``token`` is the label of the page, with an apostrophe before what a spreadsheet would take
    for a formula. ``piece`` is exact: Python's way to write the bytes, which nothing takes for
    a number.
    """
    sheet = io.StringIO()
    lines = csv.writer(sheet, "excel-tab", lineterminator="\n")
    lines.writerow(HEADS)
    for i, token in enumerate(vocabulary.tokens(scored.ids)):
        lines.writerow([i, _label(token), repr(token.piece), token.id, *_numbers(scored, i)])
    return sheet.getvalue()


def _label(token: Token) -> str:
    label = display.label(token)
    return "'" + label if label.startswith(BEGIN_FORMULAS) else label


def _numbers(scored: ScoredText, i: int) -> list[str]:
    """Log-prob, probability, surprisal, rank and entropy as texts."""
    token, entropy = scored.candidate(i), float(scored.entropies_bits[i])
    logprob = token.logprob
    known = [logprob, math.exp(logprob), surprisal_bits(logprob)] if token.known else []
    return [
        *([display.format_exact(value) for value in known] or [""] * 3),
        "" if token.rank is None else str(token.rank),
        "" if math.isnan(entropy) else display.format_exact(entropy + 0.0),
    ]

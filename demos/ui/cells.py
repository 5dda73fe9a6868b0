"""What stands in the rows of a ``Table``: texts, and tokens with their numbers.

Plain values to plain JSON. Knows nothing of engines or of how events are connected.
"""

from collections.abc import Sequence

from core import display
from core.measures import surprisal_bits
from core.palette import heat_level
from core.tokens import Candidate, Ids, Vocabulary
from demos.ui.views import Json

Cell = str | list[Json]


def row(
    cells: Sequence[Cell],
    facts: Sequence[Sequence[str]] = (),
    *,
    tone: str = "",
    rule: bool = False,
) -> Json:
    """One row; ``facts`` on hover over its texts; ``tone``: "", "here" or "pruned".

    ``rule`` draws a line above it.
    """
    return {"cells": list(cells), "facts": list(facts), "tone": tone, "rule": rule}


def tokens(vocabulary: Vocabulary, ids: Ids) -> list[Json]:
    """Tokens in the colours of their ids."""
    return [display.chip(token) for token in vocabulary.tokens(ids)]


def predicted(vocabulary: Vocabulary, candidates: Sequence[Candidate]) -> list[Json]:
    """Tokens coloured by what the model gave them, with the numbers in short."""
    return [_predicted(vocabulary, candidate) for candidate in candidates]


def _predicted(vocabulary: Vocabulary, candidate: Candidate) -> Json:
    bits = surprisal_bits(candidate.logprob)
    facts = [
        ["token id", str(candidate.id)],
        ["surprisal", f"{bits:.6f} bits"],
        ["rank", "unknown" if candidate.rank is None else f"{candidate.rank:,}"],
    ]
    chip = display.chip(vocabulary.token(candidate.id), heat=heat_level(bits))
    return chip | {"facts": facts}


def run(vocabulary: Vocabulary, ids: Ids, most: int) -> list[Json]:
    """The last ``most`` tokens as one piece of text, without their numbers; none for none."""
    if not ids:
        return []
    parts = [part for token in vocabulary.tokens(ids[-most:]) for part in display.parts(token)]
    return [{"parts": [["text", "… "], *parts] if len(ids) > most else parts}]

"""Scoring a document for a panel: what to show while a long one is under way.

Knows nothing of what is made of the scores.
"""

from collections.abc import Callable, Generator
from typing import TypeVar

from core.engines import Engine
from core.tokens import Ids, ScoredText
from demos.ui.background import reporting

LONG = 200  # tokens; what is shorter is there before one could read how far it is

View = TypeVar("View")


def scoring(
    engine: Engine, ids: Ids, waiting: Callable[[str], View]
) -> Generator[View, None, ScoredText]:
    """Score ``ids``: yields ``waiting(sentence)`` while a long one is under way.

    Closing it ends the work.
    """
    for done in reporting(lambda report: engine.score(ids, top_n=1, report=report)):
        if isinstance(done, ScoredText):
            return done
        part, total = done
        if total > LONG:
            yield waiting(f"Scoring: {len(part):,} of {total:,} tokens")
    raise AssertionError("work that ends has a result or an error")

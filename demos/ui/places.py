"""The place in a document that something is written at, and how much fits after it.

Plain values from a strip's selection. Knows nothing of what is written.
"""

from typing import Any

from core import display
from core.engines import ModelInfo
from core.errors import ContextTooLong
from core.tokens import Ids, Vocabulary, require_context
from demos.ui import views


def picked_context(ids: tuple[int, ...], span: Any) -> tuple[int, ...]:
    """The tokens before the place that a strip's selection points at; raises NoPrediction."""
    context = ids[: views.picked_position(span, len(ids))]
    require_context(context)
    return context


def room_after(info: ModelInfo, n_tokens: int, n: int) -> int:
    """How many of ``n`` tokens still fit after ``n_tokens``; raises ContextTooLong for none."""
    room = min(n, info.context_length - n_tokens)
    if room < 1:
        raise ContextTooLong(n_tokens + 1, info.context_length)
    return room


def title(vocabulary: Vocabulary, context: Ids) -> str:
    """Where something is written, as the beginning of a heading."""
    before = display.label(vocabulary.token(context[-1]))
    return f"After “{before}” (position {len(context):,})"

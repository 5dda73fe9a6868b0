"""The text that a page shows something of, and the one in the box: marked when they differ.

What is typed is no part of what is shown before its button is pressed. Knows nothing of how a
page shows a text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from core import limits
from core.engines import Engine
from core.errors import InputError
from core.tokens import Ids
from demos.ui.events import Page


@dataclass(frozen=True)
class Marks:
    """The labels of a box whose text is shown, and is not; ``at_rest``: the button's variant."""

    label: str
    changed: str
    at_rest: str


DOCUMENT = Marks("Document", "Document: changed, not used yet", "secondary")


def mark(engine: Engine, text: Any, given: Ids, marks: Marks = DOCUMENT) -> tuple[Any, Any]:
    """(box, button) for the text in the box and the ids of the one that is shown."""
    differs = bool(given) and not _is_same(engine, text, given)
    shown = marks.changed if differs else marks.label
    return gr.update(label=shown), gr.update(variant="primary" if differs else marks.at_rest)


def _is_same(engine: Engine, text: Any, given: Ids) -> bool:
    """Whether a text has these ids, or they spell it; none that can't be taken has."""
    try:
        typed = limits.check_text(text, may_be_empty=True)
    except InputError:
        return False
    own = tuple(token.id for token in engine.tokenize(typed)) if typed else ()
    ids = tuple(given)[len(engine.info.prefix_ids) :]
    return own == ids or typed == engine.decode(ids)


def connect(
    page: Page,
    boxes: tuple[gr.Textbox, gr.Button],
    state: gr.State,
    given: Callable[[Any], Ids],
    begun: Sequence[Any],
    marks: Marks = DOCUMENT,
) -> None:
    """Mark the box and its button while it is typed in, and after the events that use its text.

    ``given(value)``: the ids of the text that is shown, of the value of its ``state``. One that
    changes meanwhile is no harm: what changes it is followed by another mark.
    """
    text, _ = boxes

    def marked(engine: Engine, typed: Any, held: Any) -> tuple[Any, Any]:
        return mark(engine, typed, given(held), marks)

    for trigger in [text.change, *(event.then for event in begun)]:
        page.connect(
            trigger, marked, [text, state], list(boxes),
            latest_only=True, uses_model=False, quiet=True,
        )  # fmt: skip

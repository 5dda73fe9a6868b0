"""The text that a document was begun with, and the one in the box: marked when they differ.

What is typed is no part of the document before its button is pressed. Knows nothing of how a
page shows a document.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from core import limits
from core.engines import Engine
from core.tokens import Ids
from demos.ui.events import Page

LABEL = "Document"
CHANGED = "Document: changed, not used yet"


def mark(engine: Engine, text: Any, given: Ids) -> tuple[Any, Any]:
    """(box, button) for the text in the box and the ids that the document was begun with.

    Raises InputError for a text that is none.
    """
    typed = limits.check_text(text, may_be_empty=True)
    own = tuple(token.id for token in engine.tokenize(typed)) if typed else ()
    ids = tuple(given)[len(engine.info.prefix_ids) :]
    differs = bool(given) and own != ids and typed != engine.decode(ids)
    shown = CHANGED if differs else LABEL
    return gr.update(label=shown), gr.update(variant="primary" if differs else "secondary")


def connect(
    page: Page,
    boxes: tuple[gr.Textbox, gr.Button],
    state: gr.State,
    given: Callable[[Any], Ids],
    begun: Sequence[Any],
) -> None:
    """Mark the box and its button while it is typed in, and after the events that use its text.

    ``given(value)``: the ids that a document was begun with, of the value of its ``state``.
    """
    text, _ = boxes

    def marked(engine: Engine, typed: Any, held: Any) -> tuple[Any, Any]:
        return mark(engine, typed, given(held))

    for trigger in [text.change, *(event.then for event in begun)]:
        page.connect(
            trigger, marked, [text, state], list(boxes),
            latest_only=True, uses_model=False, shows=state, quiet=True,
        )  # fmt: skip

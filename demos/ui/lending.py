"""A page whose model computes on a GPU that Hugging Face lends for one call at a time (ZeroGPU).

What every page opens with is computed before anybody comes; what a visitor must know about an
answer is said once for each event. Knows nothing of how a GPU is lent.
"""

import logging
from collections import deque
from contextlib import suppress

import gradio as gr
from gradio.context import LocalContext

from core.engines import Engine
from core.errors import LabError
from core.questions import with_question
from demos.ui.lab import Lab

log = logging.getLogger("token_lab")
EVENTS_KEPT = 1000

_told: deque[str | None] = deque(maxlen=EVENTS_KEPT)


def tell(sentence: str) -> None:
    """Put a sentence on the page of the event under way, where it stays until it is closed."""
    event = LocalContext.event_id.get(None)
    if event is not None and event not in _told:
        _told.append(event)
        gr.Warning(sentence, duration=None, title="Another model answered")


def open_and_lend(lab: Lab) -> None:
    """Open the engine, have it answer what the course's pages open with, then lend its GPU.

    In the thread that will launch the page, and before it does.
    """
    lab.open()
    if lab.ready:
        engine = lab.engine()
        n = prepare(lab, engine)
        log.info("Computed ahead: what %d pages open with", n)
        engine.predictor.lend()  # only such an engine is opened where a GPU is lent


def prepare(lab: Lab, engine: Engine) -> int:
    """Have ``engine`` asked what each demo and each question of the course opens with.

    Returns of how many pages.
    """
    pages: list[tuple[str, dict[str, str]]] = [(slug, {}) for slug in lab.openings]
    for n, question in enumerate(lab.course.questions, start=1):
        if question.state.demo in lab.openings:
            pages.append((question.state.demo, with_question(lab.course, {"q": str(n)})))
    for slug, query in pages:
        with suppress(LabError):  # the page will say so
            lab.openings[slug](engine, query)
    return len(pages)

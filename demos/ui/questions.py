"""The questions of a course on a page: the one it was opened with, and the ways to the others.

Knows nothing of the states they begin with.
"""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from core.course import Course
from core.questions import asked, label
from demos.ui.component import ScriptedComponent


class Questions(ScriptedComponent):
    """The question on show as plain text, the one before and after it, and all of them.

    Props: ``rows``, ``{"n", "slug", "label"}`` of each question there is a way to; ``total``;
    ``number`` (0: none), ``text``; ``elsewhere``, whether it is about another page's demo;
    ``refused``, whether a number was asked for that there is not. ``beside``: the page is one
    demo's own, with those of the others beside it.
    """

    SCRIPT = "questions.js"

    def __init__(
        self,
        value: Any = None,
        *,
        beside: bool = False,
        rows: list[dict[str, Any]] | None = None,
        total: int = 0,
        number: int = 0,
        text: str = "",
        elsewhere: bool = False,
        refused: bool = False,
        **layout: Any,
    ) -> None:
        props = {"rows": rows or [], "total": total, "number": number, "text": text}
        more = {"elsewhere": elsewhere, "refused": refused}
        super().__init__(value, {"beside": beside}, **props, **more, **layout)


def place(app: gr.Blocks, course: Course, slugs: Sequence[str], *, beside: bool = False) -> None:
    """Above the demos of a page; nothing where the course asks nothing about what it can open.

    ``slugs`` are the demos on the page, ``beside`` whether the others have pages beside it.
    """
    rows = [
        {"n": n, "slug": question.state.demo, "label": label(question)}
        for n, question in enumerate(course.questions, start=1)
        if beside or question.state.demo in slugs
    ]
    if not rows:
        return
    total = len(course.questions)
    box = Questions(rows=rows, total=total, beside=beside, elem_id="questions")

    def ask(request: gr.Request) -> Any:
        return gr.update(rows=rows, total=total, **shown(course, slugs, request.query_params))

    app.load(ask, outputs=box, queue=False, show_progress="hidden", api_visibility="private")


def shown(course: Course, slugs: Sequence[str], query: Any) -> dict[str, Any]:
    """What the page of some demos says of the question it was opened with."""
    found = asked(course, query)
    if found.question is None:
        return {"number": 0, "text": "", "elsewhere": False, "refused": found.refused}
    elsewhere = found.question.state.demo not in slugs
    text = found.question.text.strip()
    return {"number": found.number, "text": text, "elsewhere": elsewhere, "refused": False}

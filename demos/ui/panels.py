"""Small parts that every demo has: one-click examples and "Show the code"."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import gradio as gr

from core import palette
from demos.ui.events import Page
from demos.ui.glossary import as_markdown

MAX_LABEL = 34


def text_line(value: str, label: str, action: str) -> tuple[gr.Textbox, gr.Button]:
    """An input line with the button that uses it."""
    with gr.Row(equal_height=True):
        text = text_box(value, label, lines=1, scale=5)
        use = gr.Button(action, scale=1, min_width=120)
    return text, use


def text_box(
    value: str, label: str, lines: int = 1, max_lines: int | None = None, **layout: Any
) -> gr.Textbox:
    """A box for a text of any length that is taken; it grows to four times its lines."""
    return gr.Textbox(
        value,
        label=label,
        lines=lines,
        max_lines=max_lines or max(4, 4 * lines),
        elem_classes="lab-input",
        **layout,
    )


def to_copy(label: str, name: str, **layout: Any) -> gr.Textbox:
    """A text to take away, with a button that copies it; ``name`` is its class on the page."""
    return gr.Textbox(
        label=label,
        interactive=False,
        buttons=["copy"],
        elem_classes=["lab-input", "lab-json", name],
        **layout,
    )


def while_open(
    page: Page,
    fold: gr.Accordion,
    follow: Callable[..., Any],
    given: Sequence[Any],
    shown: Sequence[Any],
    **how: Any,
) -> Callable[[Sequence[Any]], None]:
    """Have ``follow(engine, *given, whether the fold is open)`` fill what is ``shown`` in it.

    It is called after the fold has opened; filled by that event itself, it would keep an older
    view when what it shows changes meanwhile. Returns a function: after which other events.
    A fold may be opened before there is an engine.
    """
    is_open = gr.State(False)
    quietly = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    opened = fold.expand(lambda: True, None, is_open, **quietly)
    fold.collapse(lambda: False, None, is_open, **quietly)

    def connect(events: Sequence[Any], quiet: bool = False) -> None:
        for event in events:
            page.connect(
                event.then, follow, [*given, is_open], shown, latest_only=True, quiet=quiet, **how
            )

    connect([opened], quiet=True)
    return connect


def examples(target: gr.Textbox, texts: Sequence[str]) -> list[Any]:
    """A row of buttons that each write their text into ``target``.

    Returns the events; what follows once a text stands there is connected to ``.then``.
    """
    written = []
    with gr.Row(elem_classes="lab-examples"):
        for text in texts:
            button = gr.Button(_short(text), size="sm", min_width=60)
            written.append(
                button.click(
                    lambda text=text: text,
                    outputs=target,
                    queue=False,
                    show_progress="hidden",
                    api_visibility="private",
                )
            )
    return written


def _short(text: str) -> str:
    label = " ".join(text.split())
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"


def code_panel() -> gr.Code:
    """Folded: "Show the code", the lines that reproduce the numbers, and what the words mean."""
    with gr.Accordion("Show the code", open=False):
        code = _code()
    with gr.Accordion("The words", open=False):
        gr.Markdown(as_markdown(), elem_classes="lab-quiet")
    return code


def folded_code(about: str) -> gr.Code:
    """Folded: "Show the code" of one panel among others."""
    return code_and_fold(about, visible=True)[0]


def code_and_fold(about: str, *, visible: bool) -> tuple[gr.Code, gr.Accordion]:
    """The same with its fold, which can be hidden as long as there is nothing to show."""
    with gr.Accordion(f"Show the code: {about}", open=False, visible=visible) as fold:
        return _code(), fold


def _code() -> gr.Code:
    return gr.Code(language="python", interactive=False, show_label=False, max_lines=30)


def heat_legend() -> None:
    """The steps of the surprise scale with their edges in bits."""
    edges = [f"{edge:g}" for edge in palette.HEAT_EDGES_BITS]
    names = [f"under {edges[0]}", *(f"{a}–{b}" for a, b in pairwise(edges)), f"{edges[-1]} or more"]
    steps = "".join(
        f"<span class='lab-chip' data-heat='{i}'>{name}</span>" for i, name in enumerate(names)
    )
    gr.HTML(f"<div class='lab-legend'>bits: {steps}</div>", apply_default_css=False)

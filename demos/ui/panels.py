"""Small parts that every demo has: one-click examples and "Show the code"."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

MAX_LABEL = 34


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
    """A folded "Show the code" with the lines that reproduce the panel's numbers."""
    with gr.Accordion("Show the code", open=False):
        return gr.Code(language="python", interactive=False, show_label=False, max_lines=30)

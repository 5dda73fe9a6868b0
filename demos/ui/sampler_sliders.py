"""The sampler's settings as sliders, what draws with them, and what a moved one shows anew.

Knows nothing of what a page makes of them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr

from demos.ui.component import Number, Slider
from demos.ui.events import Page


def place() -> list[Slider]:
    """Temperature, top-k, top-p and min-p, in the order in which they are applied."""
    with gr.Row(elem_classes="lab-sliders"):
        temperature = Slider(0, 2, 1, step=0.05, label="Temperature", min_width=190)
        top_k = Slider(0, 100, 0, step=1, label="top-k (0: off)", min_width=190)
    with gr.Row(elem_classes="lab-sliders"):
        top_p = Slider(0.01, 1, 0.9, step=0.01, label="top-p (1: off)", min_width=190)
        min_p = Slider(0, 0.5, 0, step=0.01, label="min-p (0: off)", min_width=190)
    return [temperature, top_k, top_p, min_p]


def place_draw() -> tuple[Slider, gr.Button, gr.Button]:
    """(r, draw it, append what it hits): one token."""
    with gr.Row(equal_height=True, elem_classes="lab-sliders"):
        r = Slider(0, 0.9999, 0.5, step=0.0001, label="r", scale=3, min_width=190)
        take = gr.Button("Draw r", variant="primary", scale=1, min_width=80)
        add = gr.Button("Append it", scale=1, min_width=80)
    return r, take, add


def place_run() -> tuple[Number, Slider, gr.Button, gr.Button]:
    """(seed, number of tokens, go, stop): a whole text."""
    with gr.Row(equal_height=True):
        seed = Number(1, label="Seed", precision=0, scale=1, min_width=90)
        n_tokens = Slider(1, 100, 20, step=1, label="Tokens", scale=3, min_width=160)
        go = gr.Button("Generate anew", variant="primary", scale=1, min_width=110)
        stop = gr.Button("Stop", scale=1, min_width=60)
    return seed, n_tokens, go, stop


def connect(
    page: Page,
    sliders: Sequence[Slider],
    state: gr.State,
    shown: Sequence[Any],
    handlers: tuple[Callable[..., Any], Callable[..., Any]],
) -> Callable[[Sequence[Any]], None]:
    """``moved(engine, state, *settings)`` when one is moved, where nothing is under way.

    ``handlers``: that, and ``caught_up`` with the same arguments, which a returned function
    connects to what follows some events: a slider may have been moved during them.
    """
    moved, caught_up = handlers
    looks = partial(page.connect, inputs=[state, *sliders], outputs=shown, uses_model=False)
    looks = partial(looks, latest_only=True, shows=state)
    for slider in sliders:
        # after a refusal Gradio does not ask again for what was typed meanwhile
        looks(looks(slider.input, moved).failure, moved, quiet=True)

    def follow(events: Sequence[Any]) -> None:
        for event in events:
            looks(event.then, caught_up)

    return follow

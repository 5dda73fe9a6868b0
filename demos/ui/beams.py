"""Beam search made visible: at every step what is kept and what is given up, greedy beside.

Knows nothing of how a page shows a document.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from core import display, limits
from core.branches import Branches
from core.continuations import BeamStep, Continuation, beam_steps, greedy
from core.engines import Engine
from core.snippets_continuations import beams_code
from core.tokens import Vocabulary
from demos.ui import cells, places
from demos.ui.component import Slider, Table
from demos.ui.events import Page
from demos.ui.panels import folded_code
from demos.ui.views import Json
from demos.ui.writing import Desk

NARROWEST, WIDEST, USUAL_WIDTH = 2, 5, 3
MOST_STEPS, USUAL_STEPS = 20, 8
MOST_TOKENS = 12  # of a text that are spelt out before its last
NUMBERS = {"total log-prob": "number", "total bits": "number"}
STEP_COLUMNS = {"step": "number", "beam": "text", "text": "passage", **NUMBERS}
BOTH_COLUMNS = {
    "": "text",
    "text": "passage",
    "tokens": "number",
    **NUMBERS,
    "probability": "number",
}
HINT = (
    "Each step extends every kept text by its most likely tokens, as many as the width, and keeps "
    "those with the highest total log-prob. No penalty for length."
)
View = tuple[Any, Any, str]


def search(
    engine: Engine, branches: Branches[Any], span: Any, width: Any, n_steps: Any
) -> Iterator[View]:
    """(beam search beside greedy, the steps, code) after each step."""
    wide = limits.check_whole_number(width, "The width", NARROWEST, WIDEST)
    n = limits.check_whole_number(n_steps, "The number of steps", 1, MOST_STEPS)
    context = places.picked_context(branches.now.ids, span)
    room = places.room_after(engine.info, len(context), n)
    ends = engine.info.stop_ids
    alone, steps = [Continuation(context)], []
    for step in beam_steps(engine.next, context, wide, room, ends):
        alone = greedy(engine.next, alone, 1, ends)
        steps.append(step)
        yield show(engine, steps, alone[0], wide, room)


def show(
    engine: Engine, steps: Sequence[BeamStep], alone: Continuation, width: int, n: int
) -> View:
    """Everything the panel shows after some of ``n`` steps; ``alone``: what greedy has written."""
    vocabulary, best = engine.vocabulary, steps[-1].kept[0]
    both = gr.update(
        title=verdict(best, alone),
        rows=[
            _side(vocabulary, "beam search", best, best.logprob > alone.logprob),
            _side(vocabulary, "greedy", alone, alone.logprob > best.logprob),
        ],
    )
    place = places.title(vocabulary, alone.context)
    title = f"{place}: {len(steps)} of {n} steps, {width} beams; at most {width} pruned are shown"
    rows = [row for i, step in enumerate(steps) for row in _step_rows(vocabulary, i, step, width)]
    code = beams_code(engine.info, alone.context, width, len(steps))
    return both, gr.update(title=title, rows=rows), code


def verdict(best: Continuation, alone: Continuation) -> str:
    """Which of two texts is more probable, and how much, as a sentence."""
    if best.ids == alone.ids:
        return "Beam search and greedy decoding write the same text"
    times = math.exp(abs(best.logprob - alone.logprob))
    if best.logprob > alone.logprob:
        return f"Beam search finds a text {_times(times)} as probable as greedy decoding's"
    if best.logprob < alone.logprob:
        return (
            f"Greedy decoding's text is {_times(times)} as probable: the beams lost it on the way"
        )
    return "Beam search and greedy decoding write different texts of the same probability"


def _times(ratio: float) -> str:
    return f"{ratio:.3g} times" if ratio < 1000 else f"{ratio:,.0f} times"


def _side(vocabulary: Vocabulary, name: str, one: Continuation, more: bool) -> Json:
    """One of the two texts; ``more``: it is the more probable one."""
    prob = math.exp(one.logprob)
    shown: list[cells.Cell] = [
        f"{name}: more probable" if more else name,
        cells.predicted(vocabulary, one.tokens),
        str(len(one.tokens)),
        *_numbers(one),
        display.format_prob(prob),
    ]
    return cells.row(shown, [*_facts(one), ["probability", display.format_exact(prob)]],
                     tone="here" if more else "")  # fmt: skip


def _step_rows(vocabulary: Vocabulary, i: int, step: BeamStep, width: int) -> list[Json]:
    """What a step kept, most likely first, and the best of what it pruned."""
    rows = []
    for place, one in enumerate([*step.kept, *step.pruned[:width]]):
        kept = place < len(step.kept)
        before = [token.id for token in one.tokens[:-1]]
        last = cells.predicted(vocabulary, one.tokens[-1:])
        shown: list[cells.Cell] = [
            str(i + 1) if place == 0 else "",
            f"kept {place + 1}" if kept else "pruned",
            [*cells.run(vocabulary, before, MOST_TOKENS), *last],
            *_numbers(one),
        ]
        tone = "" if kept else "pruned"
        rows.append(cells.row(shown, _facts(one), tone=tone, rule=place == 0))
    return rows


def _numbers(one: Continuation) -> tuple[str, str]:
    return f"{one.logprob:.3f}", display.format_bits(one.total_bits)


def _facts(one: Continuation) -> list[list[str]]:
    return [
        ["total log-prob", f"{one.logprob:.6f}"],
        ["total bits", f"{one.total_bits:.6f} = {-one.logprob:.6f} / ln 2"],
    ]


def build(page: Page, desk: Desk) -> None:
    """Width and steps, the two texts, and all steps: folded."""
    with gr.Accordion("Beam search: what is kept, what is pruned", open=False):
        gr.Markdown(HINT, elem_classes="lab-quiet")
        with gr.Row(equal_height=True):
            width = Slider(NARROWEST, WIDEST, USUAL_WIDTH, step=1, label="Width", min_width=120)
            n_steps = Slider(1, MOST_STEPS, USUAL_STEPS, step=1, label="Steps", min_width=120)
            go = gr.Button("Search with beams", min_width=120)
            stop = gr.Button("Stop the search", min_width=60)
        both = Table(BOTH_COLUMNS, name="Beam search beside greedy decoding")
        table = Table(STEP_COLUMNS, name="Every step of the beam search", lines=14, grows=True)
        code = folded_code("beams and greedy")
    given = [desk.branches, desk.strip, width, n_steps]
    running = page.connect(go.click, search, given, [both, table, code])
    stop.click(None, cancels=[running], api_visibility="private")

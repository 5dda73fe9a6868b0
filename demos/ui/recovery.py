"""What the model makes of a token it did not want: ranks 1 to 10 forced, then greedy.

Ten continuations, one batch per step. Knows nothing of how a page shows a document.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from core import display, limits
from core.branches import Branches
from core.charts_continuations import bits_after_forcing
from core.continuations import Continuation, greedy_steps
from core.engines import Engine, ModelInfo
from core.snippets_continuations import recovery_code
from core.tokens import Vocabulary
from demos.ui import cells, places
from demos.ui.component import Slider, Table
from demos.ui.events import Page
from demos.ui.panels import folded_code
from demos.ui.views import Json
from demos.ui.writing import Desk

N_RANKS = 10
FEWEST, MOST, USUAL = 4, 40, 12
COLUMNS = {
    "rank": "number",
    "forced token": "tokens",
    "bits": "number",
    "what greedy decoding writes after it": "passage",
    "total bits": "number",
    "bits per token after": "number",
}
HINT = (
    "Each of the ten most likely tokens is written in turn where the strip's selection is, and "
    "after it always the most likely one. Colours are bits; the forced token's own are in its row."
)
View = tuple[Any, Any, Any]


def recover(engine: Engine, branches: Branches[Any], span: Any, n_tokens: Any) -> Iterator[View]:
    """(table, chart, code) after each step; one batch for all ten."""
    n = limits.check_whole_number(n_tokens, "The number of tokens", FEWEST, MOST)
    context = places.picked_context(branches.now.ids, span)
    room = places.room_after(engine.info, len(context) + 1, n)
    distribution = engine.next(context)
    ranks = [distribution.candidate(int(i)) for i in distribution.top(N_RANKS)]
    found = [Continuation(context, (token,)) for token in ranks]
    yield show(engine, found, 0, room)
    steps = greedy_steps(engine.next, found, room, engine.info.stop_ids)
    for n_done, found in enumerate(steps, start=1):
        yield show(engine, found, n_done, room)


def show(engine: Engine, found: Sequence[Continuation], n_done: int, n: int) -> View:
    """Everything the panel shows once ``n_done`` of ``n`` tokens are written after the forced."""
    vocabulary, context = engine.vocabulary, found[0].context
    place = places.title(vocabulary, context)
    title = f"{place}: ranks 1 to {len(found)} forced, then greedy, {n_done} of {n} tokens"
    table = gr.update(
        title=title + _why_no_more(engine.info, found, n_done, n),
        rows=[_row(vocabulary, one) for one in found],
    )
    chart = bits_after_forcing(vocabulary, found) if n_done else None
    return table, chart, recovery_code(engine.info, context, len(found), n_done)


def _why_no_more(info: ModelInfo, found: Sequence[Continuation], n_done: int, n: int) -> str:
    """What there is to say of an end before the number that was asked for."""
    if n_done < n and all(one.ended(info.stop_ids) for one in found):
        return " (all have ended)"
    full = len(found[0].context) + 1 + n >= info.context_length
    return " (no more fit in the context)" if full else ""


def _row(vocabulary: Vocabulary, one: Continuation) -> Json:
    forced, *after = one.tokens
    mean = sum(one.bits[1:]) / len(after) if after else None
    facts = [
        ["forced token", f"{one.bits[0]:.6f} bits"],
        ["total bits", f"{one.total_bits:.6f} over {len(one.tokens)} tokens"],
        ["bits per token after", "nothing after it yet" if mean is None else f"{mean:.6f}"],
    ]
    shown: list[cells.Cell] = [
        "" if forced.rank is None else str(forced.rank),
        cells.tokens(vocabulary, [forced.id]),
        display.format_bits(one.bits[0]),
        cells.predicted(vocabulary, after),
        display.format_bits(one.total_bits),
        display.format_bits(mean),
    ]
    return cells.row(shown, facts)


def build(page: Page, desk: Desk) -> None:
    """A button, the ten continuations, and how surprised the model was along them: folded."""
    with gr.Accordion("Recovery: force rank 1 to 10, then greedy", open=False):
        gr.Markdown(HINT, elem_classes="lab-quiet")
        with gr.Row(equal_height=True):
            n_tokens = Slider(
                FEWEST, MOST, USUAL, step=1, label="Tokens after the forced one", scale=4
            )
            go = gr.Button("Force rank 1 to 10, then greedy", scale=3, min_width=150)
            stop = gr.Button("Stop these", scale=1, min_width=60)
        table = Table(COLUMNS, name="Ten continuations")
        chart = gr.Plot(show_label=False, container=False)
        code = folded_code("forced, then greedy")
    given = [desk.branches, desk.strip, n_tokens]
    running = page.connect(go.click, recover, given, [table, chart, code])
    stop.click(None, cancels=[running], api_visibility="private")

"""All tokens of a scored text in one table, in the text's order or by surprise; and to copy.

As long as the panel is unfolded. Knows nothing of how a page shows a text.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from core import display
from core.engines import Engine
from core.errors import InputError
from core.sheet import as_sheet
from core.tokens import ScoredText, Vocabulary
from demos.ui import cells, views
from demos.ui.component import Table
from demos.ui.events import Page
from demos.ui.panels import to_copy, while_open
from demos.ui.views import Json

COLUMNS = {
    "position": "number",
    "token": "tokens",
    "probability": "number",
    "surprisal": "number",
    "rank": "number",
    "entropy": "number",
    "token id": "number",
}
IN_ORDER, SURPRISING, EXPECTED = ORDERS = (
    "as in the text",
    "most surprising first",
    "most expected first",
)
MOST_ROWS = 300
LINES = 12
HINT = (
    "Surprisal and entropy are in bits. The entropy says how unsure the model was before the "
    "token, the surprisal how much the token then surprised it. Click a row to go to its token."
)
TO_COPY = "To paste into a spreadsheet or a notebook"
# once it is drawn: the selected token of the strip that is seen
TO_TOKEN = """() => requestAnimationFrame(() => requestAnimationFrame(() =>
  [...document.querySelectorAll(".lab-strip .lab-selected")]
    .find((chip) => chip.checkVisibility())?.scrollIntoView({ block: "center" })))"""


def table(engine: Engine, scored: ScoredText | None, order: str) -> Any:
    """The rows of a scored text, the first ones of a long one; none for none."""
    if scored is None:
        return empty("Nothing is measured yet")[0]
    chips = views.scored_chips(engine.vocabulary, scored)
    shown = in_order(scored.surprisals_bits, order)[:MOST_ROWS]
    text = views.place_of(scored.ids)
    rows = [
        _row(engine.vocabulary, scored, i, chips[i]) | {"pick": {"token": i, "text": text}}
        for i in map(int, shown)
    ]
    return gr.update(title=_title(len(rows), len(scored), order), rows=rows)


def picked(pick: Any, scored: ScoredText | None) -> dict[str, int]:
    """The strip's selection of the row that was clicked; raises InputError for another text's."""
    at, text = (pick.get(key) for key in ("token", "text")) if isinstance(pick, dict) else ("", "")
    fits = scored is not None and text == views.place_of(scored.ids)
    if scored is None or not fits or not isinstance(at, int) or not 0 <= at < len(scored):
        raise InputError(
            "This row is of a text that is no longer shown. Wait until the text is measured, and "
            "click again."
        )
    return {"start": at, "stop": at + 1}


def empty(words: str) -> tuple[Any, str]:
    """(table, sheet) while there is nothing to show, and why."""
    return gr.update(rows=[], title=words), ""


def sheet(engine: Engine, scored: ScoredText | None) -> str:
    """What there is to copy of a scored text."""
    return "" if scored is None else as_sheet(engine.vocabulary, scored)


def follow(engine: Engine, scored: ScoredText | None, order: str, is_open: Any) -> tuple[Any, Any]:
    """(table, sheet) of a scored text; as they were while the panel is folded."""
    if is_open is not True:
        return gr.skip(), gr.skip()
    return table(engine, scored, order), sheet(engine, scored)


def in_order(bits: NDArray[np.float64], order: str) -> NDArray[np.int64]:
    """Positions in an order, [n]; equal ones as in the text, unpredicted ones (NaN) last."""
    if order == IN_ORDER:
        return np.arange(len(bits))
    return np.argsort(-bits if order == SURPRISING else bits, kind="stable")


def _title(n_shown: int, n: int, order: str) -> str:
    if n_shown == n:
        return f"{n:,} token{'s' if n != 1 else ''}, {order}"
    return f"{n_shown:,} of {n:,} tokens, {order}; the box below holds all"


def _row(vocabulary: Vocabulary, scored: ScoredText, i: int, chip: Json) -> Json:
    """What the model made of token ``i``; exact on hover."""
    if not scored.predicted[i]:
        plain = {key: value for key, value in chip.items() if key != "hue"}  # colour is surprisal
        numbers, facts = ["no prediction", "", "", ""], [["probability", display.NO_PREDICTION]]
        return cells.row([str(i), [plain], *numbers, str(scored.ids[i])], facts)
    said = display.candidate_row(vocabulary.token(scored.ids[i]), scored.candidate(i))
    rank = "unknown" if said["rank"] is None else f"{said['rank']:,}"
    entropy = float(scored.entropies_bits[i])
    unsure, exact = "unknown", display.UNKNOWN
    if not math.isnan(entropy):
        unsure, exact = display.format_bits(entropy), f"{entropy + 0.0:.6f} bits"
    numbers = [said["prob_label"], said["bits_label"], rank, unsure]
    facts = [*said["facts"], ["entropy", exact]]
    return cells.row([str(i), [chip], *numbers, str(scored.ids[i])], facts)


def build(
    page: Page, state: gr.State, scored_of: Callable[[Any], ScoredText | None]
) -> tuple[tuple[Table, gr.Textbox], Callable[[Sequence[Any]], None]]:
    """Folded. ``scored_of(value)``: the text of the ``state``.

    Returns the table, whose rows can be picked, and the sheet; and a function that has both
    follow some events that set the state.
    """
    with gr.Accordion("All tokens in a table", open=False) as panel:
        gr.Markdown(HINT, elem_classes="lab-quiet")
        order = gr.Radio(ORDERS, value=IN_ORDER, label="Order")
        shown = Table(COLUMNS, name="All tokens", lines=LINES)
        copied = to_copy(TO_COPY, "lab-sheet", lines=2, max_lines=8)

    def reorder(engine: Engine, held: Any, chosen: str) -> tuple[Any, Any]:
        return follow(engine, scored_of(held), chosen, True)

    def follow_state(engine: Engine, held: Any, chosen: str, is_open: Any) -> tuple[Any, Any]:
        return follow(engine, scored_of(held), chosen, is_open)

    given = [state, order]
    both = [shown, copied]
    page.connect(order.input, reorder, given, both, latest_only=True, uses_model=False)
    together = while_open(page, panel, follow_state, given, both, uses_model=False)
    return (shown, copied), together

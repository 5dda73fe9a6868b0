"""Position by position: what stands there, and what was predicted there, from which row.

Makes the shift by one visible: row i-1 of the logits predicts token i. Knows nothing of how
a page shows a document.
"""

import math
from collections.abc import Iterator
from typing import Any

import gradio as gr

from core import display
from core.branches import Branches
from core.engines import Engine
from core.snippets_continuations import audit_code
from core.tokens import Candidate, Ids, ScoredText, Vocabulary, require_context
from demos.ui import cells, views
from demos.ui.component import Table
from demos.ui.events import Page
from demos.ui.panels import folded_code
from demos.ui.scoring import scoring
from demos.ui.views import Json
from demos.ui.writing import Desk

MOST_ROWS = 20
N_CONTEXT = 4  # tokens before a position that are spelt out
COLUMNS = {
    "position": "number",
    "logits row": "number",
    "after": "tokens",
    "stands there": "tokens",
    "its probability": "number",
    "its rank": "number",
    "predicted there": "tokens",
    "that one's probability": "number",
}
HINT = (
    "Row i−1 of the logits predicts token i: the model sees all tokens before a position, never "
    "the one that stands there. The first token has no row that predicts it."
)
View = tuple[Any, str]


def audit(engine: Engine, branches: Branches[Any], span: Any) -> Iterator[View]:
    """(table, code) of the positions around the selected one."""
    ids = branches.now.ids
    require_context(ids)
    position = views.picked_position(span, len(ids))
    start, stop = shown_positions(position, len(ids))
    known = ids[: min(stop, len(ids))]
    scored = yield from scoring(engine, known, lambda words: (gr.update(title=words, rows=[]), ""))
    rows = [_row(engine.vocabulary, scored, i, i == position) for i in range(start, len(known))]
    if stop > len(ids):
        given = engine.next(ids)
        best = given.candidate(int(given.top(1)[0]))
        rows.append(_next_row(engine.vocabulary, ids, best, position == len(ids)))
    yield (
        gr.update(title=_title(start, stop, len(ids)), rows=rows),
        audit_code(engine.info, known, start, stop),
    )


def shown_positions(position: int, n: int) -> tuple[int, int]:
    """start, stop of at most 20 positions around one of 0…n, where n is the next token's."""
    stop = min(n + 1, max(position + MOST_ROWS // 2, MOST_ROWS))
    return max(0, stop - MOST_ROWS), stop


def _title(start: int, stop: int, n: int) -> str:
    which = f"Positions {start:,} to {stop - 1:,} of a document of {n:,} tokens"
    after = f"; position {n:,} is the next token's" if stop > n else ""
    all_of_it = start == 0 and stop > n
    return which + after + ("" if all_of_it else ", around the one that is selected")


def _row(vocabulary: Vocabulary, scored: ScoredText, i: int, here: bool) -> Json:
    """Row ``i`` of a scored text; the selected one is marked."""
    stands = cells.tokens(vocabulary, [scored.ids[i]])
    tone = "here" if here else ""
    if not scored.predicted[i]:
        shown: list[cells.Cell] = [str(i), "none", "", stands, "no prediction", "", "", ""]
        return cells.row(shown, [["probability", display.NO_PREDICTION]], tone=tone)
    token, best = scored.candidate(i), float(scored.top_logprobs[i][0])
    shown = [
        str(i),
        str(i - 1),
        _before(vocabulary, scored.ids, i),
        stands,
        display.format_prob(math.exp(token.logprob)),
        "unknown" if token.rank is None else f"{token.rank:,}",
        cells.tokens(vocabulary, [int(scored.top_ids[i][0])]),
        display.format_prob(math.exp(best)),
    ]
    return cells.row(shown, _facts(token.logprob, best), tone=tone)


def _next_row(vocabulary: Vocabulary, ids: Ids, best: Candidate, here: bool) -> Json:
    """The row of the next token: predicted, and nothing stands there yet."""
    n, prob = len(ids), math.exp(best.logprob)
    shown: list[cells.Cell] = [
        str(n),
        str(n - 1),
        _before(vocabulary, ids, n),
        "nothing yet",
        "",
        "",
        cells.tokens(vocabulary, [best.id]),
        display.format_prob(prob),
    ]
    facts = [["predicted there", display.format_exact(prob)]]
    return cells.row(shown, facts, tone="here" if here else "")


def _before(vocabulary: Vocabulary, ids: Ids, i: int) -> list[Json]:
    left_out = [{"parts": [["text", "…"]]}] if i > N_CONTEXT else []
    return left_out + cells.tokens(vocabulary, ids[max(0, i - N_CONTEXT) : i])


def _facts(logprob: float, best: float) -> list[list[str]]:
    return [
        ["stands there", f"{display.format_exact(math.exp(logprob))}, log-prob {logprob:.6f}"],
        ["predicted there", f"{display.format_exact(math.exp(best))}, log-prob {best:.6f}"],
    ]


def build(page: Page, desk: Desk) -> None:
    """A button and the table: folded."""
    with gr.Accordion("Position audit: which row predicts which token", open=False):
        gr.Markdown(HINT, elem_classes="lab-quiet")
        with gr.Row(equal_height=True):
            go = gr.Button("Show the positions around the selected one", scale=4, min_width=150)
            stop = gr.Button("Stop scoring", scale=1, min_width=60)
        table = Table(COLUMNS, name="Position by position")
        code = folded_code("position by position")
    given = [desk.branches, desk.strip]
    running = page.connect(go.click, audit, given, [table, code])
    stop.click(None, cancels=[running], api_visibility="private")

"""The classifier inside: one context vector, a row for each token, and their products.

For the place that is selected in the strip, as long as the panel is unfolded. Knows nothing
of how a page shows a document.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from core import charts_inside, display
from core.branches import Branches
from core.engines import Engine
from core.errors import InputError
from core.inside import Inside, look_inside
from core.snippets_inside import inside_code
from core.tokens import Vocabulary
from demos.ui import cells, views
from demos.ui.component import Facts, Table
from demos.ui.events import Page
from demos.ui.glossary import fact
from demos.ui.panels import folded_code, while_open
from demos.ui.writing import N_LISTED, Desk, View

COLUMNS = {
    "token": "tokens",
    "length of e": "number",
    "h · e": "number",
    "logit": "number",
    "log-prob": "number",
    "p": "number",
}
FIRST = "The first token has nothing before it: there is no context vector and no prediction."


def show(engine: Engine, branches: Branches[Any], span: Any) -> View:
    """(sentence, facts, table, chart, code) of the place that is selected."""
    ids = branches.now.ids
    position = views.picked_position(span, len(ids))
    if position == 0:
        return _only(FIRST)
    context, chosen = ids[:position], ids[position] if position < len(ids) else None
    listing = views.Listing.of_distribution(engine.next(context), N_LISTED, chosen)
    listed = [entry.id for entry in listing.entries]
    try:
        found = look_inside(engine, context, listed)
    except InputError as why_not:  # some engines hold no model, so the panel says it for good
        return _only(str(why_not))
    title = views.position_title(engine.vocabulary, ids, position)
    table = gr.update(title=title, rows=_rows(engine.vocabulary, listed, found))
    chart = charts_inside.vector_values(found.hidden)
    code = inside_code(engine.info, context, listed, found)
    return (
        sentence(found, engine.info.vocab_size),
        gr.update(facts=_facts(found)),
        table,
        chart,
        code,
    )


def _only(words: str) -> View:
    return words, gr.update(facts=[]), gr.update(rows=[], title=""), None, ""


def follow(engine: Engine, branches: Branches[Any], span: Any, is_open: Any) -> View:
    """The panel after the view changed; as it was while it is folded."""
    return show(engine, branches, span) if is_open is True else (gr.skip(),) * 5


def sentence(found: Inside, vocab_size: int) -> str:
    """What h and e are and what is done to them, in words and this model's numbers."""
    n = f"{len(found.hidden):,}"
    rows = "which is also its input embedding" if found.tied else "apart from its input embedding"
    words = (
        f"Of all that stands before, the model has made one vector h of {n} numbers. "
        f"Every token of the vocabulary has a row e of {n} numbers, {rows}. "
        f"**{formula(found)}**, log-prob = logit − log-sum-exp over all {vocab_size:,} tokens, "
        "and p = exp(log-prob)."
    )
    if found.dtype == "float32":
        return words
    return (
        f"{words} This model runs in {found.dtype}, whose numbers have few digits: h · e is "
        "computed in float32 here, the logits are the model's own, rounded, and computed anew "
        "they can differ a little from the list above."
    )


def formula(found: Inside) -> str:
    """How a logit is made of h and e in this model."""
    inner = "h · e" if found.bias is None else "h · e + b"
    grouped = inner if found.bias is None else f"({inner})"
    if found.scale is not None:
        inner = grouped = f"{found.scale:g} · ({inner})"
    if found.softcap is None:
        return f"logit = {inner}"
    return f"logit = {found.softcap:g} · tanh({grouped} / {found.softcap:g})"


def _facts(found: Inside) -> list[views.Json]:
    exact = display.format_exact
    return [
        fact("context vector", f"{len(found.hidden):,} numbers"),
        fact("length of h", f"{found.hidden_norm:.2f}", exact(found.hidden_norm)),
        fact("log-sum-exp", f"{found.log_sum_exp:.4f}", exact(found.log_sum_exp)),
    ]


def _rows(vocabulary: Vocabulary, listed: list[int], found: Inside) -> list[views.Json]:
    """A row for each token: from its row's length to its probability, exact on hover."""
    exact = display.format_exact
    rows = []
    for i, token_id in enumerate(listed):
        logit, logprob = float(found.logits[i]), float(found.logprobs[i])
        norm, product = float(found.row_norms[i]), float(found.products[i])
        facts = [["length of e", exact(norm)], ["h · e", exact(product)]]
        facts += [] if found.bias is None else [["bias b", exact(float(found.bias[i]))]]
        facts += [["logit", exact(logit)], ["p", exact(math.exp(logprob))]]
        numbers = [f"{norm:.2f}", *(f"{number:.4f}" for number in (product, logit, logprob))]
        name = cells.tokens(vocabulary, [token_id])
        rows.append(cells.row([name, *numbers, f"{math.exp(logprob):.4g}"], facts))
    return rows


def build(page: Page, desk: Desk) -> Callable[[Sequence[Any]], None]:
    """Folded. Returns a function that has the panel follow some events."""
    with gr.Accordion("The classifier inside: logit = h · e", open=False) as panel:
        words = gr.Markdown("")
        facts = Facts()
        table = Table(COLUMNS, name="How each logit is made")
        chart = gr.Plot(show_label=False, container=False, elem_classes="lab-plot-onbars")
        code = folded_code("h, e and the logits")
    given, shown = [desk.branches, desk.strip], [words, facts, table, chart, code]
    return while_open(page, panel, follow, given, shown)

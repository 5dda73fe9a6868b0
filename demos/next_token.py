"""Next-Token: a document, the distribution of what comes next, and the click that picks it.

A student reads the most likely tokens, clicks one, and sees that a text is made by
nothing but this, again and again. Any token already there shows what it was chosen from.
"""

from collections.abc import Iterator

import gradio as gr

from core import charts
from core.branches import Branches
from core.document import Document
from core.engines import Engine
from core.snippets import next_token_code
from core.tokens import require_context
from demos import Demo
from demos.ui import (
    audit,
    beams,
    classifier,
    forcing,
    paths,
    places,
    recovery,
    views,
    what_if,
    writing,
)
from demos.ui.component import TokenStrip
from demos.ui.events import Page
from demos.ui.panels import examples, text_line
from demos.ui.writing import N_LISTED, View, Writing

LEAD = "Click a candidate to append it. Click any token to see what it was chosen from."
EXAMPLES = (
    "The capital of France is",
    "Once upon a time, there was a",
    "def fibonacci(n):\n    if n <",
    "The opposite of hot is",
)
RUN_LENGTH = 10


def start(engine: Engine, text: str) -> View:
    """A new document from a text, at its end."""
    ids = views.start_ids(engine, text)
    return show(engine, Branches.of(Document(ids)), len(ids))


def show(engine: Engine, branches: Branches[Document], position: int) -> View:
    """Everything the page shows of a document at a position (its length: the next token)."""
    document = branches.now
    require_context(document.ids)
    listing = views.position_view(engine, document.ids, position, N_LISTED)
    strip = gr.update(
        tokens=views.document_chips(engine.vocabulary, document),
        value={"start": position, "stop": position + 1},
    )
    tree = paths.update(engine.vocabulary, branches)
    context = document.ids[:position]
    if not context:
        return branches, strip, gr.update(**listing), gr.update(facts=[]), None, "", tree
    distribution = engine.next(context)
    facts = views.distribution_facts(distribution, listing["rest"])
    code = next_token_code(engine.info, context, N_LISTED)
    chart = charts.share_by_rank(distribution)
    return branches, strip, gr.update(**listing), gr.update(facts=facts), chart, code, tree


STEPS = Writing(show)


def always_the_top_one(engine: Engine, branches: Branches[Document]) -> Iterator[View]:
    """Append the most likely token, ten times, showing each."""
    require_context(branches.now.ids)
    for _ in range(places.room_after(engine.info, len(branches.now), RUN_LENGTH)):
        distribution = engine.next(branches.now.ids)
        best = distribution.candidate(distribution.top(1)[0])
        branches = branches.go(branches.now.pick(best))
        yield STEPS.look_at_end(engine, branches)


def reset(engine: Engine, branches: Branches[Document]) -> View:
    """Back to the text that was given, as a step that can be undone."""
    return STEPS.look_at_end(engine, branches.go(branches.first) if branches.at else branches)


def build(page: Page) -> None:
    """Input line, strip, candidates beside the chart; the rest folded away."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    text, use = text_line(EXAMPLES[0], "Document", "Use this text")
    with gr.Column(elem_classes="lab-writing"):
        strip = TokenStrip(name="The document, token by token", lines=3)
        top, stop, back, forth, again = writing.step_buttons(
            "Always the top one, ten times", "Reset"
        )
        desk = writing.place(Branches.of(Document()), strip)
    paths.build_comparison(page, desk.branches, desk.tree)
    prepared = examples(text, EXAMPLES)
    forcing.build(page, STEPS, desk)
    recovery.build(page, desk)
    what_if.build(page, desk)
    beams.build(page, desk)
    audit.build(page, desk)

    branches, outputs = [desk.branches], desk.outputs
    desk.shown += [page.connect(written.then, start, [text], outputs) for written in prepared]
    desk.shown += [
        page.connect(trigger, start, [text], outputs) for trigger in (use.click, text.submit)
    ]
    writing.connect(page, STEPS, desk, forth)
    desk.shown.append(page.connect(back.click, STEPS.undo, branches, outputs, latest_only=True))
    running = page.connect(top.click, always_the_top_one, branches, outputs)
    stopped = stop.click(None, cancels=[running], api_visibility="private")
    desk.shown += [
        running,
        page.connect(again.click, reset, branches, outputs),
        page.connect(stopped.then, STEPS.look_at_end, branches, outputs),
    ]
    writing.connect_lookahead(page, desk)
    classifier.build(page, desk)
    page.first_view(start, [text], outputs)


DEMO = Demo(slug="next-token", title="Next-Token", order=2, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

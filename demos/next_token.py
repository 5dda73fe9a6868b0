"""Next-Token: a document, the distribution of what comes next, and the click that picks it.

A student reads the most likely tokens, clicks one, and sees that a text is made by
nothing but this, again and again. Any token already there shows what it was chosen from.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from core import charts, limits
from core.branches import Branches
from core.document import Document
from core.engines import Engine
from core.link_states import NextTokenLink
from core.snippets import next_token_code
from core.tokens import require_context
from demos import Demo
from demos.ui import (
    audit,
    beams,
    classifier,
    forcing,
    given_text,
    link_row,
    links,
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


def link_of(
    engine: Engine, branches: Branches[Document], span: Any, text: str, n_ahead: Any
) -> NextTokenLink:
    """The page as a link says it: the document, what was picked, the place on show."""
    document = branches.now
    return NextTokenLink(
        **links.document_fields(engine, document, text),
        picks=tuple(sorted(document.picks)),
        **links.place_fields(span, len(document)),
        ahead=limits.check_whole_number(n_ahead, "Look ahead", 0, writing.MOST_AHEAD),
    )


def restore(engine: Engine, state: NextTokenLink) -> View:
    """(view…, text, tokens ahead) of a link; undo and reset lead to what was not picked."""
    text = state.text or EXAMPLES[0]
    document = links.document_of(engine, state, text)
    branches = Branches.of(document.given()).go(document)
    view = show(engine, branches, links.position_of(state, len(document)))
    view = writing.with_selection(engine, view, links.span_at(state, len(document)))
    return (*writing.with_ahead(engine, view, state.ahead), text, state.ahead)


def build(page: Page) -> None:
    """Input line, strip, candidates beside the chart; the rest folded away."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    opening = page.opening_text(DEMO.slug, EXAMPLES[0])
    text, use = text_line(opening, given_text.DOCUMENT.label, "Use this text")
    with gr.Column(elem_classes="lab-writing"):
        strip = TokenStrip(name="The document, token by token", lines=3)
        top, stop, back, forth, again = writing.step_buttons(
            "Always the top one, ten times", "Reset"
        )
        desk = writing.place(Branches.of(Document()), strip)
    follow_paths = paths.build_comparison(page, desk.branches, desk.tree)
    prepared = examples(text, EXAMPLES)
    forcing.build(page, STEPS, desk)
    recovery.build(page, desk)
    follow_what_if = what_if.build(page, desk)
    beams.build(page, desk)
    audit.build(page, desk)
    linked = [desk.branches, desk.strip, text, desk.n_ahead]
    link_row.build(page, link_of, linked)

    branches, outputs = [desk.branches], desk.outputs
    triggers = [*(written.then for written in prepared), use.click, text.submit]
    begun = [page.connect(trigger, start, [text], outputs) for trigger in triggers]
    desk.shown += begun
    given_text.connect(page, (text, use), desk.branches, lambda past: past.first.ids, begun)
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
    follow_paths(desk.shown)
    follow_classifier = classifier.build(page, desk)

    def follow(events: Sequence[Any]) -> None:
        follow_what_if(events)
        follow_classifier(events)

    follow(desk.shown)
    shown = [*outputs, text, desk.n_ahead]
    link_row.first_view(
        page, DEMO.slug, restore, shown, start, [text], then=lambda event: follow([event])
    )


DEMO = Demo(slug="next-token", title="Next-Token", order=2, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

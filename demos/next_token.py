"""Next-Token: a document, the distribution of what comes next, and the click that picks it.

A student reads the most likely tokens, clicks one, and sees that a text is made by
nothing but this, again and again. Any token already there shows what it was chosen from.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from core import charts
from core.document import Document, History
from core.engines import Engine
from core.errors import ContextTooLong
from core.limits import check_whole_number
from core.snippets import next_token_code
from core.tokens import require_context
from demos import Demo
from demos.ui import views
from demos.ui.component import CandidateList, Facts, Slider, TokenStrip
from demos.ui.events import Page
from demos.ui.panels import code_panel, examples, text_line

LEAD = "Click a candidate to append it. Click any token to see what it was chosen from."
EXAMPLES = (
    "The capital of France is",
    "Once upon a time, there was a",
    "def fibonacci(n):\n    if n <",
    "The opposite of hot is",
)
N_LISTED = 10
RUN_LENGTH = 10
MOST_AHEAD = 8
View = tuple[History[Document], Any, Any, Any, Any, str]


def start(engine: Engine, text: str) -> View:
    """A new document from a text, at its end."""
    ids = views.start_ids(engine, text)
    return show(engine, History(Document(ids)), len(ids))


def show(engine: Engine, history: History[Document], position: int) -> View:
    """Everything the page shows of a document at a position (its length: the next token)."""
    document = history.now
    require_context(document.ids)
    listing = views.position_view(engine, document.ids, position, N_LISTED)
    strip = gr.update(
        tokens=views.document_chips(engine.vocabulary, document),
        value={"start": position, "stop": position + 1},
    )
    context = document.ids[:position]
    if not context:
        return history, strip, gr.update(**listing), gr.update(facts=[]), None, ""
    distribution = engine.next(context)
    facts = views.distribution_facts(distribution, listing["rest"])
    code = next_token_code(engine.info, context, N_LISTED)
    chart = charts.share_by_rank(distribution)
    return history, strip, gr.update(**listing), gr.update(facts=facts), chart, code


def look(engine: Engine, history: History[Document], span: Any) -> View:
    """The distribution at the token that was clicked in the strip."""
    position = views.picked_position(span, len(history.now))
    return views.keep_selection(show(engine, history, position))


def choose(engine: Engine, history: History[Document], span: Any, pick: Any) -> View:
    """Append the clicked candidate; at an earlier token, go on from there instead."""
    document = history.now
    position = views.picked_position(span, len(document))
    token_id = views.picked_candidate(pick, document.ids[:position], engine.info.vocab_size)
    if token_id is None:
        return look(engine, history, span)
    picked = engine.next(document.ids[:position]).candidate(token_id)
    return look_at_end(engine, history.then(document.pick(picked, position)))


def always_the_top_one(engine: Engine, history: History[Document]) -> Iterator[View]:
    """Append the most likely token, ten times, showing each."""
    require_context(history.now.ids)
    room = engine.info.context_length - len(history.now)
    if room <= 0:
        raise ContextTooLong(len(history.now) + 1, engine.info.context_length)
    for _ in range(min(RUN_LENGTH, room)):
        distribution = engine.next(history.now.ids)
        best = distribution.candidate(distribution.top(1)[0])
        history = history.then(history.now.pick(best))
        yield look_at_end(engine, history)


def look_ahead(engine: Engine, history: History[Document], span: Any, n_ahead: Any) -> Any:
    """Under each listed candidate what greedy decoding would write after it."""
    n = check_whole_number(n_ahead, "number of tokens to look ahead", 0, MOST_AHEAD)
    document = history.now
    position = views.picked_position(span, len(document))
    return gr.update(ahead=views.ahead_of(engine, document.ids, position, N_LISTED, n))


def undo(engine: Engine, history: History[Document]) -> View:
    """One choice back."""
    return look_at_end(engine, history.undo())


def reset(engine: Engine, history: History[Document]) -> View:
    """Back to the text that was given, as a step that can be undone."""
    return look_at_end(engine, history.then(history.first) if history.past else history)


def look_at_end(engine: Engine, history: History[Document]) -> View:
    """The distribution of the next token, as after a stop."""
    return show(engine, history, len(history.now))


def build(page: Page) -> None:
    """Input line, strip, candidates beside the chart; the rest folded away."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    text, use = text_line(EXAMPLES[0], "Document", "Use this text")
    history = gr.State(History(Document()))
    strip = TokenStrip(name="The document, token by token", lines=3)
    with gr.Row():
        top = gr.Button("Always the top one, ten times", variant="primary", scale=3)
        back = gr.Button("Undo", scale=1, min_width=70)
        again = gr.Button("Reset", scale=1, min_width=70)
        stop = gr.Button("Stop", scale=1, min_width=70)
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            candidates = CandidateList(min_height=345)
            n_ahead = Slider(
                0, MOST_AHEAD, 0, step=1, label="Look ahead: tokens shown under each candidate"
            )
        with gr.Column(scale=5, min_width=300):
            facts = Facts(min_height=50)
            chart = gr.Plot(show_label=False, container=False)
    prepared = examples(text, EXAMPLES)
    code = code_panel()

    outputs = [history, strip, candidates, facts, chart, code]
    shown = [page.connect(written.then, start, [text], outputs) for written in prepared]
    shown.append(page.connect(use.click, start, [text], outputs))
    shown.append(page.connect(text.submit, start, [text], outputs))
    shown.append(page.connect(strip.pick, look, [history, strip], outputs, latest_only=True))
    picked = [history, strip, candidates]
    shown.append(page.connect(candidates.pick, choose, picked, outputs, latest_only=True))
    running = page.connect(top.click, always_the_top_one, [history], outputs)
    shown.append(running)
    shown.append(page.connect(back.click, undo, [history], outputs, latest_only=True))
    shown.append(page.connect(again.click, reset, [history], outputs))
    stopped = stop.click(None, cancels=[running], api_visibility="private")
    shown.append(page.connect(stopped.then, look_at_end, [history], outputs))
    for trigger in [n_ahead.input, *(event.then for event in shown)]:
        page.connect(trigger, look_ahead, [history, strip, n_ahead], [candidates], latest_only=True)
    page.first_view(start, [text], outputs)


DEMO = Demo(slug="next-token", title="Next-Token", order=2, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

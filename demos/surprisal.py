"""Surprisal: how surprising each token of a text is to the model, in bits.

A student reads a text by colour, clicks the dark places to see what was expected there,
and adds up the bits of a span to get to perplexity.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
import numpy as np

from core import api, charts
from core.engines import Engine
from core.errors import InputError
from core.link_states import SurprisalLink
from core.measures import measure
from core.snippets import surprisal_code
from core.tokens import Ids, ScoredText
from demos import Demo
from demos.ui import given_text, link_row, links, score_facts, token_table, views
from demos.ui.background import reporting
from demos.ui.component import CandidateList, Facts, Table, TokenStrip
from demos.ui.events import Page
from demos.ui.panels import code_panel, examples, heat_legend, text_box

LEAD = (
    "The stronger the colour, the more the token surprised the model. "
    "Click one, or drag over several."
)
EXAMPLES = (
    "The cat sat on the mat. The cat sat on the piano. The cat sat on the quadratic equation.",
    "To be, or not to be, that is the question.",
    "for i in range(10):\n    print(i)\n",
    "Colourless green ideas sleep furiously.",
    "Die Katze saß auf der Matte. 猫坐在垫子上。",
)
N_LISTED = 10
MARKS = given_text.Marks("Text", "Text: changed, not measured yet", "primary")
BEING_MEASURED = "The text is being measured: a token that has its colour can be clicked"
NOT_MEASURED = "This token is not measured yet"
N_GLIMPSES = 8  # of a long text while it is scored, after the first


@dataclass(frozen=True)
class Reading:
    """The state of the page: the text that was scored, and whether in float32 on request.

    ``rest``: the tokens after it that are not scored yet, or were not when it was stopped.
    ``span``: the tokens that a link leads to.
    """

    scored: ScoredText | None = None
    exact: bool = False
    rest: Ids = ()
    span: tuple[int, int] | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """The whole text, scored or not; none before there is one."""
        return (*self.scored.ids, *self.rest) if self.scored else ()


View = tuple[Reading, Any, Any, Any, Any, Any, Any, Any, Any]


def read(
    engine: Engine, text: str, *, exact: bool = False, span: tuple[int, int] | None = None
) -> Iterator[View]:
    """Score a text, colouring it as its numbers come, then show the whole of it."""
    ids = views.start_ids(engine, text)
    n_shown = 1  # the first token has no number
    for done in reporting(
        lambda report: engine.score(ids, top_n=N_LISTED, report=report, exact=exact)
    ):
        if isinstance(done, ScoredText):
            reading = Reading(done, exact, span=span)
            yield show(engine, reading) if n_shown == 1 else glimpse(engine, reading)
            continue
        part, total = done
        is_more = n_shown == 1 < len(part) or len(part) - n_shown > total / N_GLIMPSES
        if is_more and len(part) < total:
            reading = Reading(part, exact, ids[len(part) :], span)
            yield begun(engine, reading) if n_shown == 1 else glimpse(engine, reading)
            n_shown = len(part)


def opened(
    engine: Engine, text: str, *, exact: bool = False, span: tuple[int, int] | None = None
) -> Iterator[View]:
    """``read`` for a page that opens: it ends with the whole of the page but a selection.

    Of a tab that is not open Gradio keeps each part's last update alone.
    """
    for view in read(engine, text, exact=exact, span=span):
        yield view if view[0].rest else views.keep_selection(show(engine, view[0]))


def read_exactly(engine: Engine, text: str) -> Iterator[View]:
    """Score a text in float32 on a model that runs in less."""
    yield from read(engine, text, exact=True)


def offer_exact(engine: Engine) -> Any:
    """Show the button for float32 where the model runs in something else."""
    return gr.update(visible=engine.info.recomputes and engine.info.dtype != score_facts.EXACT)


def begun(engine: Engine, reading: Reading) -> View:
    """The first glimpse of a text that takes long: nothing is left of the one before."""
    strip, whole, chart, _ = _of_text(engine, reading)
    strip |= {"suggested": None, "value": None}
    blank = gr.update(**views.no_candidates(BEING_MEASURED))
    empty = token_table.empty(BEING_MEASURED)
    return reading, strip, whole, gr.update(facts=[]), blank, chart, "", *empty


def glimpse(engine: Engine, reading: Reading) -> View:
    """More of it: its numbers, and how far it is."""
    now, strip, *others = kept(engine, reading)
    return now, strip | {"suggested": None} if reading.rest else strip, *others


def kept(engine: Engine, reading: Reading) -> View:
    """A text on the page as far as it is scored; what is selected there, ``select`` answers."""
    strip, whole, chart, code = _of_text(engine, reading)
    return reading, strip, whole, gr.skip(), gr.skip(), chart, code, gr.skip(), gr.skip()


def show(engine: Engine, reading: Reading) -> View:
    """All but the table, which follows, with numbers of what is suggested: nothing is selected."""
    strip, whole, chart, code = _of_text(engine, reading)
    about = select(engine, reading, None)
    return reading, strip | {"value": None}, whole, *about, chart, code, gr.skip(), gr.skip()


def _of_text(engine: Engine, reading: Reading) -> tuple[Any, Any, Any, str]:
    """(strip, whole-text measures, chart, code), whatever is selected."""
    scored = reading.scored
    if scored is None:
        raise InputError("No text has been scored yet. Press “Measure” first.")
    tokens = engine.vocabulary.tokens(scored.ids)
    whole = measure(scored, tokens, 0, len(scored))
    rest, exactly = reading.rest, reading.exact
    computed = replace(engine.info, dtype=score_facts.EXACT) if exactly else engine.info
    chips = views.scored_chips(engine.vocabulary, scored, rest)
    return (
        gr.update(tokens=chips, suggested=_suggested(reading, scored)),
        gr.update(facts=score_facts.of_text(engine.info, whole, len(rest), exactly=exactly)),
        charts.bits_along(scored.surprisals_bits, tokens, "How surprising is each token?"),
        surprisal_code(computed, scored.ids),
    )


def select(engine: Engine, reading: Reading, span: Any) -> tuple[Any, Any]:
    """Measures of the span on show as far as it is scored, and what was predicted at its first.

    Of a span from the text's beginning, where nothing is predicted, at its last one.
    """
    scored = reading.scored
    if scored is None:
        return gr.update(facts=[]), gr.update(**views.no_candidates(""))
    start, stop = _on_show(reading, span)
    if reading.rest and start >= len(scored):
        return gr.update(facts=[]), gr.update(**views.no_candidates(NOT_MEASURED))
    n_selected, stop = stop - start, min(stop, len(scored))
    tokens = engine.vocabulary.tokens(scored.ids)
    facts = score_facts.of_span(measure(scored, tokens, start, stop), n_selected)
    at = start if start < stop and scored.predicted[start] else stop - 1
    if not scored.predicted[at]:
        return gr.update(facts=facts), gr.update(
            **views.no_candidates("Nothing stands before this token: no prediction")
        )
    listing = views.Listing.of_scored(scored, at, engine.info.vocab_size)
    title = views.position_title(engine.vocabulary, scored.ids, at)
    props = listing.props(engine.vocabulary, scored.ids[:at], title)
    return gr.update(facts=facts), gr.update(**props)


def go_to(engine: Engine, reading: Reading, pick: Any) -> tuple[Any, Any, Any]:
    """(facts, candidates, strip) of the token whose row in the table was clicked."""
    span = token_table.picked(pick, reading.scored)
    return *select(engine, reading, span), gr.update(value=span)


def link_of(engine: Engine, reading: Reading, span: Any, text: str) -> SurprisalLink:
    """The page as a link says it; what was scored only while it is the text in the box."""
    said = SurprisalLink(**links.made_with(engine), text=text)
    if not reading.ids or reading.ids != api.context_ids(engine, text):
        return said
    return replace(said, exact=reading.exact, span=_on_show(reading, span))


def restore(engine: Engine, state: SurprisalLink) -> Iterator[tuple[Any, ...]]:
    """(what ``read`` shows…, text) of a link, its span suggested."""
    text = state.text or EXAMPLES[0]
    for view in opened(engine, text, exact=state.exact, span=state.span):
        yield *view, text


def _on_show(reading: Reading, span: Any) -> tuple[int, int]:
    """The selected tokens start…stop-1 of a text that is scored; what is suggested for none."""
    if not span and reading.scored is not None:
        span = _suggested(reading, reading.scored)
    return views.picked_span(span, len(reading.ids))


def _suggested(reading: Reading, scored: ScoredText) -> dict[str, int]:
    """What a link leads to, else the most surprising token, so that the page has an answer."""
    at = int(np.argmax(np.nan_to_num(scored.surprisals_bits, nan=-1.0)))
    return links.selection(reading.span, len(reading.ids)) or {"start": at, "stop": at + 1}


def build(page: Page) -> None:
    """Text and strip; the selection's candidates beside its numbers; the chart below."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    with gr.Row(equal_height=True):
        opening = page.opening_text(DEMO.slug, EXAMPLES[0])
        text = text_box(opening, MARKS.label, lines=2, scale=5)
        with gr.Column(scale=1, min_width=120):
            go = gr.Button("Measure", variant="primary")
            stop = gr.Button("Stop")
            again = gr.Button("Recompute exactly", visible=False)
    reading = gr.State(Reading())
    strip = TokenStrip(name="The text, coloured by surprisal", min_height=72)
    heat_legend()
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            candidates = CandidateList(min_height=345, choosable=False)
        with gr.Column(scale=5, min_width=300):
            selected, whole = score_facts.place()
    chart = gr.Plot(show_label=False, container=False, elem_classes="lab-plot-onbars")
    prepared = examples(text, EXAMPLES)
    (table, sheet), follow_table = token_table.build(page, reading, lambda now: now.scored)
    code = code_panel()
    link_row.build(page, link_of, [reading, strip, text])

    outputs = [reading, strip, whole, selected, candidates, chart, code, table, sheet]
    scoring = [page.connect(written.then, read, [text], outputs) for written in prepared]
    scoring.append(page.connect(go.click, read, [text], outputs))
    scoring.append(page.connect(again.click, read_exactly, [text], outputs))
    stopped, *failed = _connect_stop(page, stop, scoring, reading, outputs)
    done = [*scoring, stopped]
    given_text.connect(page, (text, go), reading, lambda now: now.ids, done, MARKS)
    follow_selection = _connect_looks(page, reading, table, (strip, selected, candidates))
    follow_selection([*done, *failed])
    follow_table(done)

    def follow(event: Any) -> None:
        follow_selection([event])
        follow_table([event])

    link_row.first_view(page, DEMO.slug, restore, [*outputs, text], opened, [text], then=follow)
    page.first_view(offer_exact, [], [again])


def _connect_stop(
    page: Page, stop: gr.Button, scoring: Sequence[Any], reading: gr.State, outputs: list[Any]
) -> list[Any]:
    """The events after which the page is about what was scored by then: a stop, and failures."""
    over = stop.click(None, cancels=scoring, api_visibility="private")
    stopped = page.connect(over.then, kept, [reading], outputs, uses_model=False)
    failed = [
        page.connect(event.failure, kept, [reading], outputs, uses_model=False, quiet=True)
        for event in (*scoring, stopped)
    ]
    return [stopped, *failed]


def _connect_looks(
    page: Page,
    reading: gr.State,
    table: Table,
    shown: tuple[TokenStrip, Facts, CandidateList],
) -> Callable[[Sequence[Any]], None]:
    """What is selected, in the strip and by a row of the table; and a function that has it
    answered after some events."""
    strip, *about = shown
    looks = partial(page.connect, latest_only=True, uses_model=False)
    looks(strip.pick, select, [reading, strip], about)
    gone = looks(table.pick, go_to, [reading, table], [*about, strip])
    gone.success(None, js=token_table.TO_TOKEN, api_visibility="private")

    def follow(events: Sequence[Any]) -> None:
        for event in events:
            looks(event.then, select, [reading, strip], about)

    return follow


DEMO = Demo(slug="surprisal", title="Surprisal", order=4, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

"""Sampling: what temperature, top-k, top-p and min-p make of a distribution, and one draw.

A student moves a slider and sees which tokens are cut and how the rest grow, then where a
random number r falls, and that the same seed gives the same text.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
import numpy as np

from core import api, charts, display, limits
from core.document import Chosen, Document
from core.engines import Engine
from core.sampling import SampledDistribution, Sampler, generate, reshape, step_with
from core.snippets import sampling_code
from core.tokens import Distribution
from demos import Demo
from demos.ui import views
from demos.ui.component import CandidateList, Facts, TokenStrip
from demos.ui.events import Page
from demos.ui.glossary import fact
from demos.ui.panels import code_panel, examples, text_line

LEAD = "Move a slider, then draw: r picks the first token whose cumulative probability is above it."
EXAMPLES = (
    "The best thing about winter is",
    "Once upon a time, in a small village,",
    "My favourite colour is",
)
N_LISTED = 10


@dataclass(frozen=True)
class Draw:
    """How one token was chosen: the r that was drawn (None: greedy) and the sampler."""

    r: float | None
    sampler: Sampler


@dataclass(frozen=True)
class Bench:
    """The state of the page: a document, a draw for every chosen token, and what is on show.

    ``distribution`` is the model's at ``position``; ``r`` where the next draw falls;
    ``n_drawn`` counts draws so that each press of the button takes the seed's next number.
    """

    document: Document = field(default_factory=Document)
    draws: tuple[Draw, ...] = ()
    position: int = 0
    distribution: Distribution | None = None
    r: float = 0.5
    n_drawn: int = 0


View = tuple[Bench, Any, Any, Any, Any, Any, str]
Settings = tuple[float, float, float, float]


def start(engine: Engine, text: str, *settings: float) -> View:
    """A new document from a text, at its end."""
    document = Document(given=views.start_ids(engine, text))
    views.require_tokens(document.ids)
    return show(engine, _at(engine, Bench(document), len(document)), settings)


def _at(engine: Engine, bench: Bench, position: int) -> Bench:
    """The bench with the distribution of a position."""
    held = engine.next(bench.document.ids[:position]) if position else None
    return replace(bench, position=position, distribution=held)


def _draw_at(bench: Bench, position: int) -> Draw | None:
    """How the token at a position was drawn; None for a given token and for the end."""
    i = position - len(bench.document.given)
    return bench.draws[i] if 0 <= i < len(bench.draws) else None


def show(engine: Engine, bench: Bench, settings: tuple[float, ...]) -> View:
    """Everything the page shows; the model is not asked, the distribution is at hand."""
    strip = gr.update(
        tokens=views.document_chips(engine.vocabulary, bench.document),
        value={"start": bench.position, "stop": bench.position + 1},
    )
    if bench.distribution is None:
        blank = views.no_candidates("The first token has nothing before it: no prediction")
        return bench, strip, gr.update(**blank), gr.update(facts=[]), None, bench.r, ""
    drawn = _draw_at(bench, bench.position)
    drawn = drawn or Draw(bench.r, api.checked_sampler(engine, *settings))
    sampler = drawn.sampler
    sampled = reshape(bench.distribution, sampler)
    ids = bench.document.ids
    chosen = ids[bench.position] if bench.position < len(ids) else None
    listing = views.Listing.of_distribution(bench.distribution, N_LISTED, chosen)
    title = views.position_title(engine.vocabulary, ids, bench.position)
    context = ids[: bench.position]
    props = listing.props(engine.vocabulary, context, title, sampled)
    r = None if sampler.greedy else drawn.r
    code = sampling_code(engine.info, context, sampler, r)
    facts = _facts(engine, bench.distribution, sampled, sampler, r)
    chart = charts.draw_bar(sampled, engine.vocabulary, r)
    return (
        bench,
        strip,
        gr.update(**props),
        gr.update(facts=facts),
        chart,
        bench.r if r is None else r,
        code,
    )


def _facts(
    engine: Engine,
    distribution: Distribution,
    sampled: SampledDistribution,
    sampler: Sampler,
    r: float | None,
) -> list[dict[str, str]]:
    """What r hits and what each stage left."""
    step = step_with(distribution, sampler, r)
    hit = display.label(engine.vocabulary.token(step.id))
    name = "greedy takes" if r is None else f"r = {r:.4f} hits"
    mass = sampled.stages[-1].model_mass if sampled.stages else 1.0
    stages = "; ".join(
        f"{stage.name}: {stage.n_kept:,} left, {display.format_prob(stage.model_mass)} of the mass"
        for stage in sampled.stages
    )
    return [
        fact(name, hit, f"sampler's p {display.format_exact(step.sampler_prob)}"),
        fact("kept", f"{len(sampled.ids):,}", stages or "no stage is on"),
        fact("mass kept", display.format_prob(mass), display.format_exact(mass)),
    ]


def reshaped(engine: Engine, bench: Bench, *settings: float) -> View:
    """A slider moved: the same distribution through other settings, always at the end."""
    if bench.position < len(bench.document):
        bench = _at(engine, bench, len(bench.document))
    return show(engine, bench, settings)


def set_r(engine: Engine, bench: Bench, r: float, *settings: float) -> View:
    """r moved by hand."""
    r = min(max(limits.check_number(r, "r"), 0.0), float(np.nextafter(1.0, 0.0)))
    return reshaped(engine, replace(bench, r=r), *settings)


def draw(engine: Engine, bench: Bench, seed: float, *settings: float) -> View:
    """Take the seed's next r and show which token it hits."""
    sampler = api.checked_sampler(engine, *settings)
    views.require_tokens(bench.document.ids)
    bench = _at(engine, bench, len(bench.document))
    numbers = np.random.default_rng(api.checked_seed(seed)).random(bench.n_drawn + 1)
    bench = replace(bench, r=float(numbers[-1]), n_drawn=bench.n_drawn + 1)
    return show(engine, bench, _settings_of(sampler))


def append(engine: Engine, bench: Bench, *settings: float) -> View:
    """Append the token that r hits."""
    sampler = api.checked_sampler(engine, *settings)
    views.require_tokens(bench.document.ids)
    distribution = engine.next(bench.document.ids)
    r = None if sampler.greedy else bench.r
    step = step_with(distribution, sampler, r)
    bench = _appended(bench, Chosen(step.id, step.logprob, step.rank), Draw(r, sampler))
    return show(engine, _at(engine, bench, len(bench.document)), settings)


def _settings_of(sampler: Sampler) -> Settings:
    return sampler.temperature, sampler.top_k, sampler.top_p, sampler.min_p


def _appended(bench: Bench, token: Chosen, drawn: Draw) -> Bench:
    return replace(bench, document=bench.document.choose(token), draws=(*bench.draws, drawn))


def run_on(
    engine: Engine, bench: Bench, seed: float, n_tokens: float, *settings: float
) -> Iterator[View]:
    """From the given text anew, append tokens with a seed until the end or ``n_tokens``."""
    sampler = api.checked_sampler(engine, *settings)
    n = limits.check_whole_number(n_tokens, "The number of tokens", 1, limits.MAX_NEW_TOKENS)
    rng = np.random.default_rng(api.checked_seed(seed))
    bench = Bench(Document(given=bench.document.given), r=bench.r)
    views.require_tokens(bench.document.ids)
    for step in generate(engine.next, bench.document.ids, sampler, rng, n, engine.info.stop_ids):
        bench = _appended(bench, Chosen(step.id, step.logprob, step.rank), Draw(step.r, sampler))
        bench = _at(engine, bench, len(bench.document) - 1)
        yield show(engine, bench, settings)


def look(engine: Engine, bench: Bench, span: Any, *settings: float) -> View:
    """The step that chose the clicked token, with its own r and sampler."""
    position = views.picked_position(span, len(bench.document))
    return views.keep_selection(show(engine, _at(engine, bench, position), settings))


def _sliders() -> list[gr.Slider]:
    """Temperature, top-k, top-p and min-p, in the order in which they are applied."""
    with gr.Row(elem_classes="lab-sliders"):
        temperature = gr.Slider(0, 2, 1, step=0.05, label="Temperature", min_width=190)
        top_k = gr.Slider(0, 100, 0, step=1, label="top-k (0: off)", min_width=190)
    with gr.Row(elem_classes="lab-sliders"):
        top_p = gr.Slider(0.01, 1, 0.9, step=0.01, label="top-p (1: off)", min_width=190)
        min_p = gr.Slider(0, 0.5, 0, step=0.01, label="min-p (0: off)", min_width=190)
    return [temperature, top_k, top_p, min_p]


def build(page: Page) -> None:
    """Text and strip; candidates beside the sliders; the draw below both."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    text, use = text_line(EXAMPLES[0], "Document", "Use this text")
    bench = gr.State(Bench())
    strip = TokenStrip(name="The document, token by token", lines=3)
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            candidates = CandidateList(min_height=345, choosable=False)
        with gr.Column(scale=6, min_width=320):
            settings = _sliders()
            facts = Facts(min_height=46)
            bar = gr.Plot(show_label=False, container=False)
            with gr.Row(equal_height=True, elem_classes="lab-sliders"):
                r = gr.Slider(0, 0.9999, 0.5, step=0.0001, label="r", scale=3, min_width=190)
                take = gr.Button("Draw r", variant="primary", scale=1, min_width=80)
                add = gr.Button("Append it", scale=1, min_width=80)
    with gr.Row(equal_height=True):
        seed = gr.Number(1, label="Seed", precision=0, scale=1, min_width=90)
        n_tokens = gr.Slider(1, 100, 20, step=1, label="Tokens", scale=3, min_width=160)
        go = gr.Button("Generate", variant="primary", scale=1, min_width=90)
        stop = gr.Button("Stop", scale=1, min_width=60)
    prepared = examples(text, EXAMPLES)
    code = code_panel()

    outputs = [bench, strip, candidates, facts, bar, r, code]
    for written in prepared:
        page.connect(written.then, start, [text, *settings], outputs)
    page.connect(use.click, start, [text, *settings], outputs)
    page.connect(text.submit, start, [text, *settings], outputs)
    for slider in settings:
        page.connect(
            slider.input, reshaped, [bench, *settings], outputs, latest_only=True, uses_model=False
        )
    page.connect(r.input, set_r, [bench, r, *settings], outputs, latest_only=True, uses_model=False)
    page.connect(strip.pick, look, [bench, strip, *settings], outputs, latest_only=True)
    page.connect(take.click, draw, [bench, seed, *settings], outputs, latest_only=True)
    page.connect(add.click, append, [bench, *settings], outputs, latest_only=True)
    running = page.connect(go.click, run_on, [bench, seed, n_tokens, *settings], outputs)
    stop.click(None, cancels=[running], api_visibility="private")
    page.first_view(start, [text, *settings], outputs)


DEMO = Demo(slug="sampling", title="Sampling", order=3, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

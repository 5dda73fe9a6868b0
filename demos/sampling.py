"""Sampling: what temperature, top-k, top-p and min-p make of a distribution, and one draw.

A student moves a slider and sees which tokens are cut and how the rest grow, then where a
random number r falls, and that the same seed gives the same text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import gradio as gr
import numpy as np

from core import api, charts, display, limits
from core.document import Document
from core.engines import Engine
from core.link_fields import Drawn
from core.link_states import SamplingLink
from core.sampling import SampledDistribution, Sampler, Step, generate, reshape, step_with
from core.snippets import sampling_code
from core.tokens import Distribution, require_context
from demos import Demo
from demos.ui import given_text, link_row, links, sampler_sliders, views
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
    """The state of the page: a document, the draw of every picked token, and what is on show.

    ``distribution`` is the model's at ``position``; ``r`` where the next draw falls.
    ``n_drawn`` counts the draws with ``seed``, so that each press takes its next number.
    ``settings``: where the sliders stood.
    """

    document: Document = field(default_factory=Document)
    draws: Mapping[int, Draw] = field(default_factory=dict)
    position: int = 0
    distribution: Distribution | None = None
    r: float = 0.5
    seed: int = -1
    n_drawn: int = 0
    settings: tuple[Any, ...] = ()


Shown = tuple[Any, Any, Any, str]
View = tuple[Bench, Any, Any, Any, Any, str, Any]


def start(engine: Engine, text: str, *settings: Any) -> View:
    """A new document from a text, at its end."""
    document = Document(views.start_ids(engine, text))
    return show(engine, _at(engine, Bench(document), len(document)), settings)


def _at(engine: Engine, bench: Bench, position: int) -> Bench:
    """The bench with the distribution of a position, and the r that was drawn there."""
    held = engine.next(bench.document.ids[:position]) if position else None
    drawn = bench.draws.get(position)
    r = drawn.r if drawn is not None and drawn.r is not None else bench.r
    return replace(bench, position=position, distribution=held, r=r)


def show(engine: Engine, bench: Bench, settings: Sequence[Any]) -> View:
    """Everything the page shows; a token that was drawn, with the sampler that drew it."""
    strip = gr.update(
        tokens=views.document_chips(engine.vocabulary, bench.document),
        value={"start": bench.position, "stop": bench.position + 1},
    )
    drawn = bench.draws.get(bench.position)
    sampler = drawn.sampler if drawn else api.checked_sampler(engine, *settings)
    bench = replace(bench, settings=tuple(settings))
    return bench, strip, *_through(engine, bench, sampler), bench.r


def reshaped(engine: Engine, bench: Bench, *settings: Any) -> Shown:
    """A slider moved: the distribution at hand through other settings; no model is asked."""
    return _through(engine, bench, api.checked_sampler(engine, *settings))


def caught_up(engine: Engine, bench: Bench, *settings: Any) -> Shown:
    """``reshaped`` for a slider that has moved while what is on show was computed."""
    return (gr.skip(),) * 4 if settings == bench.settings else reshaped(engine, bench, *settings)


def _through(engine: Engine, bench: Bench, sampler: Sampler) -> Shown:
    """(candidates, facts, chart, code) of the distribution at hand through a sampler."""
    if bench.distribution is None:
        blank = views.no_candidates("The first token has nothing before it: no prediction")
        return gr.update(**blank), gr.update(facts=[]), None, ""
    ids, context = bench.document.ids, bench.document.ids[: bench.position]
    sampled = reshape(bench.distribution, sampler)
    listing = views.listing_at(engine, bench.distribution, ids, bench.position, N_LISTED)
    title = views.position_title(engine.vocabulary, ids, bench.position)
    props = listing.props(engine.vocabulary, context, title, sampled)
    r = None if sampler.greedy else bench.r
    facts = _facts(engine, bench.distribution, sampled, sampler, r)
    chart = charts.draw_bar(sampled, engine.vocabulary, r)
    code = sampling_code(engine.info, context, sampler, r)
    return gr.update(**props), gr.update(facts=facts), chart, code


def _facts(
    engine: Engine,
    distribution: Distribution,
    sampled: SampledDistribution,
    sampler: Sampler,
    r: float | None,
) -> list[dict[str, str]]:
    """What r hits and what each stage left."""
    step = step_with(distribution, sampler, r)
    hit = display.label(engine.vocabulary.token(step.token.id))
    name = "greedy takes" if r is None else f"r = {r:.4f} hits"
    mass = sampled.stages[-1].model_mass if sampled.stages else 1.0
    stages = "; ".join(
        f"{stage.name}: {stage.n_kept:,} left, {display.format_prob(stage.model_mass)} of the mass"
        for stage in sampled.stages
    )
    unsure = [] if sampled.exact else [fact("not exact", *_why_not_exact(distribution))]
    return [
        *unsure,
        fact(name, hit, f"sampler's p {display.format_exact(step.sampler_prob)}"),
        fact("kept", f"{len(sampled.ids):,}", stages or "no stage is on"),
        fact("model's mass kept", display.format_prob(mass), display.format_exact(mass)),
    ]


def _why_not_exact(distribution: Distribution) -> tuple[str, str]:
    """Which tokens can be drawn at all from a distribution whose tail is unknown, and why."""
    why = f"{views.only_most_likely(distribution)}, and only those can be drawn here"
    return f"only {len(distribution.order):,} tokens are known", why


def look_at_end(engine: Engine, bench: Bench, *settings: Any) -> View:
    """The distribution of the next token, as after a stop."""
    return show(engine, _at_end(engine, bench), settings)


def set_r(engine: Engine, bench: Bench, r: Any, *settings: Any) -> View:
    """r moved by hand, at the end of the document; its slider stays, which may have moved on."""
    below_one = float(np.nextafter(1.0, 0.0))
    allowed = min(max(limits.check_number(r, "r"), 0.0), below_one)
    *view, _ = show(engine, replace(_at_end(engine, bench), r=allowed), settings)
    return *view, gr.skip() if allowed == r else allowed


def _at_end(engine: Engine, bench: Bench) -> Bench:
    require_context(bench.document.ids)
    return _at(engine, bench, len(bench.document))


def draw(engine: Engine, bench: Bench, seed: Any, *settings: Any) -> View:
    """Take the seed's next r and show which token it hits."""
    seed = api.checked_seed(seed)
    n_drawn = bench.n_drawn + 1 if seed == bench.seed else 1
    r = float(np.random.default_rng(seed).random(n_drawn)[-1])
    bench = replace(_at_end(engine, bench), r=r, seed=seed, n_drawn=n_drawn)
    return show(engine, bench, settings)


def append(engine: Engine, bench: Bench, *settings: Any) -> View:
    """Append the token that r hits."""
    sampler = api.checked_sampler(engine, *settings)
    bench = _at_end(engine, bench)
    step = step_with(engine.next(bench.document.ids), sampler, None if sampler.greedy else bench.r)
    return show(engine, _at_end(engine, _appended(bench, step, sampler)), settings)


def _appended(bench: Bench, step: Step, sampler: Sampler) -> Bench:
    draws = {**bench.draws, len(bench.document): Draw(step.r, sampler)}
    return replace(bench, document=bench.document.pick(step.token), draws=draws)


def run_on(
    engine: Engine, bench: Bench, seed: Any, n_tokens: Any, *settings: Any
) -> Iterator[View]:
    """From the given text anew, append tokens with a seed until the end or ``n_tokens``."""
    sampler = api.checked_sampler(engine, *settings)
    n = limits.check_whole_number(n_tokens, "The number of tokens", 1, limits.MAX_NEW_TOKENS)
    rng = np.random.default_rng(api.checked_seed(seed))
    given = bench.document.given().ids
    require_context(given)
    bench, info = Bench(Document(given), r=bench.r), engine.info
    for step in generate(engine.next, given, sampler, rng, n, info.stop_ids, info.context_length):
        bench = _appended(bench, step, sampler)
        bench = _at(engine, bench, len(bench.document) - 1)
        yield show(engine, bench, settings)


def look(engine: Engine, bench: Bench, span: Any, *settings: Any) -> View:
    """The step that chose the clicked token, with its own r and sampler."""
    position = views.picked_position(span, len(bench.document))
    return views.of_pick(show(engine, _at(engine, bench, position), settings), span)


def link_of(
    engine: Engine, bench: Bench, text: str, seed: Any, n_tokens: Any, *settings: Any
) -> SamplingLink:
    """The page as a link says it: every draw, and where the next one stands."""
    seed, sampler = api.checked_seed(seed), api.checked_sampler(engine, *settings)
    return SamplingLink(
        **links.document_fields(engine, bench.document, text),
        **vars(sampler),
        at=links.place(bench.position, len(bench.document)),
        draws=tuple(Drawn(at, d.r, d.sampler) for at, d in sorted(bench.draws.items())),
        r=bench.r,
        seed=seed,
        drawn=bench.n_drawn if seed == bench.seed else 0,
        tokens=limits.check_whole_number(n_tokens, "Tokens", 1, limits.MAX_NEW_TOKENS),
    )


def restore(engine: Engine, state: SamplingLink) -> tuple[Any, ...]:
    """(view…, text, seed, tokens, sliders…) of a link; its r's are kept, not drawn again."""
    text, draws = state.text or EXAMPLES[0], {d.at: Draw(d.r, d.sampler) for d in state.draws}
    ids = state.ids or views.start_ids(engine, text)
    document = Document(ids, links.picks_of(engine, ids, tuple(draws)))
    bench = Bench(document, draws, r=state.r, seed=state.seed, n_drawn=state.drawn)
    bench = _at(engine, bench, links.position_of(state, len(ids)))
    sliders = (state.temperature, state.top_k, state.top_p, state.min_p)
    return *show(engine, bench, sliders), text, state.seed, state.tokens, *sliders


def build(page: Page) -> None:
    """Text and strip; candidates beside the sliders; the draw below both."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    opening = page.opening_text(DEMO.slug, EXAMPLES[0])
    text, use = text_line(opening, given_text.DOCUMENT.label, "Use this text")
    bench = gr.State(Bench())
    strip = TokenStrip(name="The document, token by token", lines=3)
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            candidates = CandidateList(min_height=345, choosable=False)
        with gr.Column(scale=6, min_width=320):
            settings = sampler_sliders.place()
            facts = Facts(min_height=46)
            bar = gr.Plot(show_label=False, container=False)
            r, take, add = sampler_sliders.place_draw()
    seed, n_tokens, go, stop = sampler_sliders.place_run()
    prepared = examples(text, EXAMPLES)
    code = code_panel()
    boxes = [text, seed, n_tokens, *settings]
    link_row.build(page, link_of, [bench, *boxes])

    shown = [candidates, facts, bar, code]
    outputs = [bench, strip, *shown, r]
    triggers = [*(written.then for written in prepared), use.click, text.submit]
    begun = [page.connect(trigger, start, [text, *settings], outputs) for trigger in triggers]
    given_text.connect(page, (text, use), bench, lambda now: now.document.given().ids, begun)
    running = page.connect(go.click, run_on, [bench, seed, n_tokens, *settings], outputs)
    stopped = stop.click(None, cancels=[running], api_visibility="private")
    steps = partial(page.connect, outputs=outputs, latest_only=True)
    done = [
        *begun,
        running,
        page.connect(stopped.then, look_at_end, [bench, *settings], outputs),
        steps(r.input, set_r, [bench, r, *settings], gives_way=True),
        steps(strip.pick, look, [bench, strip, *settings], gives_way=True),
        steps(take.click, draw, [bench, seed, *settings]),
        steps(add.click, append, [bench, *settings]),
    ]
    looks = (reshaped, caught_up)
    follow_sliders = sampler_sliders.connect(page, settings, bench, shown, looks)
    follow_sliders(done)
    opened = [*outputs, *boxes]
    link_row.first_view(
        page, DEMO.slug, restore, opened, start, [text, *settings],
        then=lambda event: follow_sliders([event]),
    )  # fmt: skip


DEMO = Demo(slug="sampling", title="Sampling", order=3, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

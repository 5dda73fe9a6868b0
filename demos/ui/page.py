"""Composing pages: the header that follows start-up, tabs, one page per demo, launching.

Every page, the tabs and a demo alone, is made and launched here, so all look alike.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from core.config import Settings
from core.course import Course, read_course
from core.engines import ModelInfo, open_engine
from core.errors import ConfigError
from core.progress import Progress
from core.questions import with_question
from demos import Demo, discover
from demos.ui import questions, theme
from demos.ui.api import register_api
from demos.ui.arrivals import app_kwargs
from demos.ui.component import StatusBar
from demos.ui.events import Page
from demos.ui.lab import Lab
from demos.ui.lending import open_and_lend, tell
from demos.ui.link_row import linked_tab
from demos.ui.mcp import answer_in_json, check_mcp

POLL_SECONDS = 0.5
QUEUE_SIZE = 4096  # waiting events of all visitors together
MODEL_AT_ONCE = 40  # events at the engine together, which joins their work; the others queue
MOST_THREADS = 64  # some are left for what needs no model
CUTS_TEXTS = "The Tokenizer works already."
MOST_SESSIONS = 1000  # half a megabyte each and more; the longest unused go first


def make_lab() -> Lab:
    """Read the environment and the course; a bad setting ends the program.

    The engine is opened by ``launch``.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("httpx", "httpx2", "transformers", "accelerate", "mcp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = Settings.from_env()
        course = course_of(settings)
        if settings.mcp:
            check_mcp()
    except ConfigError as error:
        raise SystemExit(f"Token Lab can't start: {error}") from error
    settings = replace(settings, model=settings.model or course.model)
    lab = Lab(
        lambda report: open_engine(settings, report, tell, lab.offer),
        course,
        gpu_is_lent=settings.zero_gpu,
        mcp=settings.mcp,
    )
    return lab


def course_of(settings: Settings) -> Course:
    """The course that the settings name, about the demos there are. Raises ConfigError."""
    if settings.course is None:
        return Course()
    return read_course(settings.course, [demo.slug for demo in discover()])


def build_app(demos: Sequence[Demo], lab: Lab) -> gr.Blocks:
    """Tabs with every demo of the course on ``/``, each alone on its own path, and the API."""
    by_slug = {demo.slug: demo for demo in demos}
    demos = [by_slug[slug] for slug in lab.course.demos] or demos
    with gr.Blocks(title=lab.course.title, analytics_enabled=False, fill_width=True) as app:
        page = Page(lab, _header(lab), demos[0].slug, on_tabs=True)
        questions.place(app, lab.course, [demo.slug for demo in demos])
        with gr.Tabs(elem_id="demos") as tabs:
            for demo in demos:
                with gr.Tab(demo.title, id=demo.slug, render_children=True):
                    demo.build(page)

        def open_tab(request: gr.Request) -> Any:
            slug = linked_tab(with_question(lab.course, request.query_params))
            here = slug in [demo.slug for demo in demos]
            return gr.Tabs(selected=slug) if here else gr.skip()

        app.load(
            open_tab, outputs=tabs, queue=False, show_progress="hidden", api_visibility="private"
        )
        _come_alive(app, page)
        register_api(lab)
    for demo in demos:
        with app.route(demo.title, f"/{demo.slug}", show_in_navbar=False):
            _build_page(app, demo, lab, beside=True)
    return app


def build_single(demo: Demo, lab: Lab) -> gr.Blocks:
    """One demo alone, as ``python -m demos.<name>`` shows it."""
    with gr.Blocks(title=f"{demo.title} · {lab.course.title}", analytics_enabled=False) as app:
        _build_page(app, demo, lab)
        register_api(lab)
    return app


def _build_page(app: gr.Blocks, demo: Demo, lab: Lab, *, beside: bool = False) -> None:
    page = Page(lab, _header(lab), demo.slug)
    questions.place(app, lab.course, [demo.slug], beside=beside)
    with gr.Column(elem_classes="lab-demo"):
        demo.build(page)
    _come_alive(app, page)


def launch(app: gr.Blocks, lab: Lab) -> None:
    """Serve the page with the look and the limits of Token Lab, then open the engine behind it.

    In this order: opened side by side they share one interpreter, and the page waits as
    long as the model. But where a GPU is lent, ``launch`` takes what is on it then.
    """
    if lab.gpu_is_lent:
        open_and_lend(lab)
    app.queue(max_size=QUEUE_SIZE, default_concurrency_limit=MODEL_AT_ONCE)
    app.launch(
        theme=theme.THEME,
        css=theme.css(),
        head=theme.HEAD,
        footer_links=["api", "settings"],
        show_error=True,
        state_session_capacity=MOST_SESSIONS,
        ssr_mode=False,
        max_threads=MOST_THREADS,
        mcp_server=lab.mcp,
        prevent_thread_lock=True,
        app_kwargs=app_kwargs(),
    )
    if lab.mcp:
        answer_in_json(app)
    if not lab.gpu_is_lent:
        lab.start()
    app.block_thread()


def run(demo: Demo) -> None:
    """What ``python -m demos.<name>`` does."""
    lab = make_lab()
    launch(build_single(demo, lab), lab)


def _header(lab: Lab) -> StatusBar:
    return StatusBar(title=lab.course.title, elem_id="status")


def _come_alive(app: gr.Blocks, page: Page) -> None:
    """Follow start-up in the header, and show every demo's first view as soon as it can be.

    A timer asks, briefly, again and again: a stream would hold one of the server's few
    places for as long as the model takes to load.
    """
    cuts_texts, ready = gr.State(False), gr.State(False)
    clock = gr.Timer(POLL_SECONDS)

    def follow(request: gr.Request) -> tuple[Any, Any, Any, bool, Any]:
        query = with_question(page.lab.course, request.query_params)
        return *state_of_start(), {"demo": page.home} | query

    def state_of_start() -> tuple[Any, Any, Any, bool]:
        lab, off = page.lab, gr.Timer(active=False)
        if lab.ready:
            return gr.update(busy="", **describe(lab.engine().info)), off, True, True
        if lab.failure:
            return gr.update(busy=lab.failure, fraction=None, failed=True), off, gr.skip(), False
        cuts, fraction = lab.cuts_texts, fraction_of(lab.progress)
        said = " ".join([lab.progress.sentence] + [CUTS_TEXTS] * bool(cuts and page.text_views))
        return gr.update(busy=said, fraction=fraction), gr.skip(), cuts, False

    # one event, or two answers under way would each show every first view; and queued, or
    # Gradio would not notice that the state changed
    gr.on(
        [app.load, clock.tick], follow,
        outputs=[page.bar, clock, cuts_texts, ready, page.query],
        concurrency_limit=None, trigger_mode="once",
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    for connect in page.text_views:
        connect(cuts_texts.change)
    for connect in page.first_views:
        connect(ready.change)


def describe(info: ModelInfo) -> dict[str, Any]:
    """What the header says of a model."""
    return {
        "model": info.name,
        "details": [
            ["runs on", f"{info.device}, {info.dtype}"],
            ["weights", info.source],
            ["licence", info.licence],
            ["vocabulary", f"{info.vocab_size:,} tokens"],
        ],
        "note": info.note,
        "remedy": info.remedy,
    }


def fraction_of(progress: Progress) -> float | None:
    """How much is done, 0…1; None when the total is not known."""
    return progress.done / progress.total if progress.total else None

"""From ``python app.py`` to live demos: the lab, the wiring, long work, and discovery."""

import asyncio
import gc
import html
import logging
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest
import serving
from handling import assert_sentence, visitor

from core.engines.toy import ToyEngine
from core.errors import InputError, LabError
from core.progress import Progress
from demos import discover
from demos.ui.api import PublicApi
from demos.ui.background import paced, reporting
from demos.ui.component import Number, Slider, StatusBar
from demos.ui.events import Page, bind, with_few_charts
from demos.ui.glossary import GLOSSARY, as_markdown
from demos.ui.lab import Lab
from demos.ui.page import CUTS_TEXTS, build_app, build_single, make_lab
from demos.ui.quick_start import uncollected

SECONDS = 20


def run(coroutine):
    """What a coroutine returns."""
    return asyncio.run(asyncio.wait_for(coroutine, SECONDS))


def built(build, *values):
    """A page built in a running event loop: without one Gradio opens one and leaves it open."""

    async def building():
        return build(*values)

    return run(building())


def waited(lab):
    """The lab, once there is an engine or can be none."""
    run(lab.wait())
    return lab


def opened(engine=None):
    """A lab whose engine is there."""
    return waited(Lab(lambda report: engine or ToyEngine()).start())


@pytest.fixture
def loading():
    """A lab that loads until its gate is opened."""
    gate, fetching = threading.Event(), threading.Event()

    def open_engine(report):
        report(Progress("Fetching", 10, 93, "MB"))
        fetching.set()
        gate.wait(SECONDS)
        return ToyEngine()

    lab = Lab(open_engine)
    lab.gate, lab.fetching = gate, fetching
    yield lab
    gate.set()


def no_engine(report):
    raise LabError("There is no such model. Set LAB_MODEL to another.")


def test_gradio_parses_no_component_for_a_stub_file():
    """The page imports Gradio without the one step that looks for the source of each class."""
    code = "import ast; ast.get_source_segment = None; import demos.ui; print('imported')"
    command = [sys.executable, "-c", code]
    seen = subprocess.run(command, cwd=serving.ROOT, capture_output=True, text=True, check=True)
    assert seen.stdout == "imported\n"


def test_what_is_made_at_the_start_is_never_collected():
    """The collector is off while something is made and on after it, even after a failure."""
    with uncollected():
        assert not gc.isenabled()
    with pytest.raises(LabError), uncollected():
        no_engine(None)
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_asking_for_the_engine_never_waits(loading):
    """Before the engine is open whoever asks gets a sentence at once; then all get the same one."""
    for lab in (loading, loading.start()):
        for _ in range(3):
            with pytest.raises(LabError, match="not ready yet") as error:
                lab.engine()
            assert_sentence(error)
    assert not loading.ready
    loading.gate.set()
    waited(loading)
    assert loading.ready
    assert loading.engine() is loading.engine()


def test_the_sentence_while_loading_says_what_is_going_on(loading):
    """The stage of the start-up, and that nothing typed is lost."""
    loading.start()
    assert loading.fetching.wait(SECONDS)
    with pytest.raises(LabError, match=r"Fetching: 10 of 93 MB.* typed is kept; try again"):
        loading.engine()


def test_waiting_holds_no_thread(loading):
    """A class that waits for the model waits in one thread, and all go on when it is there."""
    loading.start()
    n_threads = threading.active_count()

    async def a_class():
        pupils = [asyncio.create_task(loading.wait()) for _ in range(200)]
        await asyncio.sleep(0.05)
        assert not any(pupil.done() for pupil in pupils)
        assert threading.active_count() <= n_threads
        loading.gate.set()
        await asyncio.gather(*pupils)

    run(a_class())
    assert loading.ready


def test_waiting_ends_when_there_can_be_no_engine():
    """Nobody waits for an engine that will never come."""
    lab = waited(Lab(no_engine).start())
    assert not lab.ready
    assert lab.failure


def test_the_api_waits_for_the_engine_and_then_answers(loading):
    """A script that asks while the model loads gets its answer, not an error."""
    loading.start()

    async def ask():
        answer = asyncio.create_task(PublicApi(loading).tokenize("abc"))
        await asyncio.sleep(0.05)
        assert not answer.done()
        loading.gate.set()
        return await answer

    assert run(ask())["n_tokens"] == 3


def test_the_api_tells_why_there_is_no_engine():
    """The sentence of the failure, as from any other handler."""
    with pytest.raises(gr.Error) as error:
        run(PublicApi(Lab(no_engine).start()).next_token("abc"))
    assert error.value.message == "There is no such model. Set LAB_MODEL to another."


def test_progress_is_kept_and_told(caplog):
    """What the opening reports is on the page at once, and every new stage is in the terminal."""
    reported, gate = threading.Event(), threading.Event()

    def open_engine(report):
        for done in (10, 20, 30):
            report(Progress("Fetching", done, 93, "MB"))
        report(Progress("Loading"))
        reported.set()
        gate.wait(SECONDS)
        return ToyEngine()

    with caplog.at_level(logging.INFO, logger="token_lab"):
        lab = Lab(open_engine).start()
        assert reported.wait(SECONDS)
        assert lab.progress.sentence == "Loading…"
        gate.set()
        waited(lab)
    assert caplog.messages[:2] == ["Fetching: 10 of 93 MB", "Loading…"]


def test_a_lab_error_in_opening_is_raised_as_its_sentence(caplog):
    """When there can be no engine, everyone who asks gets the sentence with the remedy."""

    lab = waited(Lab(no_engine).start())
    for _ in range(2):
        with pytest.raises(LabError, match="Set LAB_MODEL to another"):
            lab.engine()
    assert not lab.ready
    assert lab.failure == "There is no such model. Set LAB_MODEL to another."
    assert all(record.exc_info is None for record in caplog.records)


def test_a_bug_in_opening_is_logged_with_its_traceback_and_told(caplog):
    """An unexpected exception keeps its traceback in the terminal; the page says where to look."""

    def open_engine(report):
        raise ZeroDivisionError("a bug")

    lab = waited(Lab(open_engine).start())
    with pytest.raises(LabError, match="terminal"):
        lab.engine()
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is ZeroDivisionError
    assert "ZeroDivisionError" in caplog.text


def plain(engine, value):
    """A handler as a function."""
    if isinstance(value, Exception):
        raise value
    return engine.info.name, value


def streaming(engine, value):
    """A handler as a generator."""
    yield 1
    if isinstance(value, Exception):
        raise value
    yield engine.info.name, value


@pytest.mark.parametrize("handler", [plain, streaming])
def test_bind_puts_the_engine_in_front(handler):
    """A bound handler gets the lab's engine and the page's values, and keeps its name."""
    bound = bind(opened(), handler)
    result = bound("x") if handler is plain else list(bound("x"))[-1]
    assert result == ("toy", "x")
    assert bound.__name__ == handler.__name__


@pytest.mark.parametrize("handler", [plain, streaming])
def test_bind_turns_lab_errors_into_messages(handler):
    """A LabError becomes the message Gradio shows, word for word, without a traceback."""
    bound = bind(opened(), handler)
    with pytest.raises(gr.Error) as error:
        list(bound(InputError("Type something.")))
    assert error.value.message == "Type something."
    assert error.value.print_exception is False
    assert isinstance(error.value.__cause__, InputError)


@pytest.mark.parametrize("handler", [plain, streaming])
def test_bind_leaves_bugs_alone(handler):
    """Any other exception stays what it is."""
    bound = bind(opened(), handler)
    with pytest.raises(ZeroDivisionError):
        list(bound(ZeroDivisionError("a bug")))


def test_bind_tells_why_there_is_no_engine():
    """A handler called when there can be no engine shows the sentence of the failure."""

    def open_engine(report):
        raise LabError("Connect to a network and start again.")

    bound = bind(waited(Lab(open_engine).start()), plain)
    with pytest.raises(gr.Error) as error:
        bound("x")
    assert error.value.message == "Connect to a network and start again."


@pytest.mark.parametrize("handler", [plain, streaming])
def test_bind_tells_that_the_engine_is_not_there_yet(loading, handler):
    """A click while the model loads gets a message, never a thread that waits."""
    bound = bind(loading.start(), handler)
    with pytest.raises(gr.Error, match="not ready yet"):
        list(bound("x"))


# --- the page comes alive


def followers(app):
    """What each page asks about start-up: the dependency that writes its header's state."""
    return [fn for fn in app.fns.values() if any(isinstance(o, StatusBar) for o in fn.outputs)]


def told(app):
    """(header update, clock update, cuts texts, ready) of a question."""
    [follower] = followers(app)
    return follower.fn(SimpleNamespace(query_params={"v": "1"}))[:4]


def test_the_page_asks_until_the_engine_is_there(loading):
    """At once when it is opened, then by the clock; the header says how far it is, then stops.

    One question at a time: of two under way, each answer would be a change, and show every
    demo's first view.
    """
    app = built(build_single, discover()[0], loading.start())
    assert loading.fetching.wait(SECONDS)
    [follower] = followers(app)
    assert sorted(event for _, event in follower.targets) == ["load", "tick"]
    assert follower.trigger_mode == "once"
    bar, clock, *there = told(app)
    assert (bar["busy"], bar["fraction"]) == (loading.progress.sentence, pytest.approx(10 / 93))
    assert clock == gr.skip()
    assert there == [False, False]
    loading.gate.set()
    waited(loading)
    bar, clock, *there = told(app)
    assert (bar["busy"], bar["model"], there) == ("", "toy", [True, True])
    assert clock.active is False


def test_texts_can_be_cut_before_the_model_is_there(loading):
    """Once the text side is offered it is handed out; pages that show something of it are told,
    go on asking, and the model takes its place."""
    by_slug = {demo.slug: demo for demo in discover()}
    cutting, other = (by_slug[slug] for slug in ("tokenizer", "surprisal"))
    apps = [built(build_single, demo, loading.start()) for demo in (cutting, other)]
    assert loading.fetching.wait(SECONDS)
    text_side = ToyEngine()
    loading.offer(text_side)
    assert loading.engine() is text_side
    sentence = loading.progress.sentence
    for app, said in zip(apps, (f"{sentence} {CUTS_TEXTS}", sentence), strict=True):
        bar, clock, *there = told(app)
        assert (bar["busy"], clock, there) == (said, gr.skip(), [True, False])
    loading.gate.set()
    assert waited(loading).engine() is not text_side
    assert told(apps[0])[2:] == (True, True)


def test_a_text_side_without_its_model_is_taken_back():
    """When the model can't be opened after all, every demo says why, the Tokenizer too."""

    def open_engine(report):
        lab.offer(ToyEngine())
        return no_engine(report)

    lab = Lab(open_engine)
    app = built(build_single, discover()[0], waited(lab.start()))
    assert not lab.cuts_texts
    with pytest.raises(LabError, match="There is no such model"):
        lab.engine()
    assert told(app)[2:] == (gr.skip(), False)  # what it shows is left as it is


def test_the_page_says_why_there_is_no_engine():
    """The reason stays in the header, nothing is asked any more, and no first view is tried."""
    app = built(build_single, discover()[0], waited(Lab(no_engine).start()))
    bar, clock, cuts, ready = told(app)
    assert bar == gr.update(
        busy="There is no such model. Set LAB_MODEL to another.", fraction=None, failed=True
    )
    assert clock.active is False
    assert (cuts, ready) == (gr.skip(), False)


@pytest.mark.parametrize("demo", discover(), ids=lambda demo: demo.slug)
def test_first_views_follow_the_state_that_says_ready(demo):
    """Every demo opens alive: its first views wait for the states the follower writes."""
    app = built(build_single, demo, Lab(no_engine))
    [follower] = followers(app)
    _, _, cuts, ready, _ = (output._id for output in follower.outputs)
    opening = {
        state: [fn for fn in app.fns.values() if (state, "change") in fn.targets]
        for state in (cuts, ready)
    }
    assert bool(opening[cuts]) == (demo.slug == "tokenizer")  # the others open with predictions
    assert bool(opening[ready]) == (demo.slug != "tokenizer")
    assert all(fn.outputs for fns in opening.values() for fn in fns)


def test_each_page_of_the_app_comes_alive_by_itself():
    """The tabs and every demo's own page each have a follower, a clock and states of their own."""
    app = built(build_app, discover(), Lab(no_engine))
    pages = 1 + len(discover())
    assert len(followers(app)) == pages
    assert len({follower.outputs[3]._id for follower in followers(app)}) == pages


def test_questions_about_start_up_wait_for_nothing():
    """They share no queue with the model's work, and no limit with each other."""
    app = built(build_single, discover()[0], Lab(no_engine))
    for follower in followers(app):
        assert follower.queue
        assert follower.concurrency_limit is None
        assert follower.concurrency_id != "model"


def test_a_first_view_is_connected_when_its_trigger_is_known():
    """What a demo asked for is kept as it is; a view that needs no model queues behind none."""
    lab = opened()

    def build():
        with gr.Blocks() as app:
            value, answer, trigger = gr.State("x"), gr.JSON(), gr.State(False)
            page = Page(lab, gr.HTML())
            page.first_view(plain, [value], [answer, answer])
            page.first_view(streaming, [value], [answer, answer], uses_model=False)
            assert len(app.fns) == 0
            for connect in page.first_views + page.text_views:
                connect(trigger.change)
        return app, value, answer, trigger

    app, value, answer, trigger = built(build)
    with_model, without = app.fns.values()
    assert with_model.fn(visitor("me"), "x") == ("toy", "x")
    assert list(without.fn(visitor("me"), "x"))[-1] == ("toy", "x")
    for connected in (with_model, without):
        assert connected.targets == [(trigger._id, "change")]
        assert connected.inputs == [value]
        assert connected.outputs == [answer, answer]
    assert with_model.concurrency_id == "model"
    assert without.concurrency_id != "model"
    assert without.concurrency_limit is None


def test_of_two_ways_to_one_view_the_last_that_was_taken_counts():
    """Opening a panel, then clicking a token: the panel's slow answer never covers the click's."""
    lab, go_on = opened(), threading.Event()

    def slow_at_first(engine, value):
        if value == "opened":
            assert go_on.wait(SECONDS)
        return value

    def build():
        with gr.Blocks() as app:
            page, answer, other = Page(lab, gr.HTML()), gr.JSON(), gr.JSON()
            for shown in (answer, answer, other):
                page.connect(gr.Button().click, slow_at_first, [gr.State()], [shown])
        return [connected.fn for connected in app.fns.values()]

    opening, click, elsewhere = built(build)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(opening, visitor("me", 1), "opened")
        assert click(visitor("me", 2), "clicked") == "clicked"
        assert elsewhere(visitor("me", 3), "another view") == "another view"
        go_on.set()
        assert late.result(SECONDS) == gr.skip()


@pytest.mark.parametrize("component", [Slider, Number])
@pytest.mark.parametrize("value", [None, "x", -5, 1e9, 0.25, float("inf"), [1]])
def test_numbers_come_in_as_they_are(component, value):
    """Gradio checks nothing: core.limits does, in sentences that say what to do."""
    limits = {"minimum": 0, "maximum": 1}
    assert component(**limits).preprocess(value) == value


def test_numbers_are_drawn_by_gradios_own_parts():
    """Our classes change what comes in, not what is seen."""
    assert Slider(0, 1).get_block_name() == gr.Slider(0, 1).get_block_name()
    assert Number(1).get_block_name() == gr.Number(1).get_block_name()


def test_the_words_of_the_page_are_all_explained():
    """The folded list has every term of the glossary with its sentence."""
    listed = as_markdown()
    for term, sentence in GLOSSARY.items():
        assert f"**{term}**: {sentence}" in html.unescape(listed)
        assert sentence.endswith(".")
    assert "<" not in listed  # Markdown would take <bos> for HTML and leave it out


def test_reporting_yields_progress_then_the_result():
    """Progress comes while the work runs, in order, and the result comes last."""
    told, go_on = [], threading.Semaphore(0)

    def work(report):
        for done in range(3):
            report(done, 3)
            assert go_on.acquire(timeout=SECONDS)
        return "result"

    for news in reporting(work):
        told.append(news)
        go_on.release()
    assert told == [(0, 3), (1, 3), (2, 3), "result"]


def test_reporting_skips_stale_progress():
    """Progress that piled up while nobody looked is not told one by one."""
    done = threading.Event()

    def work(report):
        report(0, 100)
        assert looked.wait(SECONDS)
        for n in range(1, 100):
            report(n, 100)
        done.set()
        return "result"

    looked = threading.Event()
    stream = reporting(work)
    assert next(stream) == (0, 100)
    looked.set()
    assert done.wait(SECONDS)
    rest = list(stream)
    assert rest[-1] == "result"
    assert len(rest) <= 2


def test_reporting_raises_what_the_work_raises():
    """An error in the work reaches whoever waits for it, as it is."""

    def work(report):
        report(1, 2)
        raise InputError("Too long.")

    with pytest.raises(InputError, match=r"Too long\."):
        list(reporting(work))


def test_closing_ends_the_work():
    """Closing the stream makes the work's next report its last."""
    ended, closed, n_reports = threading.Event(), threading.Event(), []

    def work(report):
        try:
            report(0, 10)
            assert closed.wait(SECONDS)
            report(1, 10)
            n_reports.append("went on")
        finally:
            ended.set()

    stream = reporting(work)
    assert next(stream) == (0, 10)
    stream.close()
    closed.set()
    assert ended.wait(SECONDS)
    assert n_reports == []


@pytest.mark.parametrize(
    ("n", "seconds", "seen"),
    [(0, 9, []), (1, 9, [0]), (5, 9, [0, 4]), (5, 0, [0, 1, 2, 3, 4])],
)
def test_a_page_is_sent_the_first_view_and_the_last(n, seconds, seen):
    """Views that come too fast to follow are left out, but never the one that stays."""
    assert list(paced(iter(range(n)), seconds)) == seen


def test_an_error_comes_after_the_view_before_it():
    """What was reached before a failure is on the screen when its message comes."""

    def failing():
        yield from range(3)
        raise InputError("Too long.")

    views = paced(failing(), 9)
    assert [next(views), next(views)] == [0, 2]
    with pytest.raises(InputError):
        next(views)


@pytest.mark.parametrize(
    ("charts", "seconds", "drawn"),
    [((), 9, [0, 1, 2, 3]), ((1,), 9, [0, 3]), ((1,), 0, [0, 1, 2, 3])],
)
def test_a_stream_draws_its_chart_less_often(charts, seconds, drawn):
    """Every view comes at once; its chart seldom, but always that of the view that stays."""
    views = list(with_few_charts(((n, f"chart {n}") for n in range(4)), charts, seconds))
    assert [n for n, _ in views][:4] == [0, 1, 2, 3]
    assert [n for n, chart in views if chart == f"chart {n}"] == drawn
    assert views[-1] == (3, "chart 3")


def test_a_chart_held_back_is_drawn_before_an_error():
    """The message of a failure does not leave the chart of an older view on the page."""

    def failing():
        yield from ((n, f"chart {n}") for n in range(2))
        raise InputError("Too long.")

    views = with_few_charts(failing(), (1,), 9)
    assert [next(views), next(views)[0], next(views)] == [(0, "chart 0"), 1, (1, "chart 1")]
    with pytest.raises(InputError):
        next(views)


def test_discover_finds_the_five_in_order():
    """The five demos are found by looking, in the order of their tabs."""
    assert [(demo.order, demo.slug, demo.title) for demo in discover()] == [
        (1, "tokenizer", "Tokenizer"),
        (2, "next-token", "Next-Token"),
        (3, "sampling", "Sampling"),
        (4, "surprisal", "Surprisal"),
        (5, "chat-document", "Chat-as-Document"),
    ]


SIXTH = '''"""A sixth demo, as CONTRIBUTING.md says to write one."""

import gradio as gr

from demos import Demo


def greet(engine, name):
    """A sentence of the engine's name."""
    return f"{name} meets {engine.info.name}"


def build(page):
    """One line and its answer."""
    name = gr.Textbox("Ada", label="Name", elem_id="sixth-name")
    answer = gr.Textbox(label="Answer", elem_id="sixth-answer")
    page.connect(name.submit, greet, [name], [answer])
    page.first_view(greet, [name], [answer])


DEMO = Demo(slug="sixth", title="Sixth", order=6, build=build)
'''


@pytest.fixture
def house_with_a_sixth_demo(tmp_path):
    """The app in a folder of its own, with one demo file more and no other change."""
    for name in ("demos", "core"):
        shutil.copytree(serving.ROOT / name, tmp_path / name)
    shutil.copy(serving.ROOT / "app.py", tmp_path)
    (tmp_path / "demos" / "sixth.py").write_text(SIXTH, encoding="utf-8")
    server = serving.Server("toy", folder=tmp_path)
    yield server.wait_until_ready()
    server.stop()


def elements_of(config, page):
    """The elem_ids of the components that one page of the app shows."""
    shown = set(config["page"][page]["components"])
    return {
        component["props"].get("elem_id")
        for component in config["components"]
        if component["id"] in shown
    }


def test_a_sixth_demo_is_one_new_file(house_with_a_sixth_demo):
    """A demo file dropped into demos/ is a tab on the page and a page of its own."""
    config = httpx.get(f"{house_with_a_sixth_demo.url}/config", timeout=SECONDS).json()
    tabs = [c["props"]["label"] for c in config["components"] if c["type"] == "tabitem"]
    assert tabs == [demo.title for demo in discover()] + ["Sixth"]
    assert [page for page, *_ in config["pages"]] == ["", *(d.slug for d in discover()), "sixth"]
    for page in ("", "sixth"):
        assert {"status", "sixth-name", "sixth-answer"} <= elements_of(config, page)
    assert httpx.get(f"{house_with_a_sixth_demo.url}/sixth", timeout=SECONDS).is_success


COURSE = """
title = "Unit 3"
model = "toy"
demos = ["surprisal", "tokenizer"]
[texts]
surprisal = "A text of the course."
"""


def test_a_course_chooses_tabs_texts_title_and_model(tmp_path, monkeypatch):
    """What the file says is on the page, in its order; LAB_MODEL still comes first."""
    file = tmp_path / "course.toml"
    file.write_text(COURSE, encoding="utf-8")
    monkeypatch.setenv("LAB_COURSE", str(file))
    monkeypatch.delenv("LAB_MODEL", raising=False)
    lab = waited(make_lab().start())
    assert lab.engine().info.name == "toy"
    app = built(build_app, discover(), lab)
    assert app.title == "Unit 3"
    config = app.get_config_file()
    tabs = [c["props"]["label"] for c in config["components"] if c["type"] == "tabitem"]
    assert tabs == ["Surprisal", "Tokenizer"]
    texts = [c["props"].get("value") for c in config["components"] if c["type"] == "textbox"]
    assert texts.count("A text of the course.") == 2  # the tab and the page of its own


def test_a_mistake_in_the_course_ends_the_program(tmp_path, monkeypatch):
    """With the sentence of the mistake, before anything is served."""
    file = tmp_path / "course.toml"
    file.write_text('title = "x"\ndemos = ["suprisal"]', encoding="utf-8")
    monkeypatch.setenv("LAB_COURSE", str(file))
    with pytest.raises(SystemExit, match=r"course\.toml, line 2: .* Did you mean surprisal"):
        make_lab()

"""From ``python app.py`` to live demos: the lab, the wiring, long work, and discovery."""

import logging
import shutil
import threading

import gradio as gr
import httpx
import pytest
import serving

from core.engines.toy import ToyEngine
from core.errors import InputError, LabError
from core.progress import Progress
from demos import discover
from demos.ui.background import reporting
from demos.ui.events import bind
from demos.ui.lab import Lab

SECONDS = 20


def opened(engine=None):
    """A lab whose engine is there."""
    lab = Lab(lambda report: engine or ToyEngine()).start()
    lab.engine()
    return lab


def test_engine_waits_until_it_is_open():
    """``engine()`` waits for an engine that is still being opened, for everyone who asks."""
    gate, handed_out = threading.Event(), []

    def open_engine(report):
        gate.wait(SECONDS)
        return ToyEngine()

    lab = Lab(open_engine).start()
    waiting = [threading.Thread(target=lambda: handed_out.append(lab.engine())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    assert not lab.ready
    assert handed_out == []
    gate.set()
    for thread in waiting:
        thread.join(SECONDS)
    assert lab.ready
    assert len(handed_out) == 3
    assert len(set(map(id, handed_out))) == 1


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
        lab.engine()
    assert caplog.messages[:2] == ["Fetching: 10 of 93 MB", "Loading…"]


def test_a_lab_error_in_opening_is_raised_as_its_sentence(caplog):
    """When there can be no engine, everyone who asks gets the sentence with the remedy."""

    def open_engine(report):
        raise LabError("There is no such model. Set LAB_MODEL to another.")

    lab = Lab(open_engine).start()
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

    lab = Lab(open_engine).start()
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

    bound = bind(Lab(open_engine).start(), plain)
    with pytest.raises(gr.Error) as error:
        bound("x")
    assert error.value.message == "Connect to a network and start again."


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

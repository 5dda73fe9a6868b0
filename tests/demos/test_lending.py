"""Pages of a lab whose GPU is lent: what is computed before anybody comes, what they are told."""

import gc
import warnings
from contextvars import ContextVar

import pytest
from gradio.context import LocalContext

from core import api
from core.course import parse_course
from core.engines.toy import ToyEngine
from core.questions import with_question
from demos import discover
from demos.ui import lending
from demos.ui.background import reporting
from demos.ui.lab import Lab
from demos.ui.page import build_app, launch

COURSE = """
[texts]
next-token = "The cat"
surprisal = "The dog sat."

[[questions]]
text = "What comes next?"
demo = "next-token"
[questions.state]
text = "The rat"

[[questions]]
text = "And in the middle?"
demo = "sampling"
[questions.state]
ids = [256, 84, 104, 101]
at = 3
"""

WITHOUT_SYSTEM = """
[[questions]]
text = "Who speaks?"
demo = "chat-document"
[questions.state]
system = ""
"""


class Noting(ToyEngine):
    """Notes the documents it was asked about."""

    def __init__(self):
        super().__init__()
        self.asked, self.predictor = [], self

    def next(self, ids):
        self.asked.append(tuple(ids))
        return super().next(ids)

    def score(self, ids, **settings):
        self.asked.append(("score", *ids))
        return super().score(ids, **settings)

    def lend(self):
        """From now on what is asked is noted anew."""
        self.before, self.asked = set(self.asked), []


@pytest.fixture
def engine():
    return Noting()


@pytest.fixture(scope="module")
def openings():
    """What the whole app's pages ask when they open."""
    lab = Lab(lambda report: None, parse_course(COURSE))
    with warnings.catch_warnings():  # Gradio leaves event loops to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        app = build_app(discover(), lab)
        yield lab.openings
        del app
        gc.collect()


@pytest.fixture
def lab(engine, openings):
    lab = Lab(lambda report: engine, parse_course(COURSE), gpu_is_lent=True)
    lab.openings = openings
    return lab


def test_what_the_pages_open_with_is_asked_before_the_gpu_is_lent(lab, engine):
    """The course's texts, the demos' own, and the state of each question."""
    lending.open_and_lend(lab)
    ids = api.context_ids
    assert {ids(engine, "The cat"), ids(engine, "The rat"), (256, 84, 104)} <= engine.before
    assert ("score", *ids(engine, "The dog sat.")) in engine.before
    assert len({asked[-5:] for asked in engine.before}) > 4


def test_whoever_opens_a_prepared_page_asks_nothing_new(lab, engine):
    """The same documents, so a GPU is not asked for."""
    lending.open_and_lend(lab)
    lending.prepare(lab, engine)
    assert engine.asked != []
    assert set(engine.asked) <= engine.before


def test_a_question_is_prepared_with_the_very_query_its_visitors_have(lab, engine, monkeypatch):
    """Also what it sets to nothing, such as a chat without a system prompt."""
    monkeypatch.setattr(lab, "course", parse_course(WITHOUT_SYSTEM))
    asked = []
    monkeypatch.setattr(lab, "openings", {"chat-document": lambda _, query: asked.append(query)})
    lending.prepare(lab, engine)
    assert asked == [{}, with_question(lab.course, {"q": "1"})]
    assert asked[1]["system"] == ""


def test_an_engine_that_can_not_be_opened_still_gets_a_page(lab):
    """The sentence is shown on the page, as anywhere."""
    lab._open_engine = lambda report: 1 / 0
    lending.open_and_lend(lab)
    assert "could not be opened" in lab.failure


def test_the_engine_is_open_before_the_page_is_launched(lab, monkeypatch):
    """``spaces`` packs, at launch, what is on the GPU by then; and the queue has a bound."""
    order = []

    class App:
        def queue(self, max_size, **settings):
            order.append(("queue", max_size > 1))

        def launch(self, **settings):
            order.append(("launch", lab.ready))

        def block_thread(self):
            order.append("blocked")

    monkeypatch.setattr(Lab, "start", lambda self: order.append("opened again"))
    launch(App(), lab)
    assert order == [("queue", True), ("launch", True), "blocked"]


def test_a_sentence_is_said_once_for_each_event(monkeypatch):
    """Ten answers of one event are one message, which stays; outside an event there is no page."""
    said = []
    monkeypatch.setattr(
        lending.gr, "Warning", lambda text, **settings: said.append((text, settings["duration"]))
    )
    lending.tell("nobody hears")
    for event in ("a", "a", "b"):
        reset = LocalContext.event_id.set(event)
        lending.tell("another model")
        LocalContext.event_id.reset(reset)
    assert said == [("another model", None)] * 2


def test_long_work_knows_for_whom_it_is():
    """Whoever lends a GPU finds the visitor in the context, also from a thread of its own."""
    visitor = ContextVar("visitor", default="nobody")
    visitor.set("ada")
    assert list(reporting(lambda report: visitor.get())) == ["ada"]

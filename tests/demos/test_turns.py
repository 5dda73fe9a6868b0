"""Whose result counts when events of one session overlap."""

import asyncio
import subprocess
import sys
import threading

import gradio as gr
import pytest
import serving
from handling import visitor
from hypothesis import given
from hypothesis import strategies as st

from demos.ui import arrivals, turns
from demos.ui.turns import Turns

SECONDS = 20
STATE, OTHER_STATE = 1, 2


def counting():
    yield from range(3)


def answering():
    return "answer", 1


def is_over(stream):
    """Whether a stream has nothing more but one result that leaves all outputs alone: Gradio sends
    the last one again when a stream ends."""
    return list(stream) in ([gr.skip()], [(gr.skip(), gr.skip())])


@pytest.mark.parametrize(
    ("session", "state", "goes_on"),
    [("me", STATE, False), ("me", OTHER_STATE, True), ("another", STATE, True)],
)
def test_a_stream_ends_when_its_state_is_set_by_another_event(session, state, goes_on):
    """Only a later event of the same session and the same state ends a stream."""
    page = Turns()
    stream = page.in_turn(counting, STATE, 2)(visitor("me"))
    assert next(stream) == 0
    assert page.in_turn(answering, state, 2)(visitor(session)) == ("answer", 1)
    assert list(stream) == [1, 2] if goes_on else is_over(stream)


def test_an_ended_stream_is_closed():
    """What a stream holds is given back when another event ends it."""
    closed = []

    def holding():
        try:
            yield from range(9)
        finally:
            closed.append(True)

    page = Turns()
    stream = page.in_turn(holding, STATE, 1)(visitor("me"))
    next(stream)
    page.in_turn(answering, STATE, 2)(visitor("me"))
    assert is_over(stream)
    assert closed == [True]


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_an_answer_that_comes_after_a_later_one_changes_nothing(n_outputs):
    """A slow call that was overtaken leaves every output as it is."""
    page, go_on, answers = Turns(), threading.Event(), []

    def slow():
        assert go_on.wait(SECONDS)
        return "old"

    overtaken = page.in_turn(slow, STATE, n_outputs)
    thread = threading.Thread(target=lambda: answers.append(overtaken(visitor("me"))))
    begun = len(page._last)
    thread.start()
    while len(page._last) == begun:
        thread.join(0.01)
    assert page.in_turn(answering, STATE, 2)(visitor("me")) == ("answer", 1)
    go_on.set()
    thread.join(SECONDS)
    assert answers == [gr.skip() if n_outputs == 1 else (gr.skip(),) * 3]


def test_sessions_long_unused_are_forgotten(monkeypatch):
    """Memory has a bound, and a call whose session was forgotten still counts."""
    monkeypatch.setattr(turns, "MOST_KEYS", 2)
    page = Turns()
    begun = [page.begin((name, STATE), at) for at, name in enumerate("abc")]
    assert len(page._last) == 2
    assert all(page.is_last(turn) for turn in begun)


def counting_pairs():
    yield from ((n, f"state {n}") for n in range(3))


def failing():
    raise gr.Error("Type something.")


def failing_stream():
    yield failing()


@pytest.mark.parametrize("broken", [failing, failing_stream])
def test_an_event_that_only_shows_a_message_ends_nothing(broken):
    """A stream goes on when what was pressed meanwhile could not be done."""
    page = Turns()
    stream = page.in_turn(counting, STATE, 2)(visitor("me"))
    assert next(stream) == 0
    refused = page.in_turn(broken, STATE, 2)
    with pytest.raises(gr.Error):
        list(refused(visitor("me")) or ())
    assert list(stream) == [1, 2]


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(
    ("session", "state", "stands"),
    [("me", STATE, False), ("me", OTHER_STATE, True), ("another", STATE, True)],
)
def test_what_shows_a_state_is_dropped_when_it_is_set_meanwhile(session, state, stands, n_outputs):
    """A late picture of an old state never covers that of a newer one of the same session."""
    page = Turns()

    def showing(past):
        page.in_turn(answering, state, 2)(visitor(session))
        return "picture"

    nothing = gr.skip() if n_outputs == 1 else (gr.skip(),) * 3
    shown = page.following(showing, STATE, n_outputs)(visitor("me"), "before")
    assert shown == ("picture" if stands else nothing)


def test_what_shows_a_state_that_is_just_being_set_is_dropped():
    """Begun during an event that sets the state, it has read what was there before."""
    page, shown = Turns(), []

    def setting():
        picture = page.following(lambda past: "picture", STATE, 1)
        shown.append(picture(visitor("me"), "before"))
        return "answer"

    page.in_turn(setting, STATE, 1)(visitor("me"))
    assert shown == [gr.skip()]
    assert page.following(lambda past: "picture", STATE, 1)(visitor("me"), "answer") == "picture"


def test_a_stream_that_is_over_hinders_no_picture():
    """It ends at its next result, which may be seconds away; it sets nothing any more."""
    page = Turns()
    stream = page.in_turn(counting_pairs, STATE, 2, at=1)(visitor("me"))
    picture = page.following(lambda past: "picture", STATE, 1)
    assert next(stream) == (0, "state 0")
    assert picture(visitor("me"), "state 0") == gr.skip()
    assert page.in_turn(answering, STATE, 2)(visitor("me")) == ("answer", 1)
    assert picture(visitor("me"), "answer") == "picture"
    assert is_over(stream)
    assert picture(visitor("me"), "answer") == "picture"


@pytest.mark.parametrize(("event", "at"), [(answering, 0), (counting_pairs, 1)])
def test_what_was_read_before_the_state_was_set_is_not_shown(event, at):
    """Gradio reads a state some time before it calls, and sets it some time after."""
    page = Turns()
    picture = page.following(lambda n, past: "picture", STATE, 1, at=1)
    assert picture(visitor("me"), 0, "before") == "picture"
    results = page.in_turn(event, STATE, 2, at)(visitor("me"))
    *_, last = results if at else [results]
    assert picture(visitor("me"), 0, "before") == gr.skip()
    assert picture(visitor("me"), 0, last[at]) == "picture"
    page.in_turn(lambda: (gr.skip(), gr.skip()), STATE, 2, at)(visitor("me"))
    assert picture(visitor("me"), 0, last[at]) == "picture"
    assert picture(visitor("another"), 0, "before") == "picture"


@pytest.mark.parametrize("broken", [failing, failing_stream])
def test_a_refused_event_leaves_pictures_of_the_state_alone(broken):
    """An event that only says why it can't be done sets nothing, and is over afterwards."""
    page = Turns()

    def showing(past):
        with pytest.raises(gr.Error):
            list(page.in_turn(broken, STATE, 2)(visitor("me")) or ())
        return "picture"

    assert page.in_turn(answering, STATE, 2)(visitor("me")) == ("answer", 1)
    assert page.following(showing, STATE, 1)(visitor("me"), "answer") == "picture"
    assert not page._under_way


@pytest.mark.parametrize("late", [answering, counting_pairs])
def test_what_was_clicked_earlier_and_begins_later_is_dropped(late):
    """The order is that of arrival; the late one is not even computed."""
    page = Turns()
    assert page.in_turn(answering, STATE, 2)(visitor("me", 2)) == ("answer", 1)
    result = page.in_turn(late, STATE, 2)(visitor("me", 1))
    if late is answering:
        assert result == (gr.skip(), gr.skip())
    else:
        assert is_over(result)
    assert page.in_turn(late, STATE, 2)(visitor("another", 1)) is not None
    assert page.in_turn(answering, STATE, 2)(visitor("me", 3)) == ("answer", 1)


def test_a_look_at_a_changing_document_is_dropped():
    """It has read what stood before; the change counts, however late the look arrived."""
    page, looked = Turns(), []
    look = page.in_turn(lambda state: (state, "list"), STATE, 2, gives_way=0)

    def changing():
        looked.append(look(visitor("me"), "before"))
        return "after", "view"

    assert page.in_turn(changing, STATE, 2)(visitor("me")) == ("after", "view")
    looked.append(look(visitor("me"), "before"))  # Gradio has not set the state yet
    assert looked == [(gr.skip(), gr.skip())] * 2
    assert look(visitor("me"), "after") == ("after", "list")


def test_a_state_that_gradio_never_set_is_forgotten(monkeypatch):
    """Should a result get lost on its way, looks and pictures work again after a while."""
    page = Turns()
    look = page.in_turn(lambda state: (state, "list"), STATE, 2, gives_way=0)
    picture = page.following(lambda state: "picture", STATE, 1)
    page.in_turn(answering, STATE, 2)(visitor("me"))
    assert look(visitor("me"), "before") == (gr.skip(), gr.skip())
    assert picture(visitor("me"), "before") == gr.skip()
    monkeypatch.setattr(turns, "SETTING_SECONDS", 0.0)
    assert look(visitor("me"), "before") == ("before", "list")
    assert picture(visitor("me"), "before") == "picture"


def test_a_look_ends_a_stream_that_shows_something():
    """A click on a token while the model writes shows that token; before the first, it waits."""
    page = Turns()
    look = page.in_turn(lambda state: (state, "list"), STATE, 2, gives_way=0)
    stream = page.in_turn(counting_pairs, STATE, 2, at=1)(visitor("me"))
    assert next(stream) == (0, "state 0")
    assert look(visitor("me"), "state 0") == ("state 0", "list")
    assert is_over(stream)


def test_the_number_is_given_on_arrival():
    """Events are numbered, one after the other; nothing else is; without one it is now."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope.get(arrivals.NUMBER))

    numbered = arrivals.Arrivals(app)
    for path in ("/gradio_api/queue/join", "/config", "/next-token/gradio_api/queue/join"):
        asyncio.run(numbered({"type": "http", "path": path}, None, None))
    asyncio.run(numbered({"type": "lifespan"}, None, None))
    first, nothing, second, nowhere = seen
    assert first < second < arrivals.number_of(visitor("me"))
    assert nothing is nowhere is None
    assert arrivals.number_of(visitor("me", first)) == first


class Session:
    """What Gradio does with the state of one session: reads it, calls, and sets it later."""

    def __init__(self, kinds):
        self.kinds, self.page, self.held = kinds, Turns(), ()
        self.read, self.turns, self.results = {}, {}, []
        self.steps = {at: iter([self.reads, self.begins, self.ends, self.sets]) for at in kinds}

    def step(self, at):
        """The next step of event ``at``."""
        next(self.steps[at])(at, self.kinds[at] == "look")

    def reads(self, at, looks):
        self.read[at] = self.held

    def begins(self, at, looks):
        read = (self.read[at],) if looks else ()
        self.turns[at] = self.page.begin(("me", STATE), at, read)

    def ends(self, at, looks):
        turn = self.turns[at]
        if turn is not None and self.page.is_last(turn):
            self.results.append(self.read[at] if looks else (*self.read[at], at))
            self.page.keep(turn, (self.results[-1],), 0)
        if turn is not None:
            self.page.end(turn)

    def sets(self, at, looks):
        self.held = self.results[-1] if self.results else self.held


@given(
    st.lists(st.sampled_from(["change", "look"]), min_size=1, max_size=6).flatmap(
        lambda kinds: st.tuples(st.just(kinds), st.permutations(list(range(len(kinds))) * 4))
    )
)
def test_the_last_change_is_never_lost(clicked):
    """However the steps of clicks mix, what the last change made is what stands at the end."""
    kinds, order = clicked
    session = Session(dict(enumerate(kinds)))
    for at in order:
        session.step(at)
    changes = [at for at, kind in enumerate(kinds) if kind == "change"]
    assert session.held[-1:] == tuple(changes[-1:])
    assert not session.page._under_way


SERVED = """
import gradio as gr
from gradio_client import Client
from demos.ui import arrivals

def numbered(request: gr.Request):
    return request.request.scope[arrivals.NUMBER]

with gr.Blocks(analytics_enabled=False) as app:
    gr.on([], numbered, outputs=gr.Number(), api_name="number")
kwargs = arrivals.app_kwargs()
url = app.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, app_kwargs=kwargs)[1]
client = Client(url, verbose=False)
print(*[client.predict(api_name="/number") for _ in range(3)])
"""


def test_gradio_hands_the_number_to_the_handler():
    """Events of a served page come with the numbers of their arrival, one after the other."""
    command = [sys.executable, "-W", "ignore", "-c", SERVED]
    told = subprocess.run(command, cwd=serving.ROOT, capture_output=True, text=True, timeout=120)
    numbers = [float(word) for word in told.stdout.split()]
    assert len(numbers) == 3, told.stderr
    assert numbers == sorted(set(numbers))

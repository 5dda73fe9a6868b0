"""Whose result counts when events of one session overlap."""

import threading
from types import SimpleNamespace

import gradio as gr
import pytest

from demos.ui import turns
from demos.ui.turns import Turns

SECONDS = 20
STATE, OTHER_STATE = 1, 2


def visitor(name):
    """The request of a session."""
    return SimpleNamespace(session_hash=name)


def counting():
    yield from range(3)


def answering():
    return "answer", 1


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
    assert list(stream) == ([1, 2] if goes_on else [])


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
    assert list(stream) == []
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
    first, _ = page.begin(("a", STATE))
    others = [page.begin((name, STATE))[0] for name in "bc"]
    assert len(page._last) == 2
    assert first()
    assert all(is_last() for is_last in others)


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

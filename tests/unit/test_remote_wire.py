"""Asking a server that is busy, broken, away or someone else: tries, pauses, sentences."""

import httpx
import pytest
from vllm_in_memory import Clock, Server, refused

from core.engines.remote_wire import LONGEST_PAUSE, MOST_TRIES, TOTAL_SECONDS, Refused, as_sentence
from core.errors import ConfigError, EngineAway, InputError, LabError

MODELS = "/v1/models"
ASK = {"model": "toy", "prompt": "a"}
CUT_OFF = httpx.Response(200, content=b'{"tokens": [97')
PASSING = {
    "429": httpx.Response(429),
    "500": httpx.Response(500, text="Internal Server Error"),
    "502": httpx.Response(502, text="<html>Bad Gateway</html>"),
    "503": httpx.Response(503),
    "time limit": httpx.ReadTimeout("slow"),
    "no connection": httpx.ConnectError("refused"),
    "broke off": httpx.RemoteProtocolError("peer closed connection"),
    "cut off": CUT_OFF,
    "unreadable": httpx.DecodingError("incorrect header check"),
}


def asked_with(faults, **settings):
    """(answer, clock, server) of one question to a server with these faults first."""
    server, clock = Server(**settings), Clock()
    server.faults = list(faults)
    return server.wire(clock=clock).post("/tokenize", ASK), clock, server


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_tried_again(fault):
    """Twice in trouble, then an answer: the answer, after two pauses of which the second grows."""
    answer, clock, server = asked_with([fault, fault])
    assert answer["tokens"] == [256, 97]
    assert len(server.asked) == 3
    assert 0 < clock.pauses[0] <= 0.25
    assert 0.25 <= clock.pauses[1] <= 0.5


def test_a_restart_is_survived():
    """Connection lost, refused for a while, 503 while it loads: the question is answered."""
    away = [httpx.ReadError("reset"), *[httpx.ConnectError("refused")] * 3, httpx.Response(503)]
    answer, _, _ = asked_with(away)
    assert answer["tokens"] == [256, 97]


def test_the_pause_the_server_asks_for_is_kept():
    """Retry-After in seconds; a date, or nonsense, is not waited for."""
    _, clock, _ = asked_with([httpx.Response(429, headers={"retry-after": "7"})])
    assert clock.pauses == [7]
    for said in ("Wed, 21 Oct 2026 07:28:00 GMT", "-3", "1e9", ""):
        _, clock, _ = asked_with([httpx.Response(429, headers={"retry-after": said})])
        assert clock.pauses[0] <= 0.25


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_tries_and_time_are_bounded(fault):
    """A server that stays away: EngineAway, a sentence, after so many tries and seconds."""
    server, clock = Server(), Clock()
    server.faults = [fault] * 100
    wire = server.wire(clock=clock)
    with pytest.raises(EngineAway, match=r"does not answer: .*kept; try again.*start the server"):
        wire.post("/tokenize", ASK)
    assert len(server.asked) == MOST_TRIES
    assert max(clock.pauses) <= LONGEST_PAUSE
    assert clock.now < TOTAL_SECONDS
    assert wire.trouble


def test_slow_tries_share_one_limit():
    """Every try takes its time: together no more than the total, each with what is left of it."""
    clock, limits = Clock(), []

    def slow(request):
        limits.append(request.extensions["timeout"]["read"])
        clock.now += 40
        raise httpx.ReadTimeout("slow")

    server = Server()
    server.transport = httpx.MockTransport(slow)
    with pytest.raises(EngineAway, match="took too long"):
        server.wire(clock=clock).post("/tokenize", ASK)
    assert len(limits) == 3
    assert limits[0] == TOTAL_SECONDS
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < 11


def test_a_longer_pause_than_there_is_time_for_ends_the_tries():
    """Retry-After: one hour. Nobody waits that long before a page."""
    server, clock = Server(), Clock()
    server.faults = [httpx.Response(503, headers={"retry-after": "3600"})]
    with pytest.raises(EngineAway):
        server.wire(clock=clock).post("/tokenize", ASK)
    assert clock.pauses == []


def test_trouble_is_forgotten_with_the_next_answer():
    """The header's note follows it."""
    server = Server()
    wire = server.wire()
    server.faults = [httpx.ConnectError("refused")]
    with pytest.raises(EngineAway):
        wire.get(MODELS)
    assert wire.trouble
    wire.get(MODELS)
    assert wire.trouble == ""


def test_a_server_that_says_no_is_no_longer_away():
    """It answers: the note about it goes, whatever it answers."""
    for answer in (refused("too much"), httpx.Response(401), httpx.Response(200, json=[])):
        server = Server()
        wire = server.wire()
        server.faults = [httpx.ConnectError("refused"), answer]
        with pytest.raises(EngineAway):
            wire.get(MODELS)
        with pytest.raises((Refused, LabError)):
            wire.get(MODELS)
        assert wire.trouble == ""


def test_a_wrong_key_is_said_at_once():
    """401 and 403 are not tried again; the sentence names the setting and never the key."""
    server = Server(key="right")
    for key in (None, "wrong-secret"):
        with pytest.raises(ConfigError, match="LAB_ENGINE_KEY") as caught:
            server.wire(key).post("/tokenize", ASK)
        assert "secret" not in str(caught.value)
    assert len(server.asked) == 2
    assert server.wire("right").post("/tokenize", ASK)["tokens"] == [256, 97]


def test_an_unknown_model_is_refused_with_what_to_do():
    """404: the server was started with another model since."""
    with pytest.raises(Refused) as caught:
        Server().wire().post("/tokenize", {"model": "other", "prompt": "a"})
    assert caught.value.status == 404
    told = as_sentence(caught.value, "text")
    assert isinstance(told, ConfigError)
    assert "Start Token Lab again" in str(told)


@pytest.mark.parametrize(
    "answer",
    [
        refused("too much"),
        httpx.Response(400, json={"object": "error", "message": "too much"}),
        httpx.Response(400, json={"error": "too much"}),
        httpx.Response(422, text="too much"),
    ],
)
def test_a_refusal_carries_the_servers_words(answer):
    """Whatever shape this version of the server gives them; once, not again and again."""
    server = Server()
    server.faults = [answer]
    with pytest.raises(Refused) as caught:
        server.wire().post("/tokenize", ASK)
    assert caught.value.message == "too much"
    assert len(server.asked) == 1
    told = as_sentence(caught.value, "document")
    assert isinstance(told, InputError)
    assert "too much" in str(told)


def test_a_refusal_stands_inside_a_sentence():
    """The server's own full stop is not doubled."""
    assert "too long. Go back" in str(as_sentence(Refused(400, "This is too long. "), "text"))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json=[1, 2]),
        httpx.Response(204),
        httpx.Response(200, html="<!doctype html><title>Sign in</title>"),
        httpx.Response(301, headers={"location": "http://elsewhere.test/"}),
    ],
)
def test_another_kind_of_server_is_told(answer):
    """What no vLLM server answers: a sentence with the setting to look at; nothing is followed."""
    server = Server()
    server.faults = [answer]
    with pytest.raises(LabError, match="LAB_ENGINE_URL"):
        server.wire().post("/tokenize", ASK)
    assert len(server.asked) == 1


def test_the_address_may_end_in_v1_or_not():
    """Both ways that people write it lead to the same paths."""
    server = Server()
    server.wire().get(MODELS)
    assert server.asked[0][0] == MODELS

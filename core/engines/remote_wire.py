"""Asking a vLLM server over HTTP: time limits, tries, and a sentence for each way it fails.

JSON in, JSON out. Knows nothing of tokens or of what is asked.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from core.errors import ConfigError, EngineAway, InputError, LabError

Json = dict[str, Any]
MOST_TRIES = 6
TOTAL_SECONDS = 90.0  # for all tries of one question together
CONNECT_SECONDS = 5.0
KEPT_SECONDS = 4.0  # an idle connection: the server ends it after 5
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
BUSY = 429
KEY_REFUSED = (401, 403)
UNKNOWN = 404
AGAIN = (408, 425, BUSY, 500, 502, 503, 504)  # what a server says that may answer later
MOST_QUOTED = 200  # characters of the server's own words


class Refused(Exception):
    """The server understood the question and says no (HTTP 4xx); not for a person's eyes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message[:MOST_QUOTED].rstrip(" ."))  # it stands inside a sentence
        self.status = status
        self.message = message


@dataclass(frozen=True)
class _Trouble:
    """Why a try failed, and how long the server asks to be left alone."""

    why: str
    pause: float | None = None


class Wire:
    """One server. Holds nothing but open connections; safe to use from many threads.

    ``transport``, ``sleep`` and ``clock`` are for tests.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=url.rstrip("/").removesuffix("/v1"),
            headers=headers,
            transport=transport,
            limits=httpx.Limits(max_connections=64, keepalive_expiry=KEPT_SECONDS),
        )
        self._sleep, self._clock = sleep, clock
        self.trouble = ""  # of the last question; empty while the server answers

    def get(self, path: str) -> Json:
        """The JSON object at a path, asked for once; raises what ``post`` does."""
        return self._ask("GET", path, None, most_tries=1)

    def post(self, path: str, body: Json) -> Json:
        """The JSON object a path answers with.

        What may pass (a connection lost, a time limit, 429 and 5xx, an answer cut off) is tried
        again, with longer and longer pauses or after those the server asks for; all within
        90 seconds. Raises EngineAway after that, ConfigError for a key that is not taken,
        and Refused for every other 4xx.
        """
        return self._ask("POST", path, body, MOST_TRIES)

    def close(self) -> None:
        """End the connections; asking again is an error."""
        self._client.close()

    def _ask(self, method: str, path: str, body: Json | None, most_tries: int) -> Json:
        deadline = self._clock() + TOTAL_SECONDS
        trouble = _Trouble("it was not asked")
        for number in range(most_tries):
            answer = self._try(method, path, body, deadline - self._clock())
            if not isinstance(answer, _Trouble):
                return answer
            trouble = answer
            pause = _pause(number) if trouble.pause is None else trouble.pause
            if number + 1 == most_tries or self._clock() + pause >= deadline:
                break
            self._sleep(pause)
        self.trouble = trouble.why
        raise EngineAway(trouble.why)

    def _try(self, method: str, path: str, body: Json | None, seconds: float) -> Json | _Trouble:
        limit = httpx.Timeout(max(1.0, seconds), connect=CONNECT_SECONDS)
        try:
            response = self._client.request(method, path, json=body, timeout=limit)
        except httpx.TimeoutException:
            return _Trouble("it took too long to answer")
        except httpx.TransportError:
            return _Trouble("it can't be reached, or the connection broke off")
        except httpx.DecodingError:
            return _Trouble("its answer was cut off")
        if response.status_code in AGAIN:
            busy = response.status_code == BUSY
            why = "it has too much to do" if busy else f"it failed (HTTP {response.status_code})"
            return _Trouble(why, _retry_after(response))
        self.trouble = ""  # it answers, be it with a no
        _check(response)
        try:
            answer = response.json()
        except ValueError:
            return _Trouble("its answer was cut off")
        if not isinstance(answer, dict):
            raise not_understood()
        return answer


def not_understood() -> LabError:
    """For an answer that no vLLM server gives."""
    return LabError(
        "The model server answered something that Token Lab can't read. "
        "LAB_ENGINE_URL must be the address of a vLLM server, such as http://127.0.0.1:8000."
    )


def as_sentence(refusal: Refused, what: str) -> LabError:
    """What a person is told of a ``what`` (document, text) the server does not take."""
    if refusal.status == UNKNOWN:
        return ConfigError(
            "The model server does not know this model (any more). Start Token Lab again, so "
            "that it asks what the server runs."
        )
    return InputError(
        f"The model server does not take this {what}: {refusal}. "
        "Go back one step, or use a shorter text."
    )


def _check(response: httpx.Response) -> None:
    """Raise for every answer that trying again won't change."""
    status = response.status_code
    if status in KEY_REFUSED:
        raise ConfigError(
            "The model server does not take this key. Set LAB_ENGINE_KEY to the one that the "
            "server was started with (its --api-key), and start Token Lab again."
        )
    if 400 <= status < 500:
        raise Refused(status, _message(response))
    if status != 200 or "html" in response.headers.get("content-type", ""):
        raise not_understood()


def _message(response: httpx.Response) -> str:
    """The server's own words, wherever this version of it puts them."""
    try:
        said = response.json()
    except ValueError:
        return response.text
    error = said.get("error", said) if isinstance(said, dict) else said
    message = error.get("message") if isinstance(error, dict) else error
    return str(message if message is not None else said)


def _pause(number: int) -> float:
    """Doubling, half of it by chance, so that many who wait don't return at once."""
    whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**number)
    return whole * (0.5 + 0.5 * random.random())


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds the server asks for; None where it says none, or a date."""
    said = response.headers.get("retry-after", "").strip()
    return float(said) if said.isdecimal() and len(said) < 6 else None

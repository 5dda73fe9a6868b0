"""The order in which events arrive at the server, which may begin them in another.

Gradio reads, queues and calls each event in a task and a thread of its own, so one that was
clicked first can begin last. Knows nothing of what the events do.
"""

import itertools
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

JOIN = "/queue/join"  # where Gradio's page sends its events
NUMBER = "token_lab.arrival"

_numbers = itertools.count()


class Arrivals:
    """ASGI: gives every event its number before anything of it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Number an event, and pass everything on as it is."""
        if scope["type"] == "http" and scope["path"].endswith(JOIN):
            scope[NUMBER] = next(_numbers)
        await self._app(scope, receive, send)


def app_kwargs() -> dict[str, Any]:
    """What Gradio's ``launch(app_kwargs=…)`` takes to number the events."""
    return {"middleware": [Middleware(Arrivals)]}


def number_of(request: Any) -> int:
    """When the event of a ``gr.Request`` arrived; one without a number arrives now."""
    scope = getattr(getattr(request, "request", None), "scope", {})
    return scope[NUMBER] if NUMBER in scope else next(_numbers)

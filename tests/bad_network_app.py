"""``python app.py`` behind a bad network: what it says comes late, in pieces, in another order."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware

sys.path.insert(0, str(Path(__file__).parents[1]))

from demos import discover
from demos.ui import arrivals, page

END_LATE_SECONDS = 0.4
ID_LATE_SECONDS = 0.15  # longer than a step takes


class BadNetwork:
    """ASGI: answers come in pieces, the end of their stream late, ids of events after them."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def in_pieces(message: Any) -> None:
            body = message.get("body", b"")
            if b'"close_stream"' in body:
                await asyncio.sleep(END_LATE_SECONDS)
            if body:
                first, body = body[: len(body) // 2], body[len(body) // 2 :]
                await send(message | {"body": first, "more_body": True})
                await asyncio.sleep(0.01)
                message |= {"body": body}
            await send(message)

        async def late(message: Any) -> None:
            await asyncio.sleep(ID_LATE_SECONDS)
            await send(message)

        path = scope.get("path", "")
        ways = {"/queue/data": in_pieces, "/queue/join": late}
        way = next((way for end, way in ways.items() if path.endswith(end)), send)
        await self._app(scope, receive, way)


def app_kwargs() -> dict[str, Any]:
    """The app's own, and the network."""
    return {"middleware": [*arrivals.app_kwargs()["middleware"], Middleware(BadNetwork)]}


if __name__ == "__main__":
    page.app_kwargs = app_kwargs
    lab = page.make_lab()
    page.launch(page.build_app(discover(), lab), lab)

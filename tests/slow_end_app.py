"""``python app.py`` behind a network that brings the news of a stream's end late."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware

sys.path.insert(0, str(Path(__file__).parents[1]))

from demos import discover
from demos.ui import arrivals, page

LATE_SECONDS = 0.4


class LateEnd:
    """ASGI: holds back what says that nothing more is pending."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def late(message: Any) -> None:
            if b'"close_stream"' in message.get("body", b""):
                await asyncio.sleep(LATE_SECONDS)
            await send(message)

        streams = scope["type"] == "http" and scope["path"].endswith("/queue/data")
        await self._app(scope, receive, late if streams else send)


def app_kwargs() -> dict[str, Any]:
    """The app's own, and the network."""
    return {"middleware": [*arrivals.app_kwargs()["middleware"], Middleware(LateEnd)]}


if __name__ == "__main__":
    page.app_kwargs = app_kwargs
    lab = page.make_lab()
    page.launch(page.build_app(discover(), lab), lab)

"""The running app for tests: ``python app.py`` in a process of its own, on a free port.

Servers are shared by all tests of a session that ask for the same model, whatever
tier they are in, and ended together by ``stop_all``.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import socket

import httpx

ROOT = Path(__file__).parents[1]
START_SECONDS = 400  # a first start fetches and converts


class Server:
    """One ``python app.py``: its address, what it wrote, and its end.

    ``program`` is what Python runs instead, and ``environment`` is put over this one.
    """

    def __init__(
        self,
        model: str,
        folder: Path = ROOT,
        program: Sequence[str] = ("app.py",),
        **environment: str,
    ) -> None:
        self._place = tempfile.TemporaryDirectory()
        self._log = Path(self._place.name) / "log.txt"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *program],
                cwd=folder,
                env=os.environ
                | {"LAB_MODEL": model, "GRADIO_SERVER_PORT": str(port), "PYTHONUNBUFFERED": "1"}
                | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        """Everything the process wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def served(self) -> bool:
        """Whether the page is served."""
        try:
            return httpx.get(self.url, timeout=10).is_success
        except httpx.TransportError:
            return False

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Return once ``condition()`` holds; fails when the process ends or time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"The app is not {what}. It wrote:\n{self.log}")
            time.sleep(0.1)

    def wait_until_served(self, seconds: float = 60) -> "Server":
        """Return once the page is served, whether or not there is an engine."""
        self.wait(lambda: self.served, "served", seconds)
        return self

    def wait_until_ready(self) -> "Server":
        """Return once the engine is open and the page is served."""
        self.wait(lambda: "Ready: " in self.log, "ready", START_SECONDS)
        return self.wait_until_served()

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._place.cleanup()


def free_port() -> int:
    """A port nothing listens on."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_running: dict[str, Server] = {}


def running(model: str) -> Server:
    """The session's server of a model, started by whoever asks first, ready."""
    if model not in _running:
        _running[model] = Server(model)
    return _running[model].wait_until_ready()


def stop_all() -> None:
    """End every shared server; harmless when repeated."""
    while _running:
        _running.popitem()[1].stop()

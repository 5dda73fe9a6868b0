"""The one engine of a process, opened in the background while the page is served.

Knows nothing of layout: only whether there is an engine, and what is going on until
there is one.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from core.course import Course
from core.engines import Engine
from core.errors import LabError, ModelNotReady
from core.progress import Progress
from demos.ui.quick_start import uncollected

log = logging.getLogger("token_lab")
WAIT_SECONDS = 0.2
TERMINAL_SECONDS = 5.0  # at most one line of the same stage in this time


class Lab:
    """Opens an engine in a thread with ``open_engine(report)`` and hands it out.

    ``course`` is what an instructor has set up; by default nothing. ``openings`` are, by
    demo, functions of an engine and a query that ask of it what a page opened so asks.
    ``gpu_is_lent``: for one call at a time, so that the engine is to be opened before the page.
    ``mcp``: whether the API is offered to assistants as well.
    """

    def __init__(
        self,
        open_engine: Callable[[Callable[[Progress], None]], Engine],
        course: Course | None = None,
        *,
        gpu_is_lent: bool = False,
        mcp: bool = False,
    ) -> None:
        self.course = course or Course()
        self.gpu_is_lent = gpu_is_lent
        self.mcp = mcp
        self._open_engine = open_engine
        self._done = threading.Event()
        self._engine: Engine | None = None
        self._text_side: Engine | None = None
        self.failure: str | None = None
        self.openings: dict[str, Callable[[Engine, dict[str, str]], None]] = {}
        self.progress = Progress("Starting")
        self._said_stage, self._said_at = "", 0.0

    def start(self) -> "Lab":
        """Begin opening the engine; returns at once."""
        threading.Thread(target=self.open, name="open-engine", daemon=True).start()
        return self

    @property
    def ready(self) -> bool:
        """Whether the engine can be used."""
        return self._engine is not None

    @property
    def cuts_texts(self) -> bool:
        """Whether at least its text side can be."""
        return self.ready or self._text_side is not None

    def engine(self) -> Engine:
        """The engine, or its text side; raises LabError when neither is there or can be had.

        Never waits: the threads of a server are few, and a class that waits takes them all.
        """
        if self._engine is not None:
            return self._engine
        if self._text_side is not None:
            return self._text_side
        raise LabError(self.failure) if self.failure else ModelNotReady(self.progress.sentence)

    def offer(self, text_side: Engine) -> None:
        """Hand out ``text_side``, which predicts nothing, until the engine is there."""
        self._text_side = text_side

    async def wait(self) -> None:
        """Return once the engine is there or can't be had, without holding a thread."""
        while not self._done.is_set():
            await asyncio.sleep(WAIT_SECONDS)

    def open(self) -> None:
        """Open the engine, in this thread; ``failure`` says what went wrong."""
        try:
            with uncollected():
                self._engine = self._open_engine(self._report)
            info = self._engine.info
            log.info("Ready: %s", " ".join(filter(None, (info.name, info.note, info.remedy))))
        except LabError as error:
            self._fail(str(error))
            log.error("%s", error)
        except Exception:
            self._fail("The model could not be opened; the terminal shows why.")
            log.exception("The model could not be opened")
        finally:
            self._done.set()

    def _fail(self, sentence: str) -> None:
        self.failure, self._text_side = sentence, None

    def _report(self, progress: Progress) -> None:
        self.progress = progress
        now = time.monotonic()
        if progress.stage != self._said_stage or now - self._said_at > TERMINAL_SECONDS:
            self._said_stage, self._said_at = progress.stage, now
            log.info("%s", progress.sentence)

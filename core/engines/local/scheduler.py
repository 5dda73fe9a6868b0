"""Who is served next: all model work as small passes, the urgent before the patient.

One thread does everything. A pass takes jobs of one kind, joined where they can be.
Before each layer of a patient pass the scheduler looks whether something more urgent
waits and, if so, does one pass of that first. So a click waits for a layer, not for a
document, and a long document goes on however many click. Inside a kind the calls take
turns: unfinished ones go to the end of the line. Knows nothing of tensors or models.
"""

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum

_OPEN: "weakref.WeakSet[Scheduler]" = weakref.WeakSet()
CLOSING_SECONDS = 5.0
GATHER_SECONDS = 0.003  # those who come within this time of each other are served together,
LONGEST_GATHER = 0.05  # as long as more of them come
IDLE_SECONDS = 60.0  # the thread ends when nothing came for so long; a new one is slow at first
QUIET_SECONDS = 0.15  # nobody asked for so long: time to look ahead


class Urgency(IntEnum):
    """Kinds of work, the most urgent first."""

    CLICK = 0
    PREFILL = 1
    SCORE = 2
    LOOKAHEAD = 3


class Dropped(Exception):
    """Ends a pass whose result nobody waits for any more."""


class Job:
    """Something to be done in passes; whoever does the last one sets ``done``."""

    def __init__(self, urgency: Urgency) -> None:
        self.urgency = urgency
        self.done = False
        self.cancelled = False
        self.begun_again = False
        self.arrived = 0.0
        self.error: BaseException | None = None
        self._ended = threading.Event()

    def end(self) -> None:
        """Called once by the scheduler, whether the job is done, cancelled or failed."""
        self._ended.set()

    def wait(self) -> None:
        """Return when the job has ended; raises what it failed with."""
        self._ended.wait()
        if self.error is not None:
            raise self.error


DoPass = Callable[[Sequence[Job], Callable[[], None]], None]
Join = Callable[[Sequence[Job]], Sequence[Job]]


class Scheduler:
    """Runs jobs in one thread of its own. Safe to call from many.

    ``join`` chooses, from waiting jobs of one kind in order, those of one pass;
    ``do_pass(jobs, pause)`` does it, calling ``pause`` between layers. Jobs that are not
    done by then stand in line again.
    """

    def __init__(self, join: Join, do_pass: DoPass) -> None:
        self._join = join
        self._do_pass = do_pass
        self._lines: dict[Urgency, deque[Job]] = {urgency: deque() for urgency in Urgency}
        self._changed = threading.Condition()
        self._running = False
        self._closed = False
        self._thread = threading.Thread()
        self._last_request = 0.0
        self._last_kind = self._last_inside = Urgency.LOOKAHEAD
        _OPEN.add(self)

    def submit(self, *jobs: Job) -> None:
        """Put jobs in line; returns at once."""
        with self._changed:
            for job in jobs:
                job.arrived = time.monotonic()
                self._lines[job.urgency].append(job)
                if job.urgency < Urgency.LOOKAHEAD:
                    self._last_request = job.arrived
            if not self._running:
                self._running = True
                self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
                self._thread.start()
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Say that nobody waits for a job any more: it is not begun, or ends at its next layer."""
        with self._changed:
            job.cancelled = True
            if job in self._lines[job.urgency]:
                self._lines[job.urgency].remove(job)
                job.end()

    def close(self) -> None:
        """End the thread at its next layer; whoever still waits is left alone."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._running:
            self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        while self._wait_for_work():
            self._last_kind = self._kind_in_turn()
            self._one_pass(self._last_kind)

    def _wait_for_work(self) -> bool:
        """Return when there is something to do; False, and the thread is over, when idle."""
        with self._changed:
            while not self._closed and not self._somebody_waits():
                patient = bool(self._lines[Urgency.LOOKAHEAD])
                quiet_in = self._last_request + QUIET_SECONDS - time.monotonic()
                if patient and quiet_in <= 0:
                    break
                heard = self._changed.wait(quiet_in if patient else IDLE_SECONDS)
                if not (heard or patient or self._somebody_waits()):
                    self._running = False
                    return False
            return not self._closed

    def _somebody_waits(self) -> bool:
        return any(self._lines[kind] for kind in Urgency if kind < Urgency.LOOKAHEAD)

    def _kind_in_turn(self) -> Urgency:
        """The next kind that waits after the last one served: each lets the more urgent through."""
        kinds = [kind for kind in Urgency if self._lines[kind]]
        if kinds[0] < Urgency.LOOKAHEAD and kinds[-1] is Urgency.LOOKAHEAD:
            kinds.pop()
        return next((kind for kind in kinds if kind > self._last_kind), kinds[0])

    def _one_pass(self, kind: Urgency) -> bool:
        """Do one pass of a kind; False when all that wait have to wait for a pass under way."""
        if kind <= Urgency.PREFILL and self._is_burst(kind):
            self._gather(kind)
        with self._changed:
            line = self._lines[kind]
            jobs = self._join([job for job in line if not job.cancelled])
            for job in [job for job in line if job in jobs or job.cancelled]:
                line.remove(job)
                if job.cancelled:
                    job.end()
        if not jobs:
            return False
        try:
            began = time.monotonic()
            self._do_pass(jobs, lambda: self._pause(kind, jobs, began))
        except Dropped:
            pass
        except BaseException as error:
            for job in jobs:
                job.error = error
        self._sort(jobs)
        return True

    def _sort(self, jobs: Sequence[Job]) -> None:
        """End the jobs that are over; the others go to the end of their line."""
        for job in jobs:
            if job.done or job.cancelled or job.error is not None:
                job.end()
            else:
                with self._changed:
                    self._lines[job.urgency].append(job)

    def _pause(self, kind: Urgency, jobs: Sequence[Job], began: float) -> None:
        """Between two layers of a pass: end it if nobody waits for it, let the urgent through."""
        if kind <= Urgency.PREFILL and self._has_company(kind, jobs, began):
            for job in jobs:
                job.begun_again = True
            self._gather(kind)
            raise Dropped
        waiting = [k for k in Urgency if k < kind and self._lines[k]]
        unwanted = kind is Urgency.LOOKAHEAD and bool(waiting)
        if unwanted or self._closed or all(job.cancelled for job in jobs):
            raise Dropped
        for urgent in sorted(waiting, key=lambda k: (k <= self._last_inside, k)):
            if self._one_pass(urgent):
                self._last_inside = urgent
                return

    def _is_burst(self, kind: Urgency) -> bool:
        """Whether several have just come: then more of a class are on their way."""
        with self._changed:
            line = self._lines[kind]
            return len(line) > 1 and time.monotonic() - line[0].arrived < GATHER_SECONDS

    def _gather(self, kind: Urgency) -> None:
        """Wait until nobody else comes."""
        until = time.monotonic() + LONGEST_GATHER
        while (now := time.monotonic()) < until:
            with self._changed:
                last = max((job.arrived for job in self._lines[kind]), default=0.0)
            if now >= last + GATHER_SECONDS:
                return
            time.sleep(last + GATHER_SECONDS - now)

    def _has_company(self, kind: Urgency, jobs: Sequence[Job], began: float) -> bool:
        """Whether others came just as a pass began: a class that clicks at once shares the next."""
        if time.monotonic() - began >= GATHER_SECONDS or any(job.begun_again for job in jobs):
            return False
        with self._changed:
            return bool(self._join([job for job in self._lines[kind] if not job.cancelled]))


@atexit.register
def _close_all() -> None:
    """A thread that is inside torch when the interpreter goes ends the process with an abort."""
    for open_one in list(_OPEN):
        open_one.close()

"""What ``spaces.GPU`` does on a ZeroGPU, on this machine: the function runs in another process.

The process is forked at the first call and serves one call after the other, as there; all that
crosses is pickled. ``refusal`` is raised instead when it is set.
"""

import multiprocessing
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor


class Lender:
    """Wraps a function, like ``spaces.GPU``; ``asked`` are the durations, in order."""

    def __init__(self):
        self.refusal, self.asked, self.calls = None, [], []
        self._lock, self._pipe, self._process = threading.Lock(), None, None

    def __call__(self, task, *, duration):
        def lent(*given):
            with self._lock:
                self.asked.append(duration(*given))
                if self.refusal is not None:
                    raise self.refusal
                self.calls.append(given)
                if self._process is None:
                    self._fork(task)
                self._pipe.send(given)
                kind, value = self._pipe.recv()
            if kind == "error":
                raise value
            return value

        return lent

    def _fork(self, task):
        ctx = multiprocessing.get_context("fork")
        self._pipe, far = ctx.Pipe()
        self._process = ctx.Process(target=serve, args=(task, far), daemon=True)
        with warnings.catch_warnings():  # newer Pythons warn of a fork beside threads
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()

    def end(self):
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._pipe.close()
            self._process = None


def serve(task, pipe):
    """Answer calls, each in a new thread, as ``spaces`` does."""
    while True:
        given = pipe.recv()
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(task, *given)
        error = future.exception()
        pipe.send(("error", error) if error is not None else ("value", future.result()))

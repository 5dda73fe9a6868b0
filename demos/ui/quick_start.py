"""What shortens the wait between ``python app.py`` and a page that lives.

Knows nothing of pages or engines, and must be imported before Gradio is.
"""

import gc
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uncollected() -> Iterator[None]:
    """Take what is made inside as here to stay: it is never searched for garbage.

    Importing makes millions of objects; the collector would look at them all, many times.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def no_type_stubs() -> Iterator[None]:
    """Hide where Gradio's classes are defined: Gradio writes no stub for a class that has no file.

    It would parse the source of every component at each import to write a ``.pyi`` file
    beside it, which takes longer than all the rest of its import.
    """
    file_of = inspect.getfile

    def hide_classes_of_gradio(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("hidden from Gradio")
        return file_of(thing)

    inspect.getfile = hide_classes_of_gradio
    try:
        yield
    finally:
        inspect.getfile = file_of

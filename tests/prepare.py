"""The models of the tests, fetched and converted where they are not yet: one after the other.

A whole run begins it beside the installing and checking that come before pytest; a test that
needs a model waits for it. Trouble is left to the tests to tell.
"""

from contextlib import suppress
from dataclasses import replace

from core.config import Settings
from core.errors import LabError
from core.weights import obtain

MODELS = ("smollm2-135m-instruct", "gemma-3-270m")

if __name__ == "__main__":
    for model in MODELS:
        with suppress(LabError):
            obtain(replace(Settings.from_env(), model=model), False, lambda progress: None)

"""From ``python app.py`` to a live page, in times the imports take."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row
from benchmarks.timing import in_turn, median

ROOT = Path(__file__).parents[1]
IMPORTS = "import torch, transformers, gradio"


def startup_rows(model: str, rounds: int = 3) -> Iterator[Row]:
    """A second start against importing the three big libraries in a process of their own."""
    seconds = in_turn(
        {
            "imports": lambda n: subprocess.run([sys.executable, "-c", IMPORTS], check=True),
            "start": lambda n: seconds_to_ready(model, 7990 + n),
        },
        rounds,
    )
    start, imports = median(seconds["start"]), median(seconds["imports"])
    yield Row("warm start until the engine is ready, in imports", start / imports, 2,
              detail=f"{start:.1f} s; the imports {imports:.1f} s")  # fmt: skip


def seconds_to_ready(model: str, port: int) -> float:
    """Seconds until the terminal says that the engine is ready."""
    chosen = {"LAB_MODEL": model, "GRADIO_SERVER_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | chosen, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as app:  # fmt: skip
        assert app.stdout is not None
        try:
            next(line for line in app.stdout if line.startswith("Ready"))
            return time.perf_counter() - start
        finally:
            app.kill()

"""From ``python app.py`` to a live page, in times the imports take.

The page is opened in Chromium, as in the browser tests, while the app starts.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

from benchmarks.table import Row
from benchmarks.timing import in_turn, median

ROOT = Path(__file__).parents[1]
IMPORTS = "import torch, transformers, gradio"
LIVE_MS = 300_000


def startup_rows(model: str, rounds: int = 5) -> Iterator[Row]:
    """A second start against importing the three big libraries in a process of their own."""
    ready: list[float] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell"), args=["--no-sandbox"]
        )

        def start(n: int) -> float:
            page = chromium.new_page()
            live, whole = seconds_to_live(model, 7990 + n, page)
            page.close()
            ready.extend([whole] * bool(n))  # the first round warms up
            return live

        works = {
            "imports": lambda n: subprocess.run([sys.executable, "-c", IMPORTS], check=True),
            "start": start,
        }
        seconds = in_turn(works, rounds)
    live, imports = median(seconds["start"]), median(seconds["imports"])
    yield Row("warm start to the first live demo in a browser, in imports", live / imports, 2,
              detail=f"{live:.1f} s; the imports {imports:.1f} s")  # fmt: skip
    yield Row("warm start until all demos live, in imports", median(ready) / imports,
              detail=f"{median(ready):.1f} s")  # fmt: skip


def seconds_to_live(model: str, port: int, page: Page) -> tuple[float, float]:
    """Seconds until the first demo shows tokens, and until the header says the model is there."""
    chosen = {"LAB_MODEL": model, "GRADIO_SERVER_PORT": str(port)}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | chosen,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as app:  # fmt: skip
        try:
            _visit(page, f"http://127.0.0.1:{port}")
            page.wait_for_selector(".lab-chip", timeout=LIVE_MS)
            live = time.perf_counter() - start
            page.wait_for_selector("#status >> text=vocabulary", timeout=LIVE_MS)
            return live, time.perf_counter() - start
        finally:
            app.kill()


def _visit(page: Page, address: str) -> None:
    """Open the page as soon as it is served."""
    while True:
        try:
            page.goto(address)
        except Error:
            time.sleep(0.1)
        else:
            return

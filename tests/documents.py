"""The code in ``docs/``: cells of notebooks and fenced blocks of pages, and how tests run it.

Cells run in order in a plain interpreter of their own, without Jupyter: a kernel and its
packages would only bring what the cells don't use (magics, widgets, pictures).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
SECONDS = 120
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# each cell as at a prompt, which shows the value of an expression; the named modules are not there
RUN_CELLS = """
import ast, json, sys
sys.modules.update(dict.fromkeys(sys.argv[2:]))
names = {"__name__": "__main__"}
for n, cell in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))["cells"]):
    if cell["cell_type"] == "code":
        body = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Interactive(body), f"cell {n}", "single"), names)
"""


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language on a page of ``docs/``."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [code for found, code in FENCED.findall(text) if found == language]


def run(command: list[str], folder: Path = DOCS.parent, **environment: str) -> str:
    """What a command prints; fails with all that it wrote when it fails."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(DOCS.parent), "PYTHONIOENCODING": "utf-8"}
        | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def run_notebook(name: str, without: tuple[str, ...] = (), **environment: str) -> str:
    """What the cells of a notebook print, run where it lies; ``without``: modules not there."""
    command = [sys.executable, "-c", RUN_CELLS, name, *without]
    return run(command, DOCS, PYTHONPATH="", **environment)

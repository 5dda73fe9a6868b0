"""The notebooks of ``docs/``: they run as they are, and hold nothing that a run has left."""

import json
import re

import pytest
from documents import DOCS, run_notebook

NOTEBOOKS = sorted(path.name for path in DOCS.glob("*.ipynb"))
PAGES_ONLY = ("gradio", "gradio_client", "plotly", "fastapi")


def test_there_are_two():
    """What is tested here is what there is."""
    assert NOTEBOOKS == ["notebook_client.ipynb", "notebook_core.ipynb"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stored_without_what_a_run_leaves(name):
    """Plain Python cells, no outputs, no counts: a diff shows what was written by hand."""
    notebook = json.loads((DOCS / name).read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert set(cell) - {"id", "cell_type", "metadata", "source"} <= {
            "outputs",
            "execution_count",
        }
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), cell["id"], "exec")  # no magics


def test_the_client_notebook_runs(app):
    """Against the running app, whose address it takes from LAB_URL; agreement is found."""
    shown = run_notebook("notebook_client.ipynb", ("gradio", "core", "torch"), LAB_URL=app.url)
    assert float(re.search(r"“are” is ([\d.]+) times", shown)[1]) > 1
    assert "first ' Paris'" in shown
    assert shown.count("r = 0.") == 8
    assert shown.count("bits per byte") == 4
    assert re.search(r"^user: \d+ tokens \[", shown, re.MULTILINE)
    assert "Temperature is -1.0; it must be" in shown


def test_the_core_notebook_runs_where_there_is_no_page():
    """In a Python without Gradio and Plotly, with the small model; its own asserts hold."""
    shown = run_notebook("notebook_core.ipynb", PAGES_ONLY, LAB_MODEL="smollm2-135m-instruct")
    assert "' Paris'" in shown
    assert re.search(r"entropy [\d.]+ bits over 49,152 tokens", shown)
    assert float(re.search(r"the first is ([\d.]+) times", shown)[1]) > 1
    assert re.search(r"^top-p 0.9 +leaves", shown, re.MULTILINE)
    assert "reads ' hello' and is cut again as" in shown


def test_the_core_notebook_runs_with_the_toy():
    """It depends on no particular model."""
    shown = run_notebook("notebook_core.ipynb", (*PAGES_ONLY, "torch"), LAB_MODEL="toy")
    assert "bits over 259 tokens" in shown

"""README, CONTRIBUTING and docs/ as a reader takes them: what they name is there, what they tell
to type is taken, and no block of code is one that nothing runs."""

import inspect
import json
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import serving

from benchmarks import __main__ as benchmarks
from core import api, catalogue
from core.config import Settings
from demos import Demo, discover
from demos.ui.events import Page

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = {
    str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")))
}
README, CONTRIBUTING = PAGES["README.md"], PAGES["CONTRIBUTING.md"]
HERE = "demos/test_docs_pages.py"
# (page, language) -> the test that runs its blocks, or checks them where running needs a real
# Hub, a real vLLM server, or the hour of all tests
RUN_BY = {
    ("README.md", "bash"): HERE,  # the Space's line: unit/test_deploy_space.py, with no Hub
    ("README.md", "python"): "demos/test_docs_api.py",
    ("README.md", ""): HERE,  # the tree
    ("CONTRIBUTING.md", "bash"): HERE,
    ("docs/api.md", "bash"): "demos/test_docs_api.py",
    ("docs/api.md", "python"): "demos/test_docs_api.py",
    ("docs/api.md", "json"): "demos/test_docs_api.py",
    ("docs/courses.md", "bash"): "demos/test_docs_commands.py",
    ("docs/courses.md", "toml"): "unit/test_links_document.py",
    ("docs/courses.md", ""): "unit/test_links_document.py",
    ("docs/links.md", ""): "unit/test_links_document.py",
    ("docs/scale.md", "bash"): "demos/test_docs_commands.py",  # the script: unit/test_docs_scale.py
    ("docs/scale.md", "text"): "unit/test_docs_scale.py",
    ("docs/space.md", "bash"): "unit/test_deploy_space.py",
}


def blocks(page, language):
    return [code for found, code in FENCED.findall(PAGES[page]) if found == language]


def lines(page):
    """The commands of a page's bash blocks, one line each, without comments."""
    found = "".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [" ".join(shlex.split(line, comments=True)) for line in found]


def test_every_block_has_a_test():
    """A new page, or a new kind of block on one, needs a test and a row above."""
    found = {(page, kind) for page, text in PAGES.items() for kind, _ in FENCED.findall(text)}
    assert found == RUN_BY.keys()
    for (page, _), test in RUN_BY.items():
        text = (ROOT / "tests" / test).read_text(encoding="utf-8")
        assert Path(page).name in text or Path(page).stem.upper() in text


# --- what the pages name


def heads(text):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    """Files are there, and so are the headings on them."""
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.is_file(), target
        assert not anchor or anchor in heads(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page):
    """Paths between backticks, from the root or beside what the page is about."""
    prose = FENCED.sub("", PAGES[page])
    named = re.findall(r"`((?:core|demos|docs|tests|benchmarks)/[\w./*-]*|\w+\.py)`", prose)
    for name in set(named) - {"demos/my_demo.py"}:
        assert list(ROOT.glob(name)) or list(ROOT.glob(f"core/engines/local/{name}")), name


def test_readme_leads_to_every_page():
    """Whoever starts there finds each page and notebook of docs/."""
    targets = set(re.findall(r"\]\((docs/[^)#]+)\)", README))
    pages = {f"docs/{file.name}" for file in (ROOT / "docs").glob("*.[mi]*[db]")}
    assert pages
    assert pages <= targets


def test_the_tree_is_the_tree():
    """Every name in it is there, and every module of core is in it."""
    [tree] = blocks("README.md", "")
    in_core = tree[tree.index("core/ ") : tree.index("demos/ ")]
    named = re.findall(r"(?:^ *|(?<= ))([\w*]+\.py|\w+/)(?= |$)", tree, re.MULTILINE)
    for name in named:
        assert any(list((ROOT / place).glob(name)) for place in ("", "core", "demos")), name
    patterns = re.findall(r"[\w*]+\.py", in_core)
    for module in (ROOT / "core").glob("*.py"):
        known = any(module.match(pattern) for pattern in patterns)
        assert known or module.name == "__init__.py", module.name
    assert {
        f"{p.name}/" for p in (ROOT / "core").iterdir() if p.name[0] != "_" and p.is_dir()
    } <= set(named)


def table(text, first):
    """{first cell: other cells} of the rows whose first cell is a name between backticks."""
    rows = [re.split(r" *(?<!\\)\| *", row)[1:-1] for row in text.splitlines() if row[:1] == "|"]
    return {row[0].strip("`"): row[1:] for row in rows if re.fullmatch(first, row[0])}


def test_the_table_of_settings_is_whole_and_right():
    """Each variable that is read, no other, and the defaults that are numbers."""
    rows = table(README, r"`LAB_\w+`")
    read = set(re.findall(r"``(LAB_\w+)``", Settings.from_env.__doc__))
    assert rows.keys() == read
    defaults = Settings.from_env({})
    for name, (_, default) in rows.items():
        value = getattr(defaults, name.removeprefix("LAB_").lower(), None)
        if default.strip("`").isdecimal():
            assert int(value) == int(default.strip("`")), name
    for text in PAGES.values():
        others = set(re.findall(r"\bLAB_[A-Z_]+", text)) - read
        assert others <= {"LAB_URL", "LAB_TEST_VLLM_URL", "LAB_TEST_VLLM_MODEL"}


def test_the_models_by_name_are_those_of_the_catalogue():
    """All of them, those of the package index, and those that are intended."""
    [paragraph] = re.findall(r"^Models by name: (.*?)\n\n", README, re.DOTALL | re.MULTILINE)
    by_name, without_the_hub = paragraph.split("Without the Hub")
    named = re.findall(r"`([\w.-]+-[\w.-]+)`", by_name)
    assert sorted(named) == sorted(spec.name for spec in catalogue.CATALOGUE)
    assert re.findall(r"`([\w.-]+-[\w.-]+)`", without_the_hub) == sorted(
        (spec.name for spec in catalogue.CATALOGUE if spec.gguf), reverse=True
    )
    assert f"`{catalogue.INTENDED_ON_CPU}` (intended on a CPU)" in by_name
    assert f"`{catalogue.INTENDED_ON_GPU}` (intended on a GPU)" in by_name
    gated = {spec.name for spec in catalogue.CATALOGUE if spec.gated}
    assert gated == {name for name in named if name.startswith("gemma-3-")}


def test_the_table_of_demos_is_that_of_the_tabs():
    """Titles and paths, in order."""
    rows = re.findall(r"^\| \*\*(.*?)\*\* \|.*\| `/([\w-]+)` \|$", README, re.MULTILINE)
    assert rows == [(demo.title, demo.slug) for demo in discover()]


def test_the_table_of_endpoints_is_that_of_the_api(toy):
    """Parameters with their defaults, and every field of the answers."""
    rows = table(PAGES["docs/api.md"], r"`/\w+`")
    asked = {"chat_document": '[{"role": "user", "content": "a"}]'}
    assert list(rows) == ["/tokenize", "/next_token", "/sample", "/surprisal", "/chat_document"]
    for path, (parameters, told_of_answer) in rows.items():
        function = getattr(api, path[1:])
        told = re.findall(r"`(\w+)`(?: \(([\w.]+)\))?", parameters)
        taken = list(inspect.signature(function).parameters.values())[1:]
        assert [name for name, _ in told] == [p.name for p in taken]
        for (_, default), parameter in zip(told, taken, strict=True):
            if default not in ("", "empty"):
                assert default == json.dumps(parameter.default).removesuffix(".0")
        answer = function(toy, asked.get(path[1:], "abc"))
        assert re.findall(r"`(\w+)`", told_of_answer) == list(answer)[1:]
        for name, of_each in re.findall(r"`(\w+)`: ([\w, ]+)", told_of_answer):
            one = answer[name][0] if isinstance(answer[name], list) else answer[name]
            assert {part.split()[0] for part in of_each.split(", ")} == one.keys()


# --- what the pages tell to type


def test_the_lines_that_start_it_are_those_that_the_tests_start_it_by():
    """README's one line: the requirements that tests/run installs, and the program that every
    test of the running app starts; the line for work on the pages is that with the toy."""
    [line] = [line for line in lines("README.md") if "pip install" in line]
    assert line == "pip install -r requirements.txt && python app.py"
    assert "-r ../requirements.txt" in (ROOT / "tests/requirements.txt").read_text("utf-8")
    assert inspect.signature(serving.Server).parameters["program"].default == ("app.py",)
    assert "`LAB_MODEL=toy python app.py`" in CONTRIBUTING
    slugs = {demo.slug.replace("-", "_") for demo in discover()}  # each run by test_one_demo.py
    for name in re.findall(r"`python -m demos\.(\w+)`", README + CONTRIBUTING):
        assert name in slugs | {"my_demo"}


def test_the_line_that_tests_it_is_a_script():
    """``tests/run`` holds these tests, so it is not run by one; its options are pytest's, with
    marks that there are."""
    assert "tests/run" in lines("README.md")
    assert lines("CONTRIBUTING.md") == [
        "python3 -m venv .venv && . .venv/bin/activate",
        "tests/run",
    ]
    for script in ("tests/run", "tests/run-vllm", "benchmarks/run"):
        assert (ROOT / script).stat().st_mode & 0o111
        subprocess.run(["bash", "-n", ROOT / script], check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    marks = {mark.split(":")[0] for mark in project["tool"]["pytest"]["ini_options"]["markers"]}
    for marked in re.findall(r"-m \"([^\"]*)\"", CONTRIBUTING):
        assert set(marked.split()) - {"not", "and", "or"} <= marks


def test_the_tiers_are_the_folders():
    """A row for each folder of tests."""
    tiers = set(re.findall(r"`tests/(\w+)` \|", CONTRIBUTING))
    assert tiers == {file.parent.name for file in (ROOT / "tests").glob("*/test_*.py")}


def test_the_recipe_names_what_there_is():
    """The calls and their options; that such a file is a demo is held by test_startup.py."""
    recipe = CONTRIBUTING[
        CONTRIBUTING.index("## A sixth demo") : CONTRIBUTING.index("## Test tiers")
    ]
    for name, given in re.findall(r"`page\.(\w+)\(([\w,\s]*)\)`", recipe):
        taken = inspect.signature(getattr(Page, name)).parameters
        assert [word.strip() for word in given.split(",")] == list(taken)[1 : given.count(",") + 2]
    options = set(re.findall(r"`(\w+)=(?:True|False)`", recipe))
    known = {"latest_only", "uses_model", "gives_way"}
    assert options == known <= set(inspect.signature(Page.connect).parameters)
    [call] = re.findall(r"`DEMO = Demo\((.*)\)`", recipe)
    assert re.findall(r"(\w+)=", call) == [f.name for f in fields(Demo)]


def test_the_benchmarks_take_what_the_page_gives_them(monkeypatch):
    """The command line with its parts, measuring nothing."""
    [given] = re.findall(r"`benchmarks/run (.*?)`", PAGES["docs/performance.md"])
    asked = []
    monkeypatch.setattr(sys, "argv", ["benchmarks", *given.split()])
    monkeypatch.setattr(benchmarks, "machine", str)
    monkeypatch.setattr(benchmarks, "measured", lambda *all_given: asked.append(all_given) or [])
    benchmarks.main()
    assert {model for model, *_ in asked} == {"smollm2-135m-instruct", "gemma-3-270m"}
    assert all(set(parts) <= benchmarks.PARTS.keys() for _, _, parts, _ in asked)

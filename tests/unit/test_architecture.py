"""The house stands as it is drawn: who may import whom, held over the real files.

``violations`` is a pure function from sources to sentences; the last tests feed it
sources that break each rule, so that it can't pass by seeing nothing.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 300
PURE = ("charts", "chat", "cuts", "display", "document", "limits", "measures", "sampling", "tokens")
SOURCES = "core.sources"
REMOTE = "core.engines.remote"  # and its neighbours: remote_wire, …
CHOOSING = ("core.weights", "core.config")
Sources = dict[str, str]


def real_sources() -> Sources:
    files = [ROOT / "app.py", *ROOT.glob("core/**/*.py"), *ROOT.glob("demos/**/*.py")]
    return {str(f.relative_to(ROOT)): f.read_text(encoding="utf-8") for f in files}


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(path: str, source: str) -> set[str]:
    """Dotted names of all that a file imports, anywhere in it: modules and names in them."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(path, node)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def absolute(path: str, node: ast.ImportFrom) -> str:
    """The module of a ``from … import``, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def is_demo(name: str) -> bool:
    """Whether a module is a demo: directly in ``demos``, which are files, not the kit."""
    return name.startswith("demos.") and name.count(".") == 1 and name != "demos.ui"


def forbidden(path: str, name: str, demos: set[str]) -> str | None:
    """Why the file may not import ``name``; None when it may."""
    me = module_name(path)
    in_core, in_demos = within(me, "core"), within(me, "demos")
    rules = (
        (in_core and within(name, "demos"), "core never imports demos"),
        (in_core and within(name, "gradio"), "core never imports gradio"),
        ((in_core or in_demos) and within(name, "app"), "nothing imports app"),
        (within(name, "tests"), "nothing imports tests"),
        (
            in_demos and me != name and any(within(name, demo) and me != demo for demo in demos),
            "demos never import each other",
        ),
        (
            not within(me, "core.engines.local") and within(name, "torch"),
            "only the local engine imports torch",
        ),
        (within(me, "core.engines") and within(name, "core.sampling"), "engines never sample"),
        (
            within(me, SOURCES) and within(name, "core.engines"),
            "sources know nothing of engines",
        ),
        (
            within(me, SOURCES) and any(within(name, choice) for choice in CHOOSING),
            "sources don't know which model is wanted",
        ),
        (
            within(name, SOURCES) and not (me == "core.weights" or within(me, SOURCES)),
            "only weights.py asks the sources",
        ),
        (
            within(name, "core.engines.local")
            and not (me == "core.engines" or within(me, "core.engines.local")),
            "only open_engine knows the local engine",
        ),
        (
            not me.startswith(REMOTE) and within(name, "httpx"),
            "only the remote engine talks to a server",
        ),
        (
            name.startswith(REMOTE) and not (me == "core.engines" or me.startswith(REMOTE)),
            "only open_engine knows the remote engine",
        ),
        (me != "core.config" and name in ("os.environ", "os.getenv"), "only config.py reads it"),
    )
    return next((why for broken, why in rules if broken), None)


def direction_violations(sources: Sources) -> Iterator[str]:
    demos = {module_name(path) for path in sources if is_demo(module_name(path))}
    for path, source in sources.items():
        for name in sorted(imports(path, source)):
            why = forbidden(path, name, demos)
            if why:
                yield f"{path} imports {name}: {why}"


def purity_violations(sources: Sources) -> Iterator[str]:
    """The pure modules reach no engine and no torch, not even through others."""
    modules = {module_name(path): path for path in sources}
    graph = {name: imports(path, sources[path]) for name, path in modules.items()}
    for pure in (f"core.{name}" for name in PURE):
        if pure not in graph:
            continue
        reached, waiting = set(), [pure]
        while waiting:
            for name in graph.get(waiting.pop(), set()) - reached:
                reached.add(name)
                waiting.append(name)
        for name in sorted(reached):
            if any(within(name, bad) for bad in ("core.engines", "torch", "transformers")):
                yield f"{pure} reaches {name}"


def environment_violations(sources: Sources) -> Iterator[str]:
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("environ", "environb", "getenv", "putenv")
                and isinstance(node.value, ast.Name)
                and node.value.id == "os"
                and path != "core/config.py"
            ):
                yield f"{path}:{node.lineno} reads the environment"


def docstring_violations(sources: Sources) -> Iterator[str]:
    for path, source in sources.items():
        tree = ast.parse(source)
        if source.strip() and ast.get_docstring(tree) is None:
            yield f"{path} has no docstring"
        yield from undocumented(path, tree)


def undocumented(path: str, scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Public classes, functions and methods without a docstring; overloads need none."""
    for node in scope.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_overload = any(
            isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list
        )
        if node.name.startswith("_") or is_overload:
            continue
        if ast.get_docstring(node) is None:
            yield f"{path}:{node.lineno} {node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(path, node)


def length_violations(sources: Sources) -> Iterator[str]:
    for path, source in sources.items():
        n_lines = len(source.splitlines())
        if path.startswith("core/") and n_lines > MOST_LINES:
            yield f"{path} has {n_lines} lines; at most {MOST_LINES}"


CHECKS = (
    direction_violations,
    purity_violations,
    environment_violations,
    docstring_violations,
    length_violations,
)


def violations(sources: Sources) -> list[str]:
    return [sentence for check in CHECKS for sentence in check(sources)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_house_keeps_its_rules(check):
    """No file of the project breaks a rule."""
    assert list(check(real_sources())) == []


def test_the_rules_look_at_the_real_files():
    """Every kind of file is there to be checked."""
    paths = real_sources().keys()
    pure = {f"core/{name}.py" for name in PURE}
    others = {
        "core/engines/local/packed.py",
        "core/sources/hub.py",
        "core/weights.py",
        "core/config.py",
    }
    assert pure | others | {"app.py", "core/conversation.py"} <= paths
    assert sum(is_demo(module_name(path)) for path in paths) >= 5


DOC = '"""What it is."""\n'
BROKEN = {
    "core imports a demo": {"core/cuts.py": DOC + "from demos import next_token\n"},
    "core imports gradio": {"core/api.py": DOC + "def _f():\n    import gradio as gr\n"},
    "core imports app": {"core/api.py": DOC + "import app\n"},
    "a demo imports a demo": {
        "demos/a.py": DOC + "from demos import b\n",
        "demos/b.py": DOC,
    },
    "a demo imports from a demo, relatively": {
        "demos/a.py": DOC + "from .b import start\n",
        "demos/b.py": DOC,
    },
    "the kit imports a demo": {
        "demos/ui/page.py": DOC + "import demos.a\n",
        "demos/a.py": DOC,
    },
    "charts import an engine": {"core/charts.py": DOC + "from core.engines import Engine\n"},
    "sampling imports torch": {"core/sampling.py": DOC + "import torch.nn\n"},
    "measures reach an engine through another module": {
        "core/measures.py": DOC + "from core import helper\n",
        "core/helper.py": DOC + "from core.engines.toy import ToyEngine\n",
    },
    "a document reaches an engine": {
        "core/document.py": DOC + "from core import conversation\n",
        "core/conversation.py": DOC + "from core.engines import Engine\n",
    },
    "a source knows an engine": {
        "core/sources/hub.py": DOC + "from core.engines import ModelInfo\n"
    },
    "a source reads the settings": {"core/sources/hub.py": DOC + "from core import config\n"},
    "a source decides": {"core/sources/hub.py": DOC + "from core.weights import obtain\n"},
    "an engine asks a source": {
        "core/engines/local/engine.py": DOC + "from core.sources import hub\n"
    },
    "the API opens the local engine": {
        "core/api.py": DOC + "from core.engines.local import LocalEngine\n"
    },
    "an engine samples": {"core/engines/toy.py": DOC + "from core import sampling\n"},
    "a demo imports torch": {"demos/a.py": DOC + "from torch import nn\n"},
    "an engine other than local imports torch": {"core/engines/toy.py": DOC + "import torch\n"},
    "a demo talks to a server": {"demos/a.py": DOC + "import httpx\n"},
    "a demo opens the remote engine": {
        "demos/a.py": DOC + "from core.engines.remote_wire import Wire\n"
    },
    "the environment is read": {"demos/a.py": DOC + "import os\nX = os.environ['X']\n"},
    "the environment is read by name": {"core/hub.py": DOC + "from os import getenv\n"},
    "a module has no docstring": {"core/cuts.py": "X = 1\n"},
    "a function has no docstring": {"core/cuts.py": DOC + "def f():\n    return 1\n"},
    "a method has no docstring": {
        "core/cuts.py": DOC + f"class A:\n    {DOC}\n    def f(self):\n        return 1\n"
    },
    "a module of core is too long": {"core/cuts.py": DOC + "\n" * MOST_LINES},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_rule_is_found(what):
    """The checker can fail: each rule, broken in a source made for it, is reported."""
    assert len(violations(BROKEN[what])) >= 1


def test_what_is_allowed_is_not_reported():
    """The checker can pass: sources that keep the rules, close to the edge of each."""
    allowed = {
        "app.py": DOC + "from demos import discover\nfrom demos.ui.page import launch\n",
        "core/engines/local/engine.py": DOC
        + "import torch\nfrom core.config import Settings\nfrom core.engines.local import arena\n",
        "core/config.py": DOC + "import os\nX = os.environ\n",
        "core/engines/__init__.py": DOC + "from core.engines.local import open_local\n",
        "core/engines/remote_wire.py": DOC + "import httpx\n",
        "core/engines/remote.py": DOC + "from core.engines.remote_wire import Wire\n",
        "core/weights.py": DOC + "from core.sources import hub\n",
        "core/sources/hub.py": DOC + "from core.sources.manifest import check\n",
        "core/sources/manifest.py": DOC + "from core.errors import WeightsError\n",
        "core/conversation.py": DOC + "from core.engines import Engine\n",
        "core/charts.py": DOC + "from core import palette\n",
        "core/palette.py": DOC + "def _private():\n    return 1\n",
        "demos/a.py": DOC + "from demos import Demo\nfrom core.engines import Engine\n",
        "demos/__init__.py": DOC,
    }
    assert violations(allowed) == []

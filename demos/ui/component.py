"""The base of our own page components: constant templates, the DOM built by a script.

Gradio evaluates what a template of ``gr.HTML`` renders as JavaScript, so no user or
token text may ever reach a template. Here both templates are constants, and scripts
write text with ``textContent`` only.
"""

import html
import json
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from demos.ui.glossary import GLOSSARY

HERE = Path(__file__).parent
NESTED_PROPS = {
    "tokens",
    "rows",
    "rest",
    "facts",
    "ahead",
    "messages",
    "written",
}  # read by "nested" in shared.js


@cache
def _script(name: str) -> str:
    """A component's script after the shared one; Gradio builds a component at every update."""
    return "".join((HERE / part).read_text(encoding="utf-8") for part in ("shared.js", name))


class ScriptedComponent(gr.HTML):
    """A component drawn by ``<script>.js`` from its props; ``value`` is what the user picked.

    Events are the names in ``PICK_EVENTS``. Update it from a handler with
    ``gr.update(prop=…, value=…)`` with all props that ever change: as long as its tab has
    not been opened, Gradio replaces them together. What never changes goes in ``config``.
    """

    SCRIPT = ""
    PICK_EVENTS: tuple[str, ...] = ()

    def __init__(self, value: Any, config: dict[str, Any], **props: Any) -> None:
        super().__init__(
            value=value,
            html_template=_template(config),
            js_on_load=_script(self.SCRIPT),
            apply_default_css=False,
            **props,
        )

    def __getattr__(self, name: str) -> Any:
        # gr.HTML turns every quoted word of the script into an event; ours are listed
        if name in self.PICK_EVENTS:
            return super().__getattr__(name)
        raise AttributeError(name)

    def preprocess(self, payload: Any) -> Any:
        """The picked value as it is: handlers check it like any other input."""
        return payload

    def postprocess(self, value: Any) -> Any:
        """The picked value as it is."""
        return value

    def get_block_name(self) -> str:
        """Gradio's name of the front-end part that draws it."""
        return "html"


def sealed(result: Any) -> Any:
    """A handler's result with the nested props of its updates as JSON text.

    While a handler streams, Gradio sends differences, and miscounts deletions in lists
    within lists: tokens would be shown with parts of each other's labels. Text is sent whole.
    """
    if isinstance(result, tuple):
        return tuple(map(sealed, result))
    if not isinstance(result, dict) or result.get("__type__") != "update":
        return result
    return {k: json.dumps(v) if k in NESTED_PROPS else v for k, v in result.items()}


def _template(config: dict[str, Any]) -> str:
    """The constant template: an empty root that carries the component's configuration."""
    written = html.escape(json.dumps(config, ensure_ascii=False))
    if any(mark in written for mark in ("`", "${", "{{", "\\")):
        raise ValueError(f"a template may hold nothing that is evaluated: {written}")
    return f"<div class='lab-root' data-config=\"{written}\"></div>"


class TokenStrip(ScriptedComponent):
    """Tokens as chips, the hero of every demo.

    Props: ``tokens``, chips of ``core.display.chip``; ``heading``, a line above; ``folded``,
    special tokens as small marks; ``suggested``, the span that is marked while none is selected.
    ``value``: the selected span ``{"start": i, "stop": j}`` (half open) or None. Event ``pick``,
    which numbers its span ``n``: with ``picked``, a number, the span of that pick is selected
    again, if there was no later one.
    ``name`` is for screen readers. ``lines`` fixes the height, so that nothing below moves
    while a text grows; 0 lets it grow.
    """

    SCRIPT = "token_strip.js"
    PICK_EVENTS = ("pick",)

    def __init__(
        self,
        value: Any = None,
        *,
        name: str = "Tokens",
        selectable: bool = True,
        compact: bool = False,
        lines: int = 0,
        tokens: list[dict[str, Any]] | None = None,
        heading: str = "",
        folded: bool = False,
        suggested: dict[str, int] | None = None,
        picked: int | None = None,
        **layout: Any,
    ) -> None:
        config = {"name": name, "selectable": selectable, "compact": compact, "lines": lines}
        shown = {"tokens": tokens or [], "heading": heading, "folded": folded}
        super().__init__(value, config, **shown, suggested=suggested, picked=picked, **layout)


COLUMNS = ("rank", "token", "probability", "surprisal", "model", "sampler")


class CandidateList(ScriptedComponent):
    """The most likely tokens with bars; click one to choose it.

    Props: ``rows`` of ``core.display.candidate_row``, ``rest``, the last row, ``title``, and
    ``at``, which document the list belongs to; ``ahead``, ``{"at", "lines"}``, what would follow
    each row's token, drawn while it is about the same document. ``value``:
    ``{"id": token id, "at": at}``. Event ``pick``, unless ``choosable`` is off.
    """

    SCRIPT = "candidate_list.js"
    PICK_EVENTS = ("pick",)

    def __init__(
        self,
        value: Any = None,
        *,
        choosable: bool = True,
        rows: list[dict[str, Any]] | None = None,
        rest: dict[str, Any] | None = None,
        title: str = "",
        at: str = "",
        ahead: dict[str, Any] | None = None,
        **layout: Any,
    ) -> None:
        props = {"rows": rows or [], "rest": rest, "title": title, "at": at, "ahead": ahead}
        heads = {name: GLOSSARY[name] for name in COLUMNS}
        config = {"choosable": choosable, "heads": heads}
        super().__init__(value, config, **props, **layout)


class PathTree(ScriptedComponent):
    """All paths taken through a document, a run of tokens that some share drawn once.

    Props: ``rows`` of ``demos.ui.paths``. ``value``: ``{"path", "stop", "at"}``, a place in one
    of them. Events: ``pick``, go there; ``compare``, put it beside the path on show.
    """

    SCRIPT = "path_tree.js"
    PICK_EVENTS = ("pick", "compare")

    def __init__(
        self, value: Any = None, *, rows: list[dict[str, Any]] | None = None, **layout: Any
    ) -> None:
        super().__init__(value, {}, rows=rows or [], **layout)


class Table(ScriptedComponent):
    """Rows of numbers and tokens; what a token or a row is about on hover.

    ``columns``: {name: kind}, with definitions from the glossary; kinds are "number", "text",
    "tokens" (few, on one line) and "passage" (tokens of a text, which wraps).
    Props: ``title``, a line above; ``rows`` of ``demos.ui.cells``. ``lines`` is the most that
    is seen at once, the rest scrolls; 0 shows all. One that ``grows`` scrolls to its last rows.
    ``value`` is the ``pick`` of the row that was clicked, where it has one. Event ``pick``.
    """

    SCRIPT = "table.js"
    PICK_EVENTS = ("pick",)

    def __init__(
        self,
        columns: dict[str, str],
        value: Any = None,
        *,
        name: str,
        lines: int = 0,
        grows: bool = False,
        rows: list[dict[str, Any]] | None = None,
        title: str = "",
        **layout: Any,
    ) -> None:
        heads = [[column, kind, GLOSSARY.get(column, "")] for column, kind in columns.items()]
        config = {"columns": heads, "name": name, "lines": lines, "grows": grows}
        super().__init__(value, config, rows=rows or [], title=title, **layout)


class Facts(ScriptedComponent):
    """A row of numbers with their names; the exact value and a definition on hover.

    Props: ``facts``, of ``demos.ui.glossary.fact``.
    """

    SCRIPT = "facts.js"

    def __init__(
        self, value: Any = None, *, facts: list[dict[str, str]] | None = None, **layout: Any
    ) -> None:
        super().__init__(value, {}, facts=facts or [], **layout)


class StatusBar(ScriptedComponent):
    """The slim header: name, model, device, and what is going on.

    Props: ``title``, the course's or our name; ``model``, one line; ``details``,
    ``[[name, text]]``; ``note``, that it is not the intended model, and ``remedy``, what whoever
    runs the program can do, folded; ``busy``, what start-up is
    doing, with ``fraction`` 0…1 or None; ``failed``, whether ``busy`` is the reason that
    nothing can run.
    """

    SCRIPT = "status_bar.js"

    def __init__(
        self,
        value: Any = None,
        *,
        title: str = "Token Lab",
        model: str = "",
        details: list[list[str]] | None = None,
        note: str = "",
        remedy: str = "",
        busy: str = "",
        fraction: float | None = None,
        failed: bool = False,
        **layout: Any,
    ) -> None:
        props = {"title": title, "model": model, "details": details or []}
        props |= {"note": note, "remedy": remedy}
        state = {"busy": busy, "fraction": fraction, "failed": failed}
        super().__init__(value, {}, **props, **state, **layout)


class Slider(gr.Slider):
    """A slider that passes on whatever comes in: ``core.limits`` has the better sentences."""

    def preprocess(self, payload: Any) -> Any:
        """The value as it is."""
        return payload

    def get_block_name(self) -> str:
        """Gradio's name of the front-end part that draws it."""
        return "slider"


class Number(gr.Number):
    """A number field that passes on whatever comes in, like ``Slider``."""

    def preprocess(self, payload: Any) -> Any:
        """The value as it is."""
        return payload

    def get_block_name(self) -> str:
        """Gradio's name of the front-end part that draws it."""
        return "number"

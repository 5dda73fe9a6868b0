"""The base of our own page components: constant templates, the DOM built by a script.

Gradio evaluates what a template of ``gr.HTML`` renders as JavaScript, so no user or
token text may ever reach a template. Here both templates are constants, and scripts
write text with ``textContent`` only.
"""

from pathlib import Path
from typing import Any

import gradio as gr

HERE = Path(__file__).parent
SHARED_SCRIPT = (HERE / "shared.js").read_text(encoding="utf-8")


class ScriptedComponent(gr.HTML):
    """A component drawn by ``<script>.js`` from its props; ``value`` is what the user picked.

    Events are the names in ``PICK_EVENTS``. Update it from a handler with
    ``gr.update(prop=…, value=…)``.
    """

    SCRIPT = ""
    PICK_EVENTS: tuple[str, ...] = ()

    def __init__(self, value: Any = None, **props: Any) -> None:
        script = SHARED_SCRIPT + (HERE / self.SCRIPT).read_text(encoding="utf-8")
        super().__init__(
            value=value,
            html_template="<div class='lab-root'></div>",
            js_on_load=script,
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


class TokenStrip(ScriptedComponent):
    """Tokens as chips, the hero of every demo.

    ``tokens``: chips of ``core.display.chip``. ``value``: the selected span
    ``{"start": i, "stop": j}`` (half open) or None. ``heading`` stands above, ``name``
    is for screen readers. Event ``pick``.
    """

    SCRIPT = "token_strip.js"
    PICK_EVENTS = ("pick",)

    def __init__(
        self,
        value: Any = None,
        *,
        tokens: list[dict[str, Any]] | None = None,
        name: str = "Tokens",
        heading: str = "",
        selectable: bool = True,
        compact: bool = False,
        **props: Any,
    ) -> None:
        given = {"name": name, "heading": heading, "selectable": selectable, "compact": compact}
        super().__init__(value, tokens=tokens or [], **given, **props)


class CandidateList(ScriptedComponent):
    """The most likely tokens with bars; click one to choose it.

    ``rows``: rows of ``core.display.candidate``; ``rest``: the last row; ``at``: which
    document the list belongs to. ``value``: ``{"id": token id, "at": at}``. Event ``pick``.
    """

    SCRIPT = "candidate_list.js"
    PICK_EVENTS = ("pick",)

    def __init__(
        self,
        value: Any = None,
        *,
        rows: list[dict[str, Any]] | None = None,
        rest: dict[str, Any] | None = None,
        title: str = "",
        at: str = "",
        choosable: bool = True,
        **props: Any,
    ) -> None:
        super().__init__(
            value, rows=rows or [], rest=rest, title=title, at=at, choosable=choosable, **props
        )


class Facts(ScriptedComponent):
    """A row of numbers with their names; the exact value and a definition on hover.

    ``facts``: ``[{"name", "value", "exact"}]``.
    """

    SCRIPT = "facts.js"

    def __init__(self, *, facts: list[dict[str, str]] | None = None, **props: Any) -> None:
        super().__init__(None, facts=facts or [], **props)


class StatusBar(ScriptedComponent):
    """The slim header: name, model, device, and what is going on.

    ``model``: one line; ``details``: ``[[name, text]]``; ``note``: why it is not the
    intended model; ``busy``: what start-up is doing, with ``fraction`` 0…1 or None;
    ``failed``: whether ``busy`` is the reason that nothing can run.
    """

    SCRIPT = "status_bar.js"

    def __init__(self, **props: Any) -> None:
        given = {"model": "", "details": [], "note": "", "busy": "", "fraction": None} | props
        super().__init__(None, failed=False, **given)

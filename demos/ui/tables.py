"""A table of numbers and token text, drawn by a script like the other components.

Knows nothing of what its rows are about.
"""

from typing import Any

from demos.ui.component import ScriptedComponent
from demos.ui.views import Json


class DataTable(ScriptedComponent):
    """Rows of cells under fixed heads; on a phone each row becomes a block.

    Props: ``title`` and ``rows``, each ``{"cells": […], "here": bool, "pick": any}``; a cell is
    of ``text_cell``, ``number_cell`` or ``token_cell``. Event ``pick``, unless ``choosable``
    is off; ``value`` is then the row's ``pick``. Without rows it is hidden.
    """

    SCRIPT = "data_table.js"
    PICK_EVENTS = ("pick",)

    def __init__(
        self,
        value: Any = None,
        *,
        heads: tuple[str, ...] = (),
        name: str = "Table",
        choosable: bool = False,
        rows: list[Json] | None = None,
        title: str = "",
        **layout: Any,
    ) -> None:
        config = {"heads": list(heads), "name": name, "choosable": choosable}
        super().__init__(value, config, rows=rows or [], title=title, **layout)


def text_cell(text: str, facts: list[list[str]] | None = None) -> Json:
    """Plain words."""
    return {"text": text, "facts": facts or []}


def number_cell(text: str, exact: str = "") -> Json:
    """A number set to the right, its exact value on hover."""
    return {"text": text, "number": True, "facts": [["exactly", exact]] if exact else []}


def token_cell(*lines: list[list[str]], facts: list[list[str]] | None = None) -> Json:
    """Lines of (kind, text) runs, as ``core.display.parts`` gives them."""
    return {"lines": list(lines), "facts": facts or []}

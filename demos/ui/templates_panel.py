"""One chat under the templates of several model families, turn by turn, with what each costs.

Knows nothing of how a page shows a chat otherwise.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import gradio as gr

from core import chat_templates, display
from core.chat_templates import CONTENT, CONTROL, FAMILIES, Family, Part
from core.conversation import Conversation, Messages, first_messages, open_message
from core.engines import Engine
from core.errors import InputError
from core.limits import check_text
from core.snippets_templates import templates_code
from core.tokens import Token
from demos.ui.events import Page
from demos.ui.replies import Past
from demos.ui.tables import DataTable, number_cell, text_cell, token_cell
from demos.ui.views import Json
from demos.ui.writing import Desk

MOST_SHOWN = 240  # characters of a message that are spelt out
LEAD = (
    "The same messages as three model families are made to read them. Dashed: control tokens. "
    "Grey: text the template writes. Strong: your words. All is counted anew from the messages: "
    "the document above may have other tokens, where it was edited or a turn is not over."
)
ABOUT = "\n".join(f"- {family.about}" for family in FAMILIES)
COST_HEADS = (
    "template",
    "control tokens",
    "template's text",
    "the messages",
    "all tokens",
    "overhead",
    "how it is counted",
)


def compare(engine: Engine, past: Past, system: Any, user: Any) -> tuple[Any, Any, str]:
    """(documents turn by turn, costs, code) of the chat as it stands, else of what is typed."""
    messages = _messages(engine, past.now, system, user)
    found = [_parts_or_reason(family, messages) for family in FAMILIES]
    costs = [
        _cost_row(engine, family, messages, made)
        for family, made in zip(FAMILIES, found, strict=True)
        if not isinstance(made, str)
    ]
    taken = [f for f, made in zip(FAMILIES, found, strict=True) if not isinstance(made, str)]
    code = templates_code(engine.info, messages, taken)
    return gr.update(rows=_rows(messages, found)), gr.update(rows=costs), code


def _messages(engine: Engine, now: Conversation, system: Any, user: Any) -> Messages:
    """The messages of the chat, the model's words of an open turn among them."""
    if not now.ids:
        check_text(system, "system prompt", may_be_empty=True)
        if not check_text(user, "message").strip():
            raise InputError("The message is only white space. Type some words.")
        return first_messages(system, user)
    said = open_message(engine, now)
    messages = (*now.messages, *([said] if said and said["content"] else []))
    if not messages:
        raise InputError("No whole message is left in this document. Undo, or start a new chat.")
    return messages


def _parts_or_reason(family: Family, messages: Messages) -> list[Part] | str:
    """The family's parts, or why its template refuses the messages."""
    asked = messages[-1]["role"] != "assistant"
    try:
        return chat_templates.parts(family, messages, add_generation_prompt=asked)
    except InputError as error:
        return str(error)


def _rows(messages: Messages, found: list[list[Part] | str]) -> list[Json]:
    """Before the first turn, each message, and the opening of the model's turn: a row each."""
    names = ["start", *(str(m["role"]) for m in messages), "generation prompt"]
    rows = []
    for row, name in enumerate(names):
        cells = [
            text_cell(made if row == 0 else "")
            if isinstance(made, str)
            else token_cell(*_lines([part for part in made if part.row == row]))
            for made in found
        ]
        if row == 0 or any(any(line for line in cell.get("lines", [])) for cell in cells):
            rows.append({"cells": [text_cell(name), *cells]})
    return rows


def _lines(found: list[Part]) -> list[list[list[str]]]:
    """The parts as lines of (kind, text) runs, a new line after each line break."""
    lines: list[list[list[str]]] = [[]]
    for part in found:
        for kind, text in _runs(part):
            lines[-1].append([kind, text])
            if kind == "newline":
                lines.append([])
    return [line for line in lines if line]


def _runs(part: Part) -> list[list[str]]:
    if part.kind == CONTROL:
        return [["special", part.text]]
    text = part.text
    if len(text) > MOST_SHOWN:
        text = text[:MOST_SHOWN] + "…"
    drawn = display.parts(Token(-1, text.encode()))
    # one line break a run, so that each begins a line of its own
    single = [[k, g] for k, run in drawn for g in (run if k == "newline" else [run])]
    name = "content" if part.kind == CONTENT else "template"
    plain = {"text": lambda t: [name, t], "space": lambda t: [name, " " * len(t)]}
    return [plain[kind](t) if kind in plain else [kind, t] for kind, t in single]


def _cost_row(engine: Engine, family: Family, messages: Messages, made: list[Part]) -> Json:
    """What the family's document costs, and whether that is exact."""
    counts = chat_templates.count(made, lambda text: len(engine.tokenize(text)))
    share = display.format_prob(counts.overhead / counts.total)
    return {
        "cells": [
            text_cell(family.name),
            number_cell(f"{counts.n_control:,}"),
            number_cell(f"{counts.overhead - counts.n_control:,}"),
            number_cell(f"{counts.n_content:,}"),
            number_cell(f"{counts.total:,}"),
            number_cell(f"{counts.overhead:,} ({share})"),
            text_cell(how_counted(engine, family, messages, made)),
        ]
    }


def how_counted(engine: Engine, family: Family, messages: Messages, made: Sequence[Part]) -> str:
    """Whether the running model reads this format, and if not where its exact ids are."""
    if not _reads(engine, family):
        return f"Counted with this model's tokenizer. Exact ids need the Hub: {family.hub}."
    asked = messages[-1]["role"] != "assistant"
    own = engine.render_chat(messages, add_generation_prompt=asked).ids
    if own == _ids(engine, made):
        return "Exact: this is the running model's own format and tokenizer."
    return (
        "The running model's own format and tokenizer; its own template writes these messages "
        f"a little differently, in {len(own):,} tokens."
    )


def _ids(engine: Engine, made: Sequence[Part]) -> tuple[int, ...]:
    """The document in the running model's tokens; the text between control tokens as it stands."""
    ids: list[int] = []
    for control, run in groupby(made, key=lambda part: part.kind == CONTROL):
        text = "".join(part.text for part in run)
        ids += [token.id for token in engine.tokenize(text, control_tokens=control)]
    return tuple(ids)


def _reads(engine: Engine, family: Family) -> bool:
    """Whether every control token of the family is one in the running model's vocabulary."""
    found = [engine.tokenize(name, control_tokens=True) for name in family.controls]
    return all(len(tokens) == 1 and tokens[0].special for tokens in found)


def build(page: Page, desk: Desk, system: gr.Textbox, user: gr.Textbox) -> None:
    """Folded; drawn when it is opened, and again at the button."""
    panel = gr.Accordion("The same chat under other templates", open=False)
    with panel:
        gr.Markdown(LEAD, elem_classes="lab-quiet")
        show = gr.Button("Show this chat under each template", min_width=160)
        heads = ("turn", *(family.name for family in FAMILIES))
        documents = DataTable(heads=heads, name="The same chat under each template")
        costs = DataTable(heads=COST_HEADS, name="What each template costs")
        gr.Markdown(ABOUT, elem_classes="lab-quiet")
        code = gr.Code(language="python", interactive=False, label="Show the code", max_lines=30)
    given = [desk.branches, system, user]
    for trigger in (panel.expand, show.click):
        page.connect(
            trigger, compare, given, [documents, costs, code], latest_only=True, uses_model=False
        )

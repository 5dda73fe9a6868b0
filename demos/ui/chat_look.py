"""How the document of a chat looks: turns by role, numbers, what is to be said of its template.

Knows nothing of what may be done to it.
"""

from typing import Any

import gradio as gr
import numpy as np

from core import charts, chat, template_facts, tool_form
from core.conversation import Conversation
from core.document import Document
from core.engines import Engine
from core.measures import surprisal_bits
from core.messages import ROLES
from core.snippets import chat_code
from core.tokens import ChatDocument
from demos.ui import views
from demos.ui.glossary import fact

TONES = {role: role for role in ROLES} | {"model": "assistant"}


def reply_chart(engine: Engine, document: Document) -> Any:
    """How surprising each picked token was, at its position; None while nothing was picked."""
    if not document.picks:
        return None
    first = min(document.picks)
    bits = np.full(len(document) - first, np.nan)
    for at, pick in document.picked():
        bits[at - first] = surprisal_bits(pick.logprob)
    tokens = engine.vocabulary.tokens(document.ids[first:])
    return charts.bits_along(bits, tokens, "How surprising was each chosen token?", first)


def document_strip(
    engine: Engine, rendered: ChatDocument, document: Document, position: int | None
) -> Any:
    """The document's chips by role, each turn under its role word, picked tokens marked."""
    extras: list[dict[str, Any]] = []
    for turn in chat.turns(rendered, engine.vocabulary):
        word = turn.role or "start"
        tone = {"tone": TONES.get(turn.role, "other"), "facts": [["role", word]]}
        extras += [tone | {"turn": word}, *[tone] * (turn.stop - turn.start - 1)]
    for at, pick in document.picked():
        picked = views.pick_extra(pick)
        extras[at] = extras[at] | picked | {"facts": extras[at]["facts"] + picked["facts"]}
    tokens = views.chips(engine.vocabulary, rendered.ids, extras)
    if position is None:
        return gr.update(tokens=tokens, value=None)
    span = {"start": position, "stop": position + 1}
    return gr.update(tokens=[*tokens, views.NEXT_CHIP], value=span)


def document_facts(engine: Engine, talk: Conversation) -> list[dict[str, str]]:
    """How many tokens, special tokens and turns."""
    turns = [t for t in chat.turns(talk.rendered, engine.vocabulary) if t.role]
    n_special = sum(i in engine.vocabulary.specials for i in talk.ids)
    return [
        fact("tokens so far", f"{len(talk):,}"),
        fact("special tokens", f"{n_special:,}"),
        fact("turns", f"{len(turns):,}"),
    ]


def template_note(engine: Engine, talk: Conversation, system: str) -> Any:
    """What is to be known about the template, as a line of its own; hidden when nothing is."""
    notes = [engine.info.chat_note] if engine.info.chat_note and not talk.template else []
    if talk.ids:
        notes += [tool_form.NOTE] if talk.template else []
        # as it was first written: the document itself may have been changed since
        notes += template_facts.notes(engine, talk.first_messages, talk.tools, talk.template)
        if talk.system.strip() != str(system).strip():
            notes.append("The system prompt stands at the start: “New chat” lets you change it.")
    return gr.update(value=" ".join(notes), visible=bool(notes))


def document_code(engine: Engine, talk: Conversation) -> str:
    """The lines that write the same document with transformers."""
    given = (talk.first_messages, talk.tools)
    names = [engine.vocabulary.token(i).text for i in engine.vocabulary.specials]
    return chat_code(
        engine.info,
        *given,
        talk.ids,
        talk.n_templated,
        template=talk.template,
        add_generation_prompt=talk.begun_open,
        hide=not talk.control_tokens and chat.spells_special(given, names),
    )

"""Replies of a chat: generated from the end, from any token, or drawn once more beside the others.

Each is a path of the chat's branches, so none is lost. Knows nothing of how a page shows a chat.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from core import api, display, limits
from core.branches import Branches, continues
from core.conversation import Conversation
from core.document import fingerprint
from core.engines import Engine
from core.errors import InputError
from core.replies import Reply, next_seed, place_of_reply, replies_at
from core.sampling import Sampler, generate
from core.snippets_replies import replies_code
from core.tokens import require_context
from demos.ui import forcing, views
from demos.ui.component import Number, Slider
from demos.ui.events import Page
from demos.ui.panels import code_and_fold, text_box
from demos.ui.tables import DataTable, number_cell, text_cell, token_cell
from demos.ui.views import Json
from demos.ui.writing import Desk, View, Writing

MAX_REPLY = 100
GREEDY, SAMPLED = "greedy", "sampled"
MOST_SHOWN = 40  # tokens of a reply that are spelt out
HEADS = ("reply", "seed", "tokens", "total bits", "bits per token")
Past = Branches[Conversation]


@dataclass(frozen=True)
class Replying:
    """The ways to a reply, for a page that shows a chat with ``steps`` and its strip."""

    steps: Writing
    strip: Callable[[Engine, Conversation], Any]

    def reply(
        self, engine: Engine, past: Past, how: str, temperature: Any, seed: Any, n_tokens: Any
    ) -> Iterator[View]:
        """Go on at the end, streamed, until the model ends its turn or ``n_tokens``."""
        given = _temperature(how, temperature)
        yield from self._stream(engine, past, past.now, given, api.checked_seed(seed), n_tokens)

    def begin(
        self, engine: Engine, past: Past, words: Any, *settings: Any
    ) -> Iterator[tuple[Any, ...]]:
        """Write the words one wants the reply to begin with, if any, and go on after them."""
        begun = limits.check_text(words, "beginning of the reply", may_be_empty=True)
        if begun:
            talk = _require_open(engine, past.now)
            tokens = forcing.scored_after(engine, talk.ids, forcing.text_ids(engine, begun))
            past = past.go(talk.pick_all(tokens))
        words = "" if begun else gr.skip()
        for view in self.reply(engine, past, *settings):
            yield *view, words
            words = gr.skip()  # or what is typed there meanwhile would go

    def begin_once_sent(
        self, engine: Engine, past: Past, words: Any, message: Any, *settings: Any
    ) -> Iterator[tuple[Any, ...]]:
        """``begin``, but a message that is still in its box is no part of the document."""
        if str(message or "").strip():
            raise InputError(
                "Your message is not in the document yet. Press “End turn” first, or empty its box."
            )
        yield from self.begin(engine, past, words, *settings)

    def from_here(
        self,
        engine: Engine,
        past: Past,
        span: Any,
        how: str,
        temperature: Any,
        seed: Any,
        n_tokens: Any,
    ) -> Iterator[View]:
        """Write the selected token anew and go on from it; what stood there stays a path."""
        talk = past.now.cut(views.picked_position(span, len(past.now)))
        require_context(talk.ids)
        given = _temperature(how, temperature)
        yield from self._stream(engine, past, talk, given, api.checked_seed(seed), n_tokens)

    def retry(
        self, engine: Engine, past: Past, how: str, temperature: Any, seed: Any, n_tokens: Any
    ) -> Iterator[View]:
        """Draw another reply where the last one began, with the next seed."""
        talk = place_of_reply(past.now, past.ends)
        if talk is None:
            raise InputError("There is no reply to try again. Press “Generate the reply” first.")
        drawn = next_seed(_beside(engine, past), api.checked_seed(seed))
        given = _temperature(SAMPLED, temperature)
        yield from self._stream(engine, past, talk, given, drawn, n_tokens)

    def visit(self, engine: Engine, past: Past, pick: Any) -> View:
        """Return to the end of the reply that was clicked."""
        found = [one for one in _beside(engine, past) if fingerprint(one.document.ids) == pick]
        return self.steps.look_at_end(engine, past.go(found[0].document) if found else past)

    def _stream(
        self,
        engine: Engine,
        past: Past,
        talk: Conversation,
        temperature: float,
        seed: int,
        n_tokens: Any,
    ) -> Iterator[View]:
        n = limits.check_whole_number(n_tokens, "The number of tokens", 1, MAX_REPLY)
        _require_open(engine, talk)
        rng, info, start = np.random.default_rng(seed), engine.info, len(talk)
        writing_now = gr.update(**views.no_candidates("The model is writing…"))
        sampler, length = Sampler(temperature), info.context_length
        for step in generate(engine.next, talk.ids, sampler, rng, n, info.stop_ids, length):
            talk = talk.drawn(step.token, start, seed, temperature)
            yield past.go(talk), self.strip(engine, talk), writing_now, *[gr.skip()] * 4
        yield self.steps.show(engine, past.go(talk), len(talk) - 1)


def _temperature(how: str, temperature: Any) -> float:
    return 0.0 if how == GREEDY else limits.check_number(temperature, "Temperature")


def _require_open(engine: Engine, talk: Conversation) -> Conversation:
    if not talk.ids:
        raise InputError("There is no document yet. Write a message and press “End turn” first.")
    if talk.ids[-1] in engine.info.stop_ids:
        raise InputError(
            "The model has ended its turn. Write the next message and press “End turn”, or undo."
        )
    return talk


def _beside(engine: Engine, past: Past) -> list[Reply]:
    """All replies drawn from where the last reply of the chat on show begins."""
    place = place_of_reply(past.now, past.ends)
    # paths come once; what two seeds drew alike is in the visits
    known = (*past.ends, *past.visits)
    return replies_at(known, place.ids, engine.info.stop_ids) if place else []


def table(engine: Engine, past: Past) -> tuple[Any, Any, Any]:
    """(table, code, its fold): the replies beside each other, and how their bits are summed up."""
    found = _beside(engine, past)
    rows = [_row(engine, past.now, one) for one in found]
    title = "Replies from the same place: click one to return to it" if len(rows) > 1 else "Reply"
    n_listed = engine.info.n_listed
    if n_listed and any(draw.temperature for one in found for draw in one.draws):
        title += f" (not exact: drawn from the {n_listed:,} most likely tokens alone)"
    code = (
        replies_code(engine.info, found[0].start, [one.document.ids for one in found])
        if found
        else ""
    )
    return gr.update(rows=rows, title=title), code, gr.update(visible=bool(found))


def _row(engine: Engine, now: Conversation, reply: Reply) -> Json:
    tokens = engine.vocabulary.tokens(reply.ids)
    parts = [part for token in tokens[:MOST_SHOWN] for part in display.parts(token)]
    parts += [["text", " …"]] if len(tokens) > MOST_SHOWN else []
    settings = [f"seed {d.seed}, temperature {d.temperature:g}" for d in reply.draws]
    cells = [
        token_cell(parts, facts=[["drawn with", "; then ".join(settings)]]),
        text_cell(", then ".join(str(d.seed) if d.temperature else GREEDY for d in reply.draws)),
        number_cell(f"{len(tokens):,}"),
        number_cell(display.format_bits(reply.total_bits), f"{reply.total_bits:.6f} bits"),
        number_cell(display.format_bits(reply.bits_per_token), f"{reply.bits_per_token:.6f} bits"),
    ]
    here = continues(now, reply.document) and set(reply.draws) <= set(now.draws)
    return {"cells": cells, "here": here, "pick": fingerprint(reply.document.ids)}


def offer(engine: Engine, past: Past, span: Any) -> Any:
    """What the button for a selected token says; off where only the end is selected."""
    at = views.picked_position(span, len(past.now))
    inside = 0 < at < len(past.now)
    words = f"Generate from token {at}" if inside else "Generate from a selected token"
    return gr.update(value=words, interactive=inside)


def place_buttons() -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """(beginning, retry, from here): the row under Generate."""
    with gr.Row(equal_height=True):
        return (
            text_box(
                "",
                "Begin the reply with… (optional)",
                max_lines=2,
                placeholder="for example: Sure, here is",
                scale=4,
            ),
            gr.Button("Retry with the next seed", scale=2, min_width=150),
            gr.Button("Generate from a selected token", scale=2, min_width=170, interactive=False),
        )


def place_settings() -> list[Any]:
    """Greedy or sampled, temperature, seed and length, folded away."""
    with (
        gr.Accordion("How the reply is chosen (Retry always samples)", open=False),
        gr.Row(equal_height=True, elem_classes="lab-sliders"),
    ):
        return [
            gr.Radio([GREEDY, SAMPLED], value=GREEDY, label="Each token", scale=2, min_width=160),
            Slider(0.1, 2, 1, step=0.05, label="Temperature", scale=2, min_width=140),
            Number(1, label="Seed", precision=0, scale=1, min_width=70),
            Slider(1, MAX_REPLY, 60, step=1, label="At most, in tokens", scale=2, min_width=140),
        ]


def place_table() -> tuple[DataTable, gr.Code, gr.Accordion]:
    """(replies beside each other, the code of their bits, its fold); seen once one was drawn."""
    found = DataTable(heads=HEADS, name="Replies", choosable=True)
    return found, *code_and_fold("the bits of the replies", visible=False)


def connect(
    page: Page,
    replying: Replying,
    desk: Desk,
    steps: tuple[gr.Button, gr.Button],
    buttons: tuple[gr.Textbox, gr.Button, gr.Button],
    settings: list[Any],
    shown: tuple[DataTable, gr.Code, gr.Accordion],
    message: gr.Textbox,
) -> Callable[[Any], None]:
    """What Generate, Stop, Retry and a click on a reply do; ``steps``: (generate, stop).

    Returns what draws the replies after an event that changed the view.
    """
    (go, stop), (words, again, here), found = steps, buttons, shown[0]
    past, outputs = desk.branches, desk.outputs
    begun = [past, words, message, *settings]
    running = [
        page.connect(go.click, replying.begin_once_sent, begun, [*outputs, words]),
        page.connect(words.submit, replying.begin_once_sent, begun, [*outputs, words]),
        page.connect(again.click, replying.retry, [past, *settings], outputs),
        page.connect(here.click, replying.from_here, [past, desk.strip, *settings], outputs),
    ]
    stopped = stop.click(None, cancels=running, api_visibility="private")
    desk.shown += [
        *running,
        page.connect(stopped.then, replying.steps.look_at_end, [past], outputs),
        page.connect(found.pick, replying.visit, [past, found], outputs, latest_only=True),
    ]

    def follow(event: Any) -> None:
        seen = {"latest_only": True, "uses_model": False}
        page.connect(event.then, table, [past], shown, **seen)
        page.connect(event.then, offer, [past, desk.strip], [here], **seen)

    return follow

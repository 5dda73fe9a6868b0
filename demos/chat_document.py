"""Chat-as-Document: messages are one document of tokens, and a reply is its continuation.

A student writes a message, ends the turn, and watches the model go on with the document
until it writes its own end-of-turn. Everything is one list of ids: a template writes
each turn once, and nothing that stands is ever written again.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
import numpy as np

from core import api, charts, chat, limits
from core.branches import Branches
from core.conversation import Conversation, with_open_turn, with_turn_ended
from core.document import Document
from core.engines import Engine
from core.errors import InputError, NoChatTemplate
from core.link_states import ChatLink
from core.measures import surprisal_bits
from core.sampling import Sampler, generate
from core.snippets import chat_code
from core.tokens import ChatDocument
from demos import Demo
from demos.ui import forcing, link_row, links, paths, views, writing
from demos.ui.component import Number, Slider, TokenStrip
from demos.ui.events import Page
from demos.ui.glossary import fact
from demos.ui.panels import examples, text_box
from demos.ui.writing import N_LISTED, View, Writing

LEAD = "Write a message and end the turn: the model goes on with the document, token by token."
EXAMPLES = (
    "What is the capital of France?",
    "Write a haiku about winter.",
    "What is 7 times 8?",
)
SYSTEM = "You are a helpful assistant. Answer in one sentence."
MAX_REPLY = 100
GREEDY, SAMPLED = "greedy", "sampled"
TONES = {"system": "system", "user": "user", "assistant": "assistant", "model": "assistant"}


Past = Branches[Conversation]


def preview(engine: Engine, past: Past, system: str, user: str) -> tuple[Any, Any]:
    """(strip, note) as they would stand with the message typed so far, its turn still open.

    With no message it is the document as it stands.
    """
    talk, note = past.now, _note(engine, past.now, system)
    if not str(user).strip():
        return _strip(engine, talk.rendered, talk, len(talk)), note
    _check_message(system, user)
    return _strip(engine, with_open_turn(engine, talk, system, user), talk, None), note


def end_turn(engine: Engine, past: Past, system: str, user: str) -> tuple[Any, ...]:
    """Write the user's turn with the template and open the model's; empties the message box."""
    _check_message(system, user)
    talk = with_turn_ended(engine, past.now, system, user)
    return (*STEPS.look_at_end(engine, past.go(talk)), "", _note(engine, talk, system))


def _check_message(system: str, user: str) -> None:
    limits.check_text(system, "system prompt", may_be_empty=True)
    if not limits.check_text(user, "message").strip():
        raise InputError("The message is only white space. Type some words.")


def show(engine: Engine, past: Past, position: int) -> View:
    """Everything the page shows of the chat at a position (the document's length: the next)."""
    talk, tree = past.now, paths.update(engine.vocabulary, past)
    strip = _strip(engine, talk.rendered, talk, position)
    if not talk.ids:
        blank = gr.update(**views.no_candidates("End your turn: then the model predicts."))
        return past, strip, blank, gr.update(facts=[]), None, "", tree
    listing = views.position_view(engine, talk.ids, position, N_LISTED)
    code = chat_code(engine.info, talk.first_messages, talk.tools, talk.ids, talk.n_templated)
    facts = _document_facts(engine, talk)
    if position == 0:
        return past, strip, gr.update(**listing), gr.update(facts=facts), None, code, tree
    distribution = engine.next(talk.ids[:position])
    facts += views.distribution_facts(distribution, listing["rest"])
    chart = _reply_chart(engine, talk) or charts.share_by_rank(distribution)
    return past, strip, gr.update(**listing), gr.update(facts=facts), chart, code, tree


STEPS = Writing(show)


def _reply_chart(engine: Engine, document: Document) -> Any:
    """How surprising each picked token was, at its position; None while nothing was picked."""
    if not document.picks:
        return None
    first = min(document.picks)
    bits = np.full(len(document) - first, np.nan)
    for at, pick in document.picked():
        bits[at - first] = surprisal_bits(pick.logprob)
    tokens = engine.vocabulary.tokens(document.ids[first:])
    return charts.bits_along(bits, tokens, "How surprising was each chosen token?", first)


def _strip(engine: Engine, rendered: ChatDocument, document: Document, position: int | None) -> Any:
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


def _document_facts(engine: Engine, talk: Conversation) -> list[dict[str, str]]:
    turns = [t for t in chat.turns(talk.rendered, engine.vocabulary) if t.role]
    n_special = sum(i in engine.vocabulary.specials for i in talk.ids)
    return [
        fact("tokens", f"{len(talk):,}"),
        fact("special tokens", f"{n_special:,}"),
        fact("turns", f"{len(turns):,}"),
    ]


def undo(engine: Engine, past: Past, user: str) -> tuple[Any, ...]:
    """One step back; a message that was sent returns to its box."""
    before = past.undo()
    sent = past.now.messages[len(before.now.messages) :]
    words = sent[-1]["content"] if sent and not user else gr.skip()
    return (*STEPS.look_at_end(engine, before), words)


def reply(
    engine: Engine, past: Past, how: str, temperature: Any, seed: Any, n_tokens: Any
) -> Iterator[View]:
    """Go on with the document, streamed, until the model ends its turn or ``n_tokens``."""
    talk = _require_open(engine, past.now)
    given = 0.0 if how == GREEDY else limits.check_number(temperature, "Temperature")
    n = limits.check_whole_number(n_tokens, "The number of tokens", 1, MAX_REPLY)
    rng, info = np.random.default_rng(api.checked_seed(seed)), engine.info
    writing_now = gr.update(**views.no_candidates("The model is writing…"))
    length = info.context_length
    for step in generate(engine.next, talk.ids, Sampler(given), rng, n, info.stop_ids, length):
        talk = talk.pick(step.token)
        strip = _strip(engine, talk.rendered, talk, None)
        yield past.go(talk), strip, writing_now, *[gr.skip()] * 4
    yield show(engine, past.go(talk), len(talk) - 1)


def _require_open(engine: Engine, talk: Conversation) -> Conversation:
    if not talk.ids:
        raise InputError("There is no document yet. Write a message and press “End turn” first.")
    if talk.ids[-1] in engine.info.stop_ids:
        raise InputError(
            "The model has ended its turn. Write the next message and press “End turn”, or undo."
        )
    return talk


def new_chat(engine: Engine, past: Past) -> View:
    """An empty document, as a step that can be undone."""
    return show(engine, past.go(Conversation()) if past.now.ids else past, 0)


def first_view(
    engine: Engine, past: Past, system: str, user: str, opening: str = EXAMPLES[0]
) -> tuple[Any, ...]:
    """The page opens on a prepared turn, unless somebody has begun to type."""
    try:
        if past.now.ids or user != opening:
            strip, note = preview(engine, past, system, user)
            return past, strip, *[gr.skip()] * 6, note
        return end_turn(engine, past, system, user)
    except NoChatTemplate as error:
        return past, *[gr.skip()] * 7, gr.update(value=str(error), visible=True)


def _note(engine: Engine, talk: Conversation, system: str) -> Any:
    """What is to be known about the template, as a line of its own; hidden when nothing is."""
    notes = [engine.info.chat_note] if engine.info.chat_note else []
    if talk.ids:
        # as it was first written: the document itself may have been changed since
        written = engine.render_chat(talk.first_messages, tools=talk.tools or None)
        given = [message["role"] for message in talk.first_messages]
        notes += chat.template_notes(written, engine.vocabulary, given)
        if talk.system.strip() != str(system).strip():
            notes.append("The system prompt stands at the start: “New chat” lets you change it.")
    return gr.update(value=" ".join(notes), visible=bool(notes))


def link_of(
    engine: Engine, past: Past, span: Any, system: str, user: str, how: str, *numbers: Any
) -> ChatLink:
    """The page as a link says it; ``numbers``: temperature, seed, tokens at most, tokens ahead."""
    talk = past.now
    return ChatLink(
        **links.chat_fields(engine, talk),
        **links.reply_fields(how, *numbers),
        text=user,
        system=system,
        at=links.place_of_span(span, len(talk)),
    )


def restore(engine: Engine, state: ChatLink) -> tuple[Any, ...]:
    """(view…, user, note, system, how, numbers…) of a link."""
    talk, system = links.conversation_of(engine, state), state.system
    system, past = SYSTEM if system is None else system, Branches.of(Conversation()).go(talk)
    view = show(engine, past, links.position_of(state, len(talk)))
    view, note = writing.with_ahead(engine, view, state.ahead), _note(engine, talk, system)
    if not talk.ids:
        try:
            view = (past, preview(engine, past, system, state.text)[0], *view[2:])
        except NoChatTemplate as error:
            note = gr.update(value=str(error), visible=True)
    numbers = (state.temperature, state.seed, state.tokens, state.ahead)
    return *view, state.text, note, system, state.reply, *numbers


def retyped(engine: Engine, query: Any, past: Past, system: str, user: str) -> tuple[Any, Any]:
    """``preview`` of a changed message; a link's own words leave the strip as the link has it."""
    state, _ = link_row.linked_state(query, ChatLink.demo)
    if state and past.now.ids and (state.text, state.ids) == (user, past.now.ids):
        return gr.skip(), _note(engine, past.now, system)
    return preview(engine, past, system, user)


def _reply_settings() -> list[Any]:
    """Greedy or sampled, temperature, seed and length, folded away."""
    with (
        gr.Accordion("How the reply is chosen", open=False),
        gr.Row(equal_height=True, elem_classes="lab-sliders"),
    ):
        return [
            gr.Radio([GREEDY, SAMPLED], value=GREEDY, label="Each token", scale=2, min_width=160),
            Slider(0.1, 2, 1, step=0.05, label="Temperature", scale=2, min_width=140),
            Number(1, label="Seed", precision=0, scale=1, min_width=70),
            Slider(1, MAX_REPLY, 60, step=1, label="At most, in tokens", scale=2, min_width=140),
        ]


def build(page: Page) -> None:
    """Messages above the document; candidates beside the chart below it."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    note = gr.Markdown("", elem_classes="lab-quiet", visible=False)
    opening = page.opening_text(DEMO.slug, EXAMPLES[0])
    with gr.Row(equal_height=True):
        system = text_box(SYSTEM, "System prompt (may be empty)", lines=1, scale=3)
        user = text_box(opening, "Your message", lines=1, scale=4)
        end = gr.Button("End turn", scale=1, min_width=100)
    examples(user, EXAMPLES)
    with gr.Column(elem_classes="lab-writing"):
        strip = TokenStrip(name="The document, token by token", lines=8)
        go, stop, back, forth, new = writing.step_buttons("Generate the reply", "New chat")
        settings = _reply_settings()
        desk = writing.place(Branches.of(Conversation()), strip)
    paths.build_comparison(page, desk.branches, desk.tree)
    forcing.build(page, STEPS, desk)
    boxes = [system, user, *settings, desk.n_ahead]
    link_row.build(page, link_of, [desk.branches, strip, *boxes])

    past, outputs = desk.branches, desk.outputs
    typed = [past, system, user]
    # change, not input: see the Tokenizer. One event, or an older answer could come last
    typing = partial(gr.on, [system.change, user.change])
    given = [page.query, *typed]
    page.connect(typing, retyped, given, [strip, note], latest_only=True, uses_model=False)
    writing.connect(page, STEPS, desk, forth)
    running = page.connect(go.click, reply, [past, *settings], outputs)
    stopped = stop.click(None, cancels=[running], api_visibility="private")
    desk.shown += [
        running,
        page.connect(end.click, end_turn, typed, [*outputs, user, note]),
        page.connect(user.submit, end_turn, typed, [*outputs, user, note]),
        page.connect(stopped.then, STEPS.look_at_end, [past], outputs),
        page.connect(back.click, undo, [past, user], [*outputs, user], latest_only=True),
        page.connect(new.click, new_chat, [past], outputs),
    ]
    writing.connect_lookahead(page, desk)
    shown = [*outputs, user, note, system, *settings, desk.n_ahead]
    otherwise = partial(first_view, opening=opening)
    link_row.first_view(page, DEMO.slug, restore, shown, otherwise, typed)


DEMO = Demo(slug="chat-document", title="Chat-as-Document", order=5, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

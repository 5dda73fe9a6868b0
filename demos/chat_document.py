"""Chat-as-Document: messages are one document of tokens, and a reply is its continuation.

A student writes a message, ends the turn, and watches the model go on with the document
until it writes its own end-of-turn. Everything is one list of ids: a template writes
each turn once, and nothing that stands is ever written again.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from core import charts, limits
from core.branches import Branches
from core.conversation import Conversation, open_message, with_open_turn, with_turn_ended
from core.engines import Engine
from core.errors import InputError, NoChatTemplate
from core.link_states import ChatLink
from demos import Demo
from demos.ui import (
    breaking,
    forcing,
    link_row,
    links,
    messages,
    paths,
    replies,
    templates_panel,
    views,
    writing,
)
from demos.ui.breaking import Breaking
from demos.ui.chat_look import (
    document_code,
    document_facts,
    document_strip,
    reply_chart,
    template_note,
)
from demos.ui.component import TokenStrip
from demos.ui.events import Page
from demos.ui.panels import examples, text_box
from demos.ui.replies import Past, Replying
from demos.ui.writing import N_LISTED, Desk, View, Writing

LEAD = "Write a message and end the turn: the model goes on with the document."
EXAMPLES = (
    "What is the capital of France?",
    "Write a haiku about winter.",
    "What is 7 times 8?",
)
SYSTEM = "You are a helpful assistant. Answer in one sentence."
COMPACT = "Compact: special tokens as ◆"
Boxes = tuple[gr.Textbox, gr.Textbox, gr.Markdown]  # system prompt, message, note


def preview(engine: Engine, past: Past, system: str, user: str) -> tuple[Any, Any]:
    """(strip, note) as they would stand with the message typed so far, its turn still open.

    With no message it is the document as it stands.
    """
    talk, note = past.now, template_note(engine, past.now, system)
    if not str(user).strip():
        return document_strip(engine, talk.rendered, talk, len(talk)), note
    _check_message(system, user)
    base = _taken_up(engine, talk)
    return document_strip(engine, with_open_turn(engine, base, system, user), base, None), note


def end_turn(engine: Engine, past: Past, system: str, user: str) -> tuple[Any, ...]:
    """Write the user's turn with the template and open the model's; empties the message box."""
    after = _with_turn_ended(engine, past, system, user)
    return (*STEPS.look_at_end(engine, after), "", template_note(engine, after.now, system))


def ending_turn(engine: Engine, past: Past, system: str, user: str) -> Iterator[tuple[Any, ...]]:
    """The same in two steps: the document at once, then what is predicted after it.

    The box is free from the first on: what is typed into it meanwhile stays.
    """
    after = _with_turn_ended(engine, past, system, user)
    talk = after.now
    strip = document_strip(engine, talk.rendered, talk, len(talk))
    waiting = gr.update(**views.no_candidates("The model reads the turn…"))
    yield after, strip, waiting, *[gr.skip()] * 4, "", template_note(engine, talk, system)
    yield (*STEPS.look_at_end(engine, after), gr.skip(), gr.skip())


def _with_turn_ended(engine: Engine, past: Past, system: str, user: str) -> Past:
    _check_message(system, user)
    return past.go(with_turn_ended(engine, _taken_up(engine, past.now), system, user))


def _taken_up(engine: Engine, talk: Conversation) -> Conversation:
    """What a further message continues: a first turn that nobody has answered is replaced."""
    roles = [message["role"] for message in talk.first_messages]
    plain = roles in (["user"], ["system", "user"]) and not talk.tools
    if not plain or len(talk) != talk.n_templated:
        return talk
    said = open_message(engine, talk)
    return Conversation() if said and not said["content"] else talk


def _check_message(system: str, user: str) -> None:
    limits.check_text(system, "system prompt", may_be_empty=True)
    if not limits.check_text(user, "message").strip():
        raise InputError("The message is only white space. Type some words.")


def show(engine: Engine, past: Past, position: int) -> View:
    """Everything the page shows of the chat at a position (the document's length: the next)."""
    talk, tree = past.now, paths.update(engine.vocabulary, past)
    strip = document_strip(engine, talk.rendered, talk, position)
    if not talk.ids:
        blank = gr.update(**views.no_candidates("End your turn: then the model predicts."))
        return past, strip, blank, gr.update(facts=[]), None, "", tree
    listing = views.position_view(engine, talk.ids, position, N_LISTED)
    code = document_code(engine, talk)
    facts = document_facts(engine, talk)
    if position == 0:
        return past, strip, gr.update(**listing), gr.update(facts=facts), None, code, tree
    distribution = engine.next(talk.ids[:position])
    facts += views.distribution_facts(distribution, listing["rest"])
    chart = reply_chart(engine, talk) or charts.share_by_rank(distribution)
    return past, strip, gr.update(**listing), gr.update(facts=facts), chart, code, tree


STEPS = Writing(show)
REPLIES = Replying(STEPS, lambda engine, talk: document_strip(engine, talk.rendered, talk, None))
BREAKS = Breaking(STEPS, REPLIES.strip)


def undo(engine: Engine, past: Past, user: str) -> tuple[Any, ...]:
    """One step back; a message that was sent returns to its box."""
    before = past.undo()
    n, now = len(before.now.messages), past.now.messages
    sent = now[n:] if now[:n] == before.now.messages and len(now) <= n + 2 else ()
    typed = bool(sent) and sent[-1]["role"] == "user"
    words = sent[-1]["content"] if typed and not user else gr.skip()
    return (*STEPS.look_at_end(engine, before), words)


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


def follow(engine: Engine, past: Past, system: str, edited: Any) -> tuple[Any, ...]:
    """(note, *what the messages panel shows) of the document as it stands."""
    return (template_note(engine, past.now, system), *messages.follow(engine, past, edited))


def fold(engine: Engine, folded: Any) -> Any:
    """Special tokens as small marks, or spelt out."""
    return gr.update(folded=limits.check_bool(folded, "“Compact”"))


def link_of(engine: Engine, past: Past, span: Any, compact: Any, *boxes: Any) -> ChatLink:
    """The page as a link says it; ``boxes``: system prompt, message, and ``links.reply_fields``."""
    talk, (system, user, *reply) = past.now, boxes
    return ChatLink(
        **links.chat_fields(engine, talk),
        **links.reply_fields(*reply),
        **links.place_fields(span, len(talk)),
        text=user,
        system=system,
        compact=limits.check_bool(compact, COMPACT),
    )


def restore(engine: Engine, state: ChatLink) -> tuple[Any, ...]:
    """(view…, user, note, system, how, numbers…, switch) of a link."""
    talk, system = links.conversation_of(engine, state), state.system
    system, past = SYSTEM if system is None else system, Branches.of(Conversation()).go(talk)
    view = show(engine, past, links.position_of(state, len(talk)))
    view = writing.with_selection(engine, view, links.span_at(state, len(talk)))
    view, note = writing.with_ahead(engine, view, state.ahead), template_note(engine, talk, system)
    if not talk.ids:
        try:
            view = (past, preview(engine, past, system, state.text)[0], *view[2:])
        except NoChatTemplate as error:
            note = gr.update(value=str(error), visible=True)
    numbers = (state.temperature, state.seed, state.tokens, state.ahead)
    return *view, state.text, note, system, state.reply, *numbers, state.compact


def retyped(engine: Engine, query: Any, past: Past, system: str, user: str) -> tuple[Any, Any]:
    """``preview`` of a changed message; a link's own words leave the strip as the link has it."""
    state, _ = link_row.linked_state(query, ChatLink.demo)
    talk = past.now
    if state and state.messages and talk.ids and state.text == user:
        linked = state.ids or talk.ids[: talk.n_templated]  # messages alone: what was written
        if linked == talk.ids:
            return gr.skip(), template_note(engine, talk, system)
    return preview(engine, past, system, user)


def build(page: Page) -> None:
    """Messages above the document; candidates beside the chart below it."""
    with gr.Row(elem_classes="lab-lead-row"):
        gr.Markdown(LEAD, elem_classes="lab-lead")
        compact = gr.Checkbox(False, label=COMPACT, container=False, elem_classes="lab-switch")
    note = gr.Markdown("", elem_classes="lab-quiet", visible=False)
    opening = page.opening_text(DEMO.slug, EXAMPLES[0])
    system, user, end = _place_message(opening)
    with gr.Column(elem_classes="lab-writing"):
        strip = TokenStrip(name="The document, token by token", lines=8)
        steps = writing.step_buttons("Generate the reply", "New chat")
        settings = replies.place_settings()
        desk = writing.place(Branches.of(Conversation()), strip)
    buttons, beside = replies.place_buttons(), replies.place_table()
    follow_paths = paths.build_comparison(page, desk.branches, desk.tree)
    panel = messages.build(page, STEPS, desk)
    forcing.build(page, STEPS, desk)
    message = [compact, system, user]
    link_row.build(page, link_of, [desk.branches, strip, *message, *settings, desk.n_ahead])

    go, stop, back, forth, new = steps
    _connect_message(page, desk, (system, user, note))
    writing.connect(page, STEPS, desk, forth)
    _connect_turns(page, desk, (end, back, new), (system, user, note))
    breaking.build(page, BREAKS, desk)
    templates_panel.build(page, desk, system, user)
    drawn = replies.connect(page, REPLIES, desk, (go, stop), buttons, settings, beside, user)
    writing.connect_lookahead(page, desk)
    follow_paths(desk.shown)
    page.connect(compact.change, fold, [compact], [strip], latest_only=True, uses_model=False)

    def after(event: Any) -> None:
        given, shown = [desk.branches, system, panel.editor], [note, *panel.outputs]
        page.connect(event.then, follow, given, shown, latest_only=True, uses_model=False)
        drawn(event)

    for event in desk.shown:
        after(event)
    shown = [*desk.outputs, user, note, system, *settings, desk.n_ahead, compact]
    otherwise, typed = partial(first_view, opening=opening), [desk.branches, system, user]
    link_row.first_view(page, DEMO.slug, restore, shown, otherwise, typed, then=after)


def _place_message(opening: str) -> tuple[gr.Textbox, gr.Textbox, gr.Button]:
    """(system prompt, message, end turn), with examples below."""
    with gr.Row(equal_height=True):
        system = text_box(SYSTEM, "System prompt (may be empty)", lines=1, scale=3)
        user = text_box(opening, "Your message", lines=1, scale=4)
        end = gr.Button("End turn", scale=1, min_width=100)
    examples(user, EXAMPLES)
    return system, user, end


def _connect_message(page: Page, desk: Desk, message: Boxes) -> None:
    """The message is seen in the document while it is typed."""
    system, user, note = message
    # change, not input: see the Tokenizer. One event, or an older answer could come last
    typing = partial(gr.on, [system.change, user.change])
    given, shown = [page.query, desk.branches, system, user], [desk.strip, note]
    page.connect(
        typing, retyped, given, shown, latest_only=True, uses_model=False, shows=desk.branches
    )


def _connect_turns(
    page: Page, desk: Desk, buttons: tuple[gr.Button, gr.Button, gr.Button], message: Boxes
) -> None:
    """What ending a turn, Undo and “New chat” do; ``buttons`` in this order."""
    (end, back, new), (system, user, note) = buttons, message
    past, outputs = desk.branches, desk.outputs
    typed = [past, system, user]
    ended = [
        page.connect(trigger, ending_turn, typed, [*outputs, user, note])
        for trigger in (end.click, user.submit)
    ]
    for event in ended:
        event.success(None, js=writing.TO_LIST, api_visibility="private")
    desk.shown += [
        *ended,
        page.connect(back.click, undo, [past, user], [*outputs, user], latest_only=True),
        page.connect(new.click, new_chat, [past], outputs),
    ]


DEMO = Demo(slug="chat-document", title="Chat-as-Document", order=5, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

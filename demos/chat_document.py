"""Chat-as-Document: messages are one document of tokens, and a reply is its continuation.

A student writes a message, ends the turn, and watches the model go on with the document
until it writes its own end-of-turn. Everything is one list of ids: a template writes
each turn once, and nothing that stands is ever written again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
import numpy as np

from core import api, charts, chat, limits
from core.document import Document, History
from core.engines import Engine
from core.errors import InputError, NoChatTemplate
from core.measures import surprisal_bits
from core.sampling import Sampler, generate
from core.snippets import chat_code
from core.tokens import ChatDocument
from demos import Demo
from demos.ui import views
from demos.ui.component import CandidateList, Facts, Number, Slider, TokenStrip
from demos.ui.events import Page
from demos.ui.glossary import fact
from demos.ui.panels import code_panel, examples, text_box

LEAD = "Write a message and end the turn: the model goes on with the document, token by token."
EXAMPLES = (
    "What is the capital of France?",
    "Write a haiku about winter.",
    "What is 7 times 8?",
)
SYSTEM = "You are a helpful assistant. Answer in one sentence."
N_LISTED = 10
MAX_REPLY = 100
GREEDY, SAMPLED = "greedy", "sampled"
TONES = {"system": "system", "user": "user", "assistant": "assistant", "model": "assistant"}


@dataclass(frozen=True)
class Chat:
    """One state of the chat: the document, its turn marker, and the messages it was made of.

    ``n_templated`` leading ids are as the template wrote them at first. ``position`` is
    the token on show. An empty document means that nothing was sent yet.
    """

    document: Document = field(default_factory=Document)
    turn_start: int | None = None
    messages: tuple[tuple[str, str], ...] = ()
    first_messages: tuple[tuple[str, str], ...] = ()
    n_templated: int = 0
    position: int = 0

    @property
    def rendered(self) -> ChatDocument:
        """The document with its turn marker."""
        return ChatDocument(self.document.ids, self.turn_start)


Past = History[Chat]
View = tuple[Past, Any, Any, Any, Any, str]


def preview(engine: Engine, past: Past, system: str, user: str) -> tuple[Any, Any]:
    """(strip, note) as they would stand with the message typed so far, its turn still open."""
    state, note = past.now, _note(engine, past.now, system)
    if not user:
        return _strip(engine, state.rendered, state.document, None), note
    _check_message(system, user)
    if state.document.ids:
        addition = _next_turn(engine, state, user, False)
        ids = chat.add_turn(state.document.ids, addition, engine.vocabulary)
        written = ChatDocument(ids, state.turn_start)
    else:
        written = engine.render_chat(_first(system, user), add_generation_prompt=False)
    opened = chat.without_closing(written, engine.vocabulary)
    return _strip(engine, opened, state.document, None), note


def end_turn(engine: Engine, past: Past, system: str, user: str) -> tuple[Any, ...]:
    """Write the user's turn with the template and open the model's; empties the message box."""
    _check_message(system, user)
    state = past.now
    if state.document.ids:
        addition = _next_turn(engine, state, user, True)
        written = chat.add_turn(state.document.ids, addition, engine.vocabulary)
        document = state.document.give(written[len(state.document) :])
        reply = ("assistant", _reply_text(engine, state))
        state = replace(state, document=document, messages=(*state.messages, reply, ("user", user)))
    else:
        given = tuple((m["role"], m["content"]) for m in _first(system, user))
        rendered = engine.render_chat(_as_json(given), add_generation_prompt=True)
        document = Document(rendered.ids)
        state = Chat(document, rendered.turn_start, given, given, len(document))
    past = past.then(state)
    return (*show(engine, past, len(document)), "", _note(engine, state, system))


def _check_message(system: str, user: str) -> None:
    limits.check_text(system, "system prompt", may_be_empty=True)
    if not limits.check_text(user, "message").strip():
        raise InputError("The message is only white space. Type some words.")


def _first(system: str, user: str) -> list[dict[str, str]]:
    given = [("system", system)] if system.strip() else []
    return _as_json([*given, ("user", user)])


def _as_json(messages: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


def _next_turn(engine: Engine, state: Chat, user: str, prompt: bool) -> tuple[int, ...]:
    """What the template writes from the end of the reply to (past) the user's new turn.

    The reply's own words do not matter here: a placeholder stands for them.
    """
    so_far = _as_json([*state.messages, ("assistant", "…"), ("user", user)])
    rendered = engine.render_chat(so_far, add_generation_prompt=prompt)
    return chat.next_turn_ids(rendered, engine.vocabulary, n_turns_after=2 if prompt else 1)


def _reply_text(engine: Engine, state: Chat) -> str:
    """The words of the model's last turn, without control tokens."""
    last = chat.turns(state.rendered, engine.vocabulary)[-1]
    picked = [pick.id for at, pick in state.document.picked() if at >= last.start]
    return engine.decode([i for i in picked if i not in engine.vocabulary.specials])


def show(engine: Engine, past: Past, position: int) -> View:
    """Everything the page shows of the chat at a position (the document's length: the next)."""
    past = replace(past, now=replace(past.now, position=position))
    state, ids = past.now, past.now.document.ids
    strip = _strip(engine, state.rendered, state.document, position)
    if not ids:
        blank = gr.update(**views.no_candidates("End your turn: then the model predicts."))
        return past, strip, blank, gr.update(facts=[]), None, ""
    listing = views.position_view(engine, ids, position, N_LISTED)
    code = chat_code(engine.info, _as_json(state.first_messages), ids, state.n_templated)
    facts = _document_facts(engine, state)
    if position == 0:
        return past, strip, gr.update(**listing), gr.update(facts=facts), None, code
    distribution = engine.next(ids[:position])
    facts += views.distribution_facts(distribution, listing["rest"])
    chart = _reply_chart(engine, state.document) or charts.share_by_rank(distribution)
    return past, strip, gr.update(**listing), gr.update(facts=facts), chart, code


def _reply_chart(engine: Engine, document: Document) -> Any:
    """How surprising each picked token was; None while nothing was picked."""
    picks = [pick for _, pick in document.picked()]
    if not picks:
        return None
    bits = np.array([surprisal_bits(pick.logprob) for pick in picks])
    tokens = engine.vocabulary.tokens([pick.id for pick in picks])
    return charts.bits_along(bits, tokens, "How surprising was each chosen token?")


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


def _document_facts(engine: Engine, state: Chat) -> list[dict[str, str]]:
    turns = [t for t in chat.turns(state.rendered, engine.vocabulary) if t.role]
    n_special = sum(i in engine.vocabulary.specials for i in state.document.ids)
    return [
        fact("tokens", f"{len(state.document):,}"),
        fact("special tokens", f"{n_special:,}"),
        fact("turns", f"{len(turns):,}"),
    ]


def look(engine: Engine, past: Past, span: Any) -> View:
    """The distribution at the token that was clicked."""
    return show(engine, past, views.picked_position(span, len(past.now.document)))


def look_at_end(engine: Engine, past: Past) -> View:
    """The distribution of the next token, as after a stop."""
    return show(engine, past, len(past.now.document))


def choose(engine: Engine, past: Past, pick: Any) -> View:
    """Write the clicked candidate at the token on show, and go on from there."""
    state = past.now
    ids, position = state.document.ids, state.position
    token_id = views.picked_candidate(pick, ids[:position], engine.info.vocab_size)
    if token_id is None:
        return show(engine, past, position)
    document = state.document.pick(engine.next(ids[:position]).candidate(token_id), position)
    n_templated = min(state.n_templated, position)
    past = past.then(replace(state, document=document, n_templated=n_templated))
    return look_at_end(engine, past)


def undo(engine: Engine, past: Past, user: str) -> tuple[Any, ...]:
    """One step back; a message that was sent returns to its box."""
    before = past.undo()
    sent = past.now.messages[len(before.now.messages) :]
    return (*look_at_end(engine, before), sent[-1][1] if sent and not user else gr.skip())


def reply(
    engine: Engine, past: Past, how: str, temperature: Any, seed: Any, n_tokens: Any
) -> Iterator[View]:
    """Go on with the document, streamed, until the model ends its turn or ``n_tokens``."""
    state = _require_open(engine, past.now)
    given = 0.0 if how == GREEDY else limits.check_number(temperature, "Temperature")
    n = limits.check_whole_number(n_tokens, "The number of tokens", 1, MAX_REPLY)
    rng, info = np.random.default_rng(api.checked_seed(seed)), engine.info
    ids, length = state.document.ids, info.context_length
    writing = gr.update(**views.no_candidates("The model is writing…"))
    for step in generate(engine.next, ids, Sampler(given), rng, n, info.stop_ids, length):
        document = state.document.pick(step.token)
        state = replace(state, document=document, position=len(document))
        strip = _strip(engine, state.rendered, document, None)
        yield past.then(state), strip, writing, gr.skip(), gr.skip(), gr.skip()
    yield show(engine, past.then(state), len(state.document) - 1)


def _require_open(engine: Engine, state: Chat) -> Chat:
    if not state.document.ids:
        raise InputError("There is no document yet. Write a message and press “End turn” first.")
    if state.document.ids[-1] in engine.info.stop_ids:
        raise InputError(
            "The model has ended its turn. Write the next message and press “End turn”, or undo."
        )
    return state


def new_chat(engine: Engine, past: Past) -> View:
    """An empty document, as a step that can be undone."""
    return show(engine, past.then(Chat()) if past.now.document.ids else past, 0)


def first_view(engine: Engine, past: Past, system: str, user: str) -> tuple[Any, ...]:
    """The page opens on a prepared turn, unless somebody has begun to type."""
    try:
        if past.now.document.ids or user != EXAMPLES[0]:
            strip, note = preview(engine, past, system, user)
            return past, strip, *[gr.skip()] * 5, note
        return end_turn(engine, past, system, user)
    except NoChatTemplate as error:
        return past, *[gr.skip()] * 6, gr.update(value=str(error), visible=True)


def _note(engine: Engine, state: Chat, system: str) -> Any:
    """What is to be known about the template, as a line of its own; hidden when nothing is."""
    notes = [engine.info.chat_note] if engine.info.chat_note else []
    if state.document.ids:
        given = [role for role, _ in state.messages]
        notes += chat.template_notes(state.rendered, engine.vocabulary, given)
        if dict(state.first_messages).get("system", "") != system:
            notes.append(
                "The system prompt was written at the start: press “New chat” to change it."
            )
    return gr.update(value=" ".join(notes), visible=bool(notes))


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
    with gr.Row(equal_height=True):
        system = text_box(SYSTEM, "System prompt (may be empty)", lines=1, scale=3)
        user = text_box(EXAMPLES[0], "Your message", lines=1, scale=4)
        end = gr.Button("End turn", scale=1, min_width=100)
    prepared = examples(user, EXAMPLES)
    past = gr.State(History(Chat()))
    strip = TokenStrip(name="The document, token by token", lines=8)
    with gr.Row(equal_height=True):
        go = gr.Button("Generate the reply", variant="primary", scale=3, min_width=150)
        stop = gr.Button("Stop", scale=1, min_width=60)
        back = gr.Button("Undo", scale=1, min_width=60)
        new = gr.Button("New chat", scale=1, min_width=80)
    settings = _reply_settings()
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            candidates = CandidateList(min_height=345)
        with gr.Column(scale=5, min_width=300):
            facts = Facts(min_height=50)
            chart = gr.Plot(show_label=False, container=False, elem_classes="lab-plot-onbars")
    code = code_panel()

    outputs = [past, strip, candidates, facts, chart, code]
    typed = [past, system, user]
    for written in prepared:
        page.connect(written.then, preview, typed, [strip, note], uses_model=False)
    for box in (system, user):
        page.connect(box.input, preview, typed, [strip, note], latest_only=True, uses_model=False)
    page.connect(end.click, end_turn, typed, [*outputs, user, note])
    page.connect(user.submit, end_turn, typed, [*outputs, user, note])
    running = page.connect(go.click, reply, [past, *settings], outputs)
    stopped = stop.click(None, cancels=[running], api_visibility="private")
    page.connect(stopped.then, look_at_end, [past], outputs)
    page.connect(strip.pick, look, [past, strip], outputs, latest_only=True)
    page.connect(candidates.pick, choose, [past, candidates], outputs, latest_only=True)
    page.connect(back.click, undo, [past, user], [*outputs, user], latest_only=True)
    page.connect(new.click, new_chat, [past], outputs)
    page.first_view(first_view, typed, [*outputs, user, note])


DEMO = Demo(slug="chat-document", title="Chat-as-Document", order=5, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

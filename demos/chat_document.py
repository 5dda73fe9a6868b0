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

from core import api, charts, chat, display, limits
from core.document import Chosen, Document
from core.engines import Engine
from core.errors import InputError
from core.measures import surprisal_bits
from core.sampling import Sampler, generate
from core.snippets import chat_code
from core.tokens import ChatDocument
from demos import Demo
from demos.ui import views
from demos.ui.component import CandidateList, Facts, TokenStrip
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
    """The state of the page: the document, its turn marker, and the messages it was made of.

    ``position`` is the token on show; ``before`` is one step back. An empty document means
    that nothing was sent yet.
    """

    document: Document = field(default_factory=Document)
    turn_start: int | None = None
    messages: tuple[tuple[str, str], ...] = ()
    position: int = 0
    before: "Chat | None" = field(default=None, repr=False, compare=False)

    @property
    def rendered(self) -> ChatDocument:
        """The document with its turn marker."""
        return ChatDocument(self.document.ids, self.turn_start)


View = tuple[Chat, Any, Any, Any, Any, str]


def preview(engine: Engine, state: Chat, system: str, user: str) -> Any:
    """The strip as it would stand with the message typed so far, its turn still open.

    With no message it is the document as it stands.
    """
    written = state.document.ids
    if not str(user).strip():
        return _strip(engine, state.rendered, state.document, state.position)
    _check_message(system, user)
    if written:
        ids = chat.add_turn(written, _next_turn(engine, state, user, False), engine.vocabulary)
    else:
        rendered = engine.render_chat(_first(system, user), add_generation_prompt=False)
        ids, state = rendered.ids, replace(state, turn_start=rendered.turn_start)
    opened = chat.without_closing(ChatDocument(ids, state.turn_start), engine.vocabulary)
    return _strip(engine, opened, state.document, None)


def end_turn(engine: Engine, state: Chat, system: str, user: str) -> tuple[Any, ...]:
    """Write the user's turn with the template and open the model's; empties the message box."""
    _check_message(system, user)
    if state.document.ids:
        addition = _next_turn(engine, state, user, True)
        given = chat.add_turn(state.document.ids, addition, engine.vocabulary)
        document = Document(given)
        reply = _reply_text(engine, state)
        messages = (*state.messages, ("assistant", reply), ("user", user))
        state = replace(state, document=document, messages=messages, before=state)
    else:
        messages = tuple((m["role"], m["content"]) for m in _first(system, user))
        rendered = engine.render_chat(_as_json(messages), add_generation_prompt=True)
        state = Chat(Document(given=rendered.ids), rendered.turn_start, messages)
    return (*show(engine, state, len(state.document)), "", _note(engine, state))


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
    """The words of the model's turn, without control tokens."""
    words = [c.id for c in state.document.chosen if c.id not in engine.vocabulary.specials]
    return engine.decode(words)


def show(engine: Engine, state: Chat, position: int) -> View:
    """Everything the page shows of the chat at a position (the document's length: the next)."""
    state = replace(state, position=position)
    ids = state.document.ids
    strip = _strip(engine, state.rendered, state.document, position)
    if not ids:
        blank = gr.update(**views.no_candidates("End your turn: then the model predicts."))
        return state, strip, blank, gr.update(facts=[]), None, ""
    listing = views.position_view(engine, ids, position, N_LISTED)
    code = chat_code(engine.info, _as_json(state.messages), ids)
    facts = _document_facts(engine, state)
    if position == 0:
        return state, strip, gr.update(**listing), gr.update(facts=facts), None, code
    distribution = engine.next(ids[:position])
    facts += views.distribution_facts(distribution, listing["rest"])
    chart = _reply_chart(engine, state.document) or charts.share_by_rank(distribution)
    return state, strip, gr.update(**listing), gr.update(facts=facts), chart, code


def _reply_chart(engine: Engine, document: Document) -> Any:
    """How surprising each chosen token was; None while nothing was chosen."""
    if not document.chosen:
        return None
    bits = np.array([surprisal_bits(c.logprob) for c in document.chosen])
    tokens = engine.vocabulary.tokens([c.id for c in document.chosen])
    question = "How surprising was each chosen token?"
    return charts.bits_along(bits, tokens, question, first=len(document.given))


def _strip(engine: Engine, rendered: ChatDocument, document: Document, position: int | None) -> Any:
    """The document's chips by role, each turn under its role word, chosen tokens marked."""
    vocabulary = engine.vocabulary
    extras: list[dict[str, Any]] = []
    for turn in chat.turns(rendered, vocabulary):
        word = turn.role or "start"
        tone = {"tone": TONES.get(turn.role, "other"), "facts": [["role", word]]}
        extras += [tone | {"turn": word}, *[tone] * (turn.stop - turn.start - 1)]
    for i, chosen in enumerate(document.chosen, start=len(document.given)):
        facts = display.probability_facts(chosen.logprob, chosen.rank)
        extras[i] = extras[i] | {"mark": "chosen", "facts": extras[i]["facts"] + facts}
    tokens = views.chips(vocabulary, rendered.ids, extras)
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


def look(engine: Engine, state: Chat, span: Any) -> View:
    """The distribution at the token that was clicked."""
    position = views.picked_position(span, len(state.document))
    return views.keep_selection(show(engine, state, position))


def choose(engine: Engine, state: Chat, pick: Any) -> View:
    """Write the clicked candidate at the token on show, and go on from there."""
    ids, position = state.document.ids, state.position
    token_id = views.picked_candidate(pick, ids[:position], engine.info.vocab_size)
    if token_id is None:
        return show(engine, state, position)
    picked = Chosen.of(engine.next(ids[:position]), token_id)
    document = state.document.choose(picked, position)
    return show(engine, replace(state, document=document, before=state), len(document))


def undo(engine: Engine, state: Chat) -> View:
    """One step back."""
    state = state if state.before is None else state.before
    return show(engine, state, len(state.document))


def reply(
    engine: Engine, state: Chat, how: str, temperature: float, seed: float, n_tokens: float
) -> Iterator[View]:
    """Go on with the document, streamed, until the model ends its turn or ``n_tokens``."""
    if not state.document.ids:
        raise InputError("There is no document yet. Write a message and press “End turn” first.")
    _require_open(engine, state)
    sampler = Sampler(temperature=0.0 if how == GREEDY else limits.check_number(temperature, "T"))
    n = limits.check_whole_number(n_tokens, "The number of tokens", 1, MAX_REPLY)
    rng = np.random.default_rng(api.checked_seed(seed))
    before, picked = state, ()
    for step in generate(engine.next, before.document.ids, sampler, rng, n, engine.info.stop_ids):
        picked = (*picked, Chosen(step.id, step.logprob, step.rank))
        state = replace(state, document=before.document.extend(picked), before=before)
        yield (state, _strip(engine, state.rendered, state.document, None), *[gr.skip()] * 4)
    yield show(engine, state, len(state.document) - 1)


def _require_open(engine: Engine, state: Chat) -> None:
    if state.document.ids[-1] in engine.info.stop_ids:
        raise InputError(
            "The model has ended its turn. Write the next message and press “End turn”, or undo."
        )


def new_chat(engine: Engine) -> View:
    """An empty document."""
    return show(engine, Chat(), 0)


def _note(engine: Engine, state: Chat) -> Any:
    """What is to be known about the template, as a line of its own; hidden when nothing is."""
    given = [role for role, _ in state.messages]
    told = chat.template_notes(state.rendered, engine.vocabulary, given)
    note = " ".join([*([engine.info.chat_note] if engine.info.chat_note else []), *told])
    return gr.update(value=note, visible=bool(note))


def _reply_settings() -> list[Any]:
    """Greedy or sampled, temperature, seed and length, folded away."""
    with (
        gr.Accordion("How the reply is chosen", open=False),
        gr.Row(equal_height=True, elem_classes="lab-sliders"),
    ):
        return [
            gr.Radio([GREEDY, SAMPLED], value=GREEDY, label="Each token", scale=2, min_width=160),
            gr.Slider(0.1, 2, 1, step=0.05, label="Temperature", scale=2, min_width=140),
            gr.Number(1, label="Seed", precision=0, scale=1, min_width=70),
            gr.Slider(1, MAX_REPLY, 60, step=1, label="At most, in tokens", scale=2, min_width=140),
        ]


def build(page: Page) -> None:
    """Messages above the document; candidates beside the chart below it."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    note = gr.Markdown("", elem_classes="lab-quiet", visible=False)
    with gr.Row(equal_height=True):
        system = text_box(SYSTEM, "System prompt (may be empty)", lines=1, scale=3)
        user = text_box(EXAMPLES[0], "Your message", lines=1, scale=4)
        end = gr.Button("End turn", scale=1, min_width=100)
    examples(user, EXAMPLES)
    state = gr.State(Chat())
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

    outputs = [state, strip, candidates, facts, chart, code]
    typed = [state, system, user]
    for box in (system, user):  # change, not input: see the Tokenizer
        page.connect(box.change, preview, typed, [strip], latest_only=True, uses_model=False)
    page.connect(end.click, end_turn, typed, [*outputs, user, note])
    page.connect(user.submit, end_turn, typed, [*outputs, user, note])
    running = page.connect(go.click, reply, [state, *settings], outputs)
    stop.click(None, cancels=[running], api_visibility="private")
    page.connect(strip.pick, look, [state, strip], outputs, latest_only=True)
    page.connect(candidates.pick, choose, [state, candidates], outputs, latest_only=True)
    page.connect(back.click, undo, [state], outputs, latest_only=True)
    page.connect(new.click, new_chat, [], outputs)
    page.first_view(end_turn, typed, [*outputs, user, note])


DEMO = Demo(slug="chat-document", title="Chat-as-Document", order=5, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

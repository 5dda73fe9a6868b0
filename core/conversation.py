"""A chat under way: its document, the messages it was made of, and how it takes the next one.

The template writes each turn once; what stands is only ever continued. Uses an engine to
render messages, never to predict. Knows nothing of pages.
"""

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Self

from core import chat
from core.document import Document
from core.engines import Engine, Message
from core.tokens import ChatDocument

Messages = tuple[Message, ...]
PLACEHOLDER = "…"  # stands for a reply's words where only what follows them matters


@dataclass(frozen=True)
class Conversation(Document):
    """One state of a chat; a document without ids means that nothing was sent yet.

    ``first_messages`` and ``tools`` are what the first ``n_templated`` ids were written
    from, ``messages`` with all that came after. ``turn_start`` is the template's turn marker.
    ``template`` is the text of the one written with, "" for the model's own;
    ``control_tokens``: text that spells a special token was read as one; ``begun_open``: the
    model's turn was opened after the first messages, ``prompted``: after the last.
    """

    turn_start: int | None = None
    messages: Messages = ()
    first_messages: Messages = ()
    tools: Messages = ()
    n_templated: int = 0
    template: str = ""
    control_tokens: bool = False
    begun_open: bool = True
    prompted: bool = True

    @property
    def rendered(self) -> ChatDocument:
        """The document with its turn marker."""
        return ChatDocument(self.ids, self.turn_start)

    @property
    def system(self) -> str:
        """The system prompt it began with."""
        first = self.first_messages[:1]
        return "".join(m["content"] for m in first if m["role"] == "system")

    def cut(self, at: int) -> Self:
        """Its first ``at`` tokens."""
        return replace(super().cut(at), n_templated=min(self.n_templated, at))


def with_open_turn(engine: Engine, now: Conversation, system: str, user: str) -> ChatDocument:
    """The document as it would stand with the user's words typed so far, the turn not ended."""
    if now.ids:
        addition = _next_turn(engine, now, user, add_generation_prompt=False)
        ids = chat.add_turn(now.ids, addition, engine.vocabulary)
        written = ChatDocument(ids, now.turn_start)
    else:
        written = engine.render_chat(first_messages(system, user), add_generation_prompt=False)
    return chat.without_closing(written, engine.vocabulary)


def with_turn_ended(engine: Engine, now: Conversation, system: str, user: str) -> Conversation:
    """The conversation with the user's turn written and the model's opened.

    Raises what ``render_chat`` raises, and InputError for a template that marks no turns.
    """
    if not now.ids:
        return begun(engine, first_messages(system, user))
    addition = _next_turn(engine, now, user, add_generation_prompt=True)
    written = chat.add_turn(now.ids, addition, engine.vocabulary)
    messages = (*now.messages, *reply(engine, now), message("user", user))
    return replace(now.give(written[len(now) :]), messages=messages, prompted=True)


def begun(
    engine: Engine,
    messages: Messages,
    tools: Messages = (),
    *,
    add_generation_prompt: bool = True,
    control_tokens: bool = False,
    template: str = "",
) -> Conversation:
    """A conversation with what the template writes of its first messages.

    Raises what ``render_chat`` raises.
    """
    rendered = engine.render_chat(
        messages,
        tools=tools or None,
        add_generation_prompt=add_generation_prompt,
        control_tokens=control_tokens,
        template=template or None,
    )
    return Conversation(
        rendered.ids,
        turn_start=rendered.turn_start,
        messages=messages,
        first_messages=messages,
        tools=tools,
        n_templated=len(rendered.ids),
        template=template,
        control_tokens=control_tokens,
        begun_open=add_generation_prompt,
        prompted=add_generation_prompt,
    )


def message(role: str, content: str) -> Message:
    """One message as chat templates take it."""
    return {"role": role, "content": content}


def first_messages(system: str, user: str) -> Messages:
    """What a chat begins with: a system prompt, unless it is empty, and the user's words."""
    return (*([message("system", system)] if system.strip() else []), message("user", user))


def _next_turn(
    engine: Engine, now: Conversation, user: str, add_generation_prompt: bool
) -> tuple[int, ...]:
    """What the template writes from the end of the last turn to (past) the user's new one.

    Special-token text in it stays plain, whatever the first messages were read as.
    """
    reply_words = [message("assistant", PLACEHOLDER)] if reply(engine, now) else []
    rendered = engine.render_chat(
        (*now.messages, *reply_words, message("user", user)),
        tools=now.tools or None,
        add_generation_prompt=add_generation_prompt,
        template=now.template or None,
    )
    n_turns_after = 2 if add_generation_prompt else 1
    return chat.next_turn_ids(rendered, engine.vocabulary, n_turns_after)


def reply(engine: Engine, now: Conversation) -> Messages:
    """The model's last turn as a message, which ``now.messages`` doesn't hold yet.

    Its words are without control tokens, up to its end; empty where no turn was opened.
    """
    last = chat.turns(now.rendered, engine.vocabulary)[-1]
    picked = [pick.id for at, pick in now.picked() if at >= last.start]
    if not now.prompted and not picked:
        return ()
    words = takewhile(lambda i: i not in engine.info.stop_ids, picked)
    text = engine.decode([i for i in words if i not in engine.vocabulary.specials])
    if last.start in now.picks:  # the model opened the turn itself: its role word comes first
        text = text.partition("\n")[2]
    return (message("assistant", text),)


def current_messages(engine: Engine, now: Conversation) -> Messages:
    """All messages of the document as it stands, a reply that was begun with them."""
    if not now.ids:
        return ()
    begun_reply = reply(engine, now)
    return (*now.messages, *(said for said in begun_reply if said["content"]))

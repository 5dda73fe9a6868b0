"""A chat under way: its document, the messages it was made of, and how it takes the next one.

The template writes each turn once; what stands is only ever continued. Uses an engine to
render messages, never to predict. Knows nothing of pages.
"""

from dataclasses import dataclass, field, replace
from itertools import takewhile

from core import chat
from core.document import Document
from core.engines import Engine
from core.tokens import Candidate, ChatDocument

Messages = tuple[tuple[str, str], ...]
PLACEHOLDER = "…"  # stands for a reply's words where only what follows them matters


@dataclass(frozen=True)
class Conversation:
    """One state of a chat; an empty document means that nothing was sent yet.

    ``messages`` are (role, content); ``first_messages`` those that the first
    ``n_templated`` ids were written from. ``turn_start`` is the template's turn marker.
    """

    document: Document = field(default_factory=Document)
    turn_start: int | None = None
    messages: Messages = ()
    first_messages: Messages = ()
    n_templated: int = 0

    @property
    def rendered(self) -> ChatDocument:
        """The document with its turn marker."""
        return ChatDocument(self.document.ids, self.turn_start)

    @property
    def system(self) -> str:
        """The system prompt it began with."""
        return dict(self.first_messages).get("system", "")

    def pick(self, token: Candidate, at: int | None = None) -> "Conversation":
        """The conversation with a token picked at a position (the end by default), cut after it."""
        document = self.document.pick(token, at)
        return replace(
            self, document=document, n_templated=min(self.n_templated, len(document) - 1)
        )


def with_open_turn(engine: Engine, now: Conversation, system: str, user: str) -> ChatDocument:
    """The document as it would stand with the user's words typed so far, the turn not ended."""
    if now.document.ids:
        addition = _next_turn(engine, now, user, add_generation_prompt=False)
        ids = chat.add_turn(now.document.ids, addition, engine.vocabulary)
        written = ChatDocument(ids, now.turn_start)
    else:
        written = engine.render_chat(as_json(_first(system, user)), add_generation_prompt=False)
    return chat.without_closing(written, engine.vocabulary)


def with_turn_ended(engine: Engine, now: Conversation, system: str, user: str) -> Conversation:
    """The conversation with the user's turn written and the model's opened.

    Raises what ``render_chat`` raises, and InputError for a template that marks no turns.
    """
    if not now.document.ids:
        messages = _first(system, user)
        rendered = engine.render_chat(as_json(messages), add_generation_prompt=True)
        document = Document(rendered.ids)
        return Conversation(document, rendered.turn_start, messages, messages, len(document))
    addition = _next_turn(engine, now, user, add_generation_prompt=True)
    written = chat.add_turn(now.document.ids, addition, engine.vocabulary)
    document = now.document.give(written[len(now.document) :])
    reply = ("assistant", _reply_text(engine, now))
    return replace(now, document=document, messages=(*now.messages, reply, ("user", user)))


def as_json(messages: Messages) -> list[dict[str, str]]:
    """The messages as chat templates take them."""
    return [{"role": role, "content": content} for role, content in messages]


def _first(system: str, user: str) -> Messages:
    return ((("system", system),) if system.strip() else ()) + (("user", user),)


def _next_turn(
    engine: Engine, now: Conversation, user: str, add_generation_prompt: bool
) -> tuple[int, ...]:
    """What the template writes from the end of the reply to (past) the user's new turn."""
    so_far = as_json((*now.messages, ("assistant", PLACEHOLDER), ("user", user)))
    rendered = engine.render_chat(so_far, add_generation_prompt=add_generation_prompt)
    n_turns_after = 2 if add_generation_prompt else 1
    return chat.next_turn_ids(rendered, engine.vocabulary, n_turns_after)


def _reply_text(engine: Engine, now: Conversation) -> str:
    """The words of the model's last turn, up to its end and without control tokens."""
    last = chat.turns(now.rendered, engine.vocabulary)[-1]
    picked = (pick.id for at, pick in now.document.picked() if at >= last.start)
    words = takewhile(lambda i: i not in engine.info.stop_ids, picked)
    return engine.decode([i for i in words if i not in engine.vocabulary.specials])

"""A chat under way: its document, the messages it was made of, and how it takes the next one.

The template writes each turn once; what stands is only ever continued. Uses an engine to
render messages, never to predict. Knows nothing of pages.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Self

from core import chat
from core.document import Document
from core.engines import Engine, Message
from core.errors import InputError
from core.tokens import Candidate, ChatDocument, Ids

Messages = tuple[Message, ...]
PLACEHOLDER = "…"  # stands for words where only what the template writes around them matters


@dataclass(frozen=True)
class Draw:
    """Tokens start…stop-1 were drawn by a sampler, one after another, from this seed.

    At temperature 0 nothing was drawn: each was the most likely.
    """

    start: int
    stop: int
    seed: int
    temperature: float


@dataclass(frozen=True)
class Conversation(Document):
    """One state of a chat; a document without ids means that nothing was sent yet.

    ``first_messages`` and ``tools`` are what the first ``n_templated`` ids were written
    from, ``messages`` all that still stand, ``reaches[i]`` one past the last token of message
    i, its end of turn included. ``turn_start`` is the template's turn marker; ``draws`` says
    which tokens a sampler wrote. ``template`` is the text of the one written with, "" for the
    model's own; ``control_tokens``: text that spells a special token was read as one;
    ``begun_open``: the model's turn was opened after the first messages.
    """

    turn_start: int | None = None
    messages: Messages = ()
    reaches: tuple[int, ...] = ()
    first_messages: Messages = ()
    tools: Messages = ()
    n_templated: int = 0
    draws: tuple[Draw, ...] = ()
    template: str = ""
    control_tokens: bool = False
    begun_open: bool = True

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
        """Its first ``at`` tokens, with the messages that stand in them whole."""
        n_standing = sum(1 for _ in takewhile(lambda reach: reach <= at, self.reaches))
        return replace(
            super().cut(at),
            messages=self.messages[:n_standing],
            reaches=self.reaches[:n_standing],
            n_templated=min(self.n_templated, at),
            draws=tuple(replace(d, stop=min(d.stop, at)) for d in self.draws if d.start < at),
        )

    def drawn(self, token: Candidate, start: int, seed: int, temperature: float) -> Self:
        """One token further, of the draw that began at ``start``."""
        before = [draw for draw in self.draws if draw.start != start]
        draw = Draw(start, len(self) + 1, seed, temperature)
        return replace(self.pick(token), draws=(*before, draw))


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
    written, changed = (
        chat.add_turn(now.ids, _next_turn(engine, now, words, True), engine.vocabulary)
        for words in (user, _longer(user))
    )
    said = open_message(engine, now)
    reached = now.reaches
    if said is not None:
        reached = (*reached, _end_of_last_turn(engine, now))
    return replace(
        now.give(written[len(now) :]),
        messages=(*now.messages, *([said] if said else []), message("user", user)),
        reaches=(*reached, _reach(written, changed)),
    )


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

    def write(given: Sequence[Message]) -> ChatDocument:
        return engine.render_chat(
            given,
            tools=tools or None,
            add_generation_prompt=add_generation_prompt,
            control_tokens=control_tokens,
            template=template or None,
        )

    rendered = write(messages)
    return Conversation(
        rendered.ids,
        turn_start=rendered.turn_start,
        messages=messages,
        reaches=_reaches(write, messages, rendered.ids),
        first_messages=messages,
        tools=tools,
        n_templated=len(rendered.ids),
        template=template,
        control_tokens=control_tokens,
        begun_open=add_generation_prompt,
    )


def message(role: str, content: str) -> Message:
    """One message as chat templates take it."""
    return {"role": role, "content": content}


def first_messages(system: str, user: str) -> Messages:
    """What a chat begins with: a system prompt, unless it is empty, and the user's words."""
    return (*([message("system", system)] if system.strip() else []), message("user", user))


def open_message(engine: Engine, now: Conversation) -> Message | None:
    """The words of the last turn as a message, up to its end and without control tokens.

    None where the last turn is a message already.
    """
    last = chat.turns(now.rendered, engine.vocabulary)[-1]
    if now.reaches and now.reaches[-1] > last.start:
        return None
    start, stop = chat.words_start(now.rendered, last, engine.vocabulary), last.stop
    words = takewhile(lambda i: i not in engine.info.stop_ids, now.ids[start:stop])
    text = engine.decode([i for i in words if i not in engine.vocabulary.specials])
    return message(last.role if last.role in ("system", "user") else "assistant", text)


def current_messages(engine: Engine, now: Conversation) -> Messages:
    """All messages of the document as it stands, a reply that was begun with them."""
    said = open_message(engine, now) if now.ids else None
    return (*now.messages, *([said] if said and said["content"] else []))


def _next_turn(
    engine: Engine, now: Conversation, user: str, add_generation_prompt: bool
) -> tuple[int, ...]:
    """What the template writes from the end of the last turn to (past) the user's new turn.

    Which words stand before makes no difference to it, but some templates insist on an order.
    Special-token text in it stays plain, whatever the first messages were read as.
    """
    system = [m for m in now.first_messages[:1] if m["role"] == "system"]
    stub = [message("user", PLACEHOLDER), message("assistant", PLACEHOLDER), message("user", user)]
    rendered = engine.render_chat(
        [*system, *stub],
        tools=now.tools or None,
        add_generation_prompt=add_generation_prompt,
        template=now.template or None,
    )
    n_turns_after = 2 if add_generation_prompt else 1
    return chat.next_turn_ids(rendered, engine.vocabulary, n_turns_after)


def _end_of_last_turn(engine: Engine, now: Conversation) -> int:
    """One past the stop token of the last turn, or past the one that is about to be written."""
    last = chat.turns(now.rendered, engine.vocabulary)[-1]
    ends = (at for at in range(last.start + 1, last.stop) if now.ids[at] in engine.info.stop_ids)
    return next(ends, len(now)) + 1


def _reaches(
    write: Callable[[Sequence[Message]], ChatDocument], messages: Messages, ids: Ids
) -> tuple[int, ...]:
    """One past the last token of each message, found by writing it with one letter more.

    A message that can't be changed so (its content is no text) reaches as far as the next.
    """
    found: list[int] = []
    reach = len(ids)
    for i in reversed(range(len(messages))):
        try:
            longer = {**messages[i], "content": _longer(messages[i]["content"])}
            reach = _reach(ids, write([*messages[:i], longer, *messages[i + 1 :]]).ids)
        except (InputError, TypeError, KeyError):
            pass
        found.append(reach)
    return tuple(reversed(found))


def _longer(content: str) -> str:
    return content + ("b" if content.endswith("a") else "a")


def _reach(ids: Ids, changed: Ids) -> int:
    """One past the first token that two documents share to their end."""
    pairs = zip(reversed(ids), reversed(changed), strict=False)
    n_after = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return min(len(ids), len(ids) - n_after + 1)

"""Between a page and its link: what the demos share of saying a state and showing one again.

Documents go to ids and picked positions and come back with what the model here gives each
pick. Knows nothing of how one demo shows its state.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core import api, chat, tool_form
from core.conversation import Conversation, Draw, begun
from core.document import Document
from core.engines import Engine
from core.errors import LabError
from core.limits import check_number, check_text, check_whole_number
from core.link_check import model_name
from core.link_states import MOST_AHEAD, MOST_REPLY, ChatLink, DocumentLink, NextTokenLink
from core.links import spelling_of
from core.tokens import Candidate, ChatDocument
from demos.ui import views


def made_with(engine: Engine) -> dict[str, Any]:
    """What every link says of the model it was made with."""
    return {"model": model_name(engine.info), "revision": engine.info.revision}


def document_fields(engine: Engine, document: Document, text: str) -> dict[str, Any]:
    """A document as a link's ``text`` and ``ids``; without ids where it is the text's own."""
    words, own = _own_ids(engine, text)
    said = made_with(engine) | {"text": words}
    if not document.ids or (document.ids == own and not document.picks):
        return said
    return said | {"ids": document.ids, "spelling": spelling_of(engine.vocabulary, document.ids)}


def _own_ids(engine: Engine, text: str) -> tuple[str, tuple[int, ...]]:
    """(text, its ids); nothing for what no document can be begun with."""
    try:
        return check_text(text), api.context_ids(engine, text)
    except LabError:
        return "", ()


def place(position: int, n: int) -> int | None:
    """The position on show as a link says it: None for the next token's."""
    return None if position >= n else position


def place_fields(span: Any, n: int) -> dict[str, int | None]:
    """The position selected in the strip of a document of ``n`` tokens, and where it ends.

    The strip has one chip more, the next token's.
    """
    at, (_, stop) = place(views.picked_position(span, n), n), views.picked_span(span, n + 1)
    return {"at": at, "until": None if at is None or stop - at < 2 else stop}


def span_of(span: Any, n: int) -> tuple[int, int] | None:
    """The selection of a strip of ``n`` tokens; None where nothing is selected."""
    start, stop = views.picked_span(span, n)
    return (start, stop) if isinstance(span, dict) and start < stop else None


def selection(span: tuple[int, int] | None, n: int) -> dict[str, int] | None:
    """A link's span as the value of a strip of ``n`` tokens; None for one past its end."""
    if span is None or span[0] >= n:
        return None
    return {"start": span[0], "stop": min(span[1], n)}


def position_of(state: DocumentLink, n: int) -> int:
    """The position a link shows of a document of ``n`` tokens."""
    return n if state.at is None else min(state.at, n)


def span_at(state: NextTokenLink, n: int) -> dict[str, int]:
    """What a link selects in the strip of a document of ``n`` tokens."""
    start = position_of(state, n)
    return {"start": start, "stop": max(start + 1, min(state.until or 0, n + 1))}


def picks_of(
    engine: Engine, ids: tuple[int, ...], places: tuple[int, ...]
) -> Mapping[int, Candidate]:
    """What the model here gives the tokens at some positions, in one pass."""
    if not places:
        return {}
    scored = engine.score(ids[: places[-1] + 1], top_n=1)
    return {at: scored.candidate(at) for at in places}


def document_of(engine: Engine, state: NextTokenLink, text: str) -> Document:
    """The document of a link: its ids, or those of a text."""
    ids = state.ids or views.start_ids(engine, text)
    return Document(ids, picks_of(engine, ids, state.picks))


def chat_fields(engine: Engine, talk: Conversation) -> dict[str, Any]:
    """A chat as a link says it; messages alone where it is what the template makes of them."""
    said = made_with(engine)
    if not talk.ids:
        return said
    n_standing = sum(1 for reach in talk.reaches if reach <= talk.n_templated)
    messages = (*talk.first_messages, *talk.messages[n_standing:])
    said |= {"messages": messages, "tools": talk.tools, "prompt": talk.begun_open}
    said |= {"form": "tools" if talk.template else "own", "control_tokens": talk.control_tokens}
    if not talk.picks and talk.ids == _written(engine, ChatLink(**said), messages).ids:
        return said
    return said | {
        "ids": talk.ids,
        "spelling": spelling_of(engine.vocabulary, talk.ids),
        "picks": tuple(sorted(talk.picks)),
        "first": len(talk.first_messages),
        "templated": talk.n_templated,
        "replies": tuple((d.start, d.stop, d.seed, d.temperature) for d in talk.draws),
    }


def reply_fields(
    how: str, temperature: Any, seed: Any, n_tokens: Any, n_ahead: Any
) -> dict[str, Any]:
    """How replies are chosen, as a chat's link says it. Raises InputError."""
    return {
        "reply": how,
        "temperature": check_number(temperature, "Temperature"),
        "seed": api.checked_seed(seed),
        "tokens": check_whole_number(n_tokens, "The number of tokens", 1, MOST_REPLY),
        "ahead": check_whole_number(n_ahead, "Look ahead", 0, MOST_AHEAD),
    }


def conversation_of(engine: Engine, state: ChatLink) -> Conversation:
    """The chat of a link; what its template writes where it holds messages alone.

    Raises what ``render_chat`` raises.
    """
    if not state.messages:
        return Conversation()
    written = _written(engine, state, state.messages[: state.first or None])
    if not state.ids:
        return written
    messages, reaches = _standing(engine, written, state)
    return replace(
        written,
        ids=state.ids,
        picks=picks_of(engine, state.ids, state.picks),
        messages=messages,
        reaches=reaches,
        n_templated=state.templated,
        draws=tuple(Draw(*run) for run in state.replies),
    )


def _written(engine: Engine, state: ChatLink, messages: tuple[Any, ...]) -> Conversation:
    """What the link's way to write makes of messages; raises what ``render_chat`` raises."""
    return begun(
        engine,
        messages,
        state.tools,
        add_generation_prompt=state.prompt,
        control_tokens=state.control_tokens,
        template=tool_form.template() if state.form == "tools" else "",
    )


def _standing(
    engine: Engine, written: Conversation, state: ChatLink
) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """(messages, reaches): the first ones that stand whole, then one for each later turn."""
    later = state.messages[len(written.messages) :]
    whole = tuple(reach for reach in written.reaches if reach <= state.templated)
    standing = max(whole, default=0)
    found = chat.turns(ChatDocument(state.ids, written.turn_start), engine.vocabulary)
    # the first may have been begun by the template, and cut before it was ended
    anew = [turn for turn in found if turn.stop > state.templated and turn.start >= standing]
    ends = tuple(_end_of(turn, state.ids, engine.info.stop_ids) for turn in anew[: len(later)])
    return (*written.messages[: len(whole)], *later[: len(ends)]), (*whole, *ends)


def _end_of(turn: chat.Turn, ids: tuple[int, ...], stop_ids: frozenset[int]) -> int:
    """One past the first stop token of a turn, or past the turn."""
    ends = (at for at in range(turn.start + 1, turn.stop) if ids[at] in stop_ids)
    return next(ends, turn.stop - 1) + 1

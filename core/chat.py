"""A chat is one document of ids: its turns, its roles, and how it grows.

Works on ids and vocabularies alone, so a turn the model itself has written is seen
like any other. Text is never templated or tokenized again to extend a document. Knows
nothing of engines; the template's own ids come in as values.
"""

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from core.errors import InputError
from core.tokens import ChatDocument, Ids, Vocabulary


@dataclass(frozen=True)
class Turn:
    """One turn: tokens start…stop-1 of the document; ``role`` is the word written there.

    What stands before the first turn (BOS, say) has the role "".
    """

    role: str
    start: int
    stop: int


def turns(document: ChatDocument, vocabulary: Vocabulary) -> list[Turn]:
    """The turns of a document, each from one turn-start token to the next."""
    ids, marker = document.ids, document.turn_start
    starts = [i for i, token_id in enumerate(ids) if token_id == marker]
    edges = [*starts, len(ids)]
    found = [Turn("", 0, edges[0])] if edges[0] else []
    for start, stop in itertools.pairwise(edges):
        found.append(Turn(_role_word(ids[start + 1 : stop], vocabulary), start, stop))
    return found


def _role_word(ids: Ids, vocabulary: Vocabulary) -> str:
    """The word before the first line break or control token after a turn start."""
    word = b""
    for token in vocabulary.tokens(ids):
        if token.special:
            break
        head, newline, _ = token.piece.partition(b"\n")
        word += head
        if newline:
            break
    return word.decode("utf-8", errors="replace").strip()


def words_start(document: ChatDocument, turn: Turn, vocabulary: Vocabulary) -> int:
    """Where a turn's words begin: after the line break, or the control token, of its opening."""
    for at in range(turn.start + 1, turn.stop):
        token = vocabulary.token(document.ids[at])
        if token.special or b"\n" in token.piece:
            following = vocabulary.tokens(document.ids[at + 1 : at + 2])
            blank = token.special and any(t.piece.strip(b"\n") == b"" for t in following)
            return at + 1 + blank
    return turn.stop


def roles(document: ChatDocument, vocabulary: Vocabulary) -> list[str]:
    """The role of each token of the document, "" before the first turn."""
    return [turn.role for turn in turns(document, vocabulary) for _ in range(turn.start, turn.stop)]


def template_notes(
    document: ChatDocument,
    vocabulary: Vocabulary,
    given_roles: Sequence[str],
    written_roles: Sequence[str | None] | None = None,
) -> list[str]:
    """What a template made of the roles it was given, where that is not to be expected.

    ``document`` ends with a generation prompt. ``written_roles[i]`` is the word of the turn
    that message i stands in, None where it is not written; unknown without them.
    """
    written = [turn.role for turn in turns(document, vocabulary)]
    notes = []
    if (given_roles[0], *(written_roles or ())[:1]) == ("system", None):
        notes.append("It leaves the system prompt out.")
    elif "system" in given_roles and "system" not in written:
        notes.append("It has no system turn: the system prompt is put into your first message.")
    if "system" in written and "system" not in given_roles:
        notes.append("It adds a system turn of its own where you give none.")
    if document.turn_start is not None:
        notes += _tool_notes(given_roles, written_roles or ())
        if written[-1] != "assistant":
            notes.append(
                f"It writes the assistant's role as “{written[-1]}”, the word this model was "
                "made with."
            )
    return [f"About this template: {' '.join(notes)}"] if notes else []


def _tool_notes(given: Sequence[str], written: Sequence[str | None]) -> list[str]:
    """Where the words of tool messages stand, when not in a turn of that name."""
    pairs = zip(given, written, strict=False)
    words = dict.fromkeys(word for role, word in pairs if role == "tool" and word != "tool")
    return [
        "It leaves out what the tools gave."
        if word is None
        else f"It has no tool turn: what a tool gave stands in a turn “{word}”."
        for word in words
    ]


def without_closing(document: ChatDocument, vocabulary: Vocabulary) -> ChatDocument:
    """The document with its last turn left open: the end-of-turn marker and what follows cut."""
    last = turns(document, vocabulary)[-1]
    return ChatDocument(
        document.ids[: closing_start(document.ids, last, vocabulary)], document.turn_start
    )


def closing_start(ids: Ids, turn: Turn, vocabulary: Vocabulary) -> int:
    """Where a turn's closing begins: its last control token, if that is not its opening."""
    specials = [i for i in range(turn.start + 1, turn.stop) if ids[i] in vocabulary.specials]
    return specials[-1] if specials else turn.stop


def next_turn_ids(
    rendered: ChatDocument, vocabulary: Vocabulary, n_turns_after: int
) -> tuple[int, ...]:
    """What a template writes after an assistant's words: its end-of-turn, then further turns.

    ``rendered`` is the template's document; the assistant's turn has ``n_turns_after``
    turns after it. Raises InputError for a template without turn markers.
    """
    found = turns(rendered, vocabulary)
    if rendered.turn_start is None or len(found) <= n_turns_after:
        raise InputError(
            "This model's chat template marks no turns, so a further turn can't be added. "
            "Start a new chat instead."
        )
    reply = found[-1 - n_turns_after]
    return rendered.ids[closing_start(rendered.ids, reply, vocabulary) :]


def add_turn(document: Ids, addition: Ids, vocabulary: Vocabulary) -> tuple[int, ...]:
    """The document followed by ``addition``, written once: no earlier id changes.

    Where the model has already closed its turn, the closing in ``addition`` is not
    repeated.
    """
    closing = _leading_closing(addition, vocabulary)
    for overlap in range(len(closing), 0, -1):
        if tuple(document[-overlap:]) == tuple(closing[:overlap]):
            return (*document, *addition[overlap:])
    return (*document, *addition)


def _leading_closing(ids: Ids, vocabulary: Vocabulary) -> Ids:
    """The first token of ``ids`` and the plain ones after it, up to the next control token."""
    specials = [i for i, token_id in enumerate(ids) if token_id in vocabulary.specials]
    return ids[: specials[1]] if len(specials) > 1 else ids


GUARD_OPEN, GUARD_CLOSE = "\uf8f0", "\uf8f1"  # private use: no template and no tokenizer knows them


@dataclass(frozen=True)
class Guard:
    """Hides special-token text inside messages from the template and the tokenizer.

    Each spelling in ``names`` becomes a number between two private-use characters.
    """

    names: tuple[str, ...]

    @property
    def _spellings(self) -> str:
        """A pattern of all names, longer ones first."""
        return "|".join(re.escape(n) for n in sorted(self.names, key=len, reverse=True))

    def hide(self, text: str) -> str:
        """The text with every special-token spelling replaced."""
        if GUARD_OPEN in text:
            raise InputError(
                "A message holds the private-use character U+F8F0, which is kept for "
                "Token Lab's own marks. Delete it."
            )
        if not self.names:
            return text
        return re.sub(
            self._spellings, lambda m: f"{GUARD_OPEN}{self.names.index(m[0])}{GUARD_CLOSE}", text
        )

    def reveal(self, text: str) -> str:
        """The text with every replaced spelling back."""
        return re.sub(f"{GUARD_OPEN}([0-9]+){GUARD_CLOSE}", lambda m: self.names[int(m[1])], text)

    def split(self, text: str) -> list[tuple[str, bool]]:
        """The guarded text as (piece, is a control token), what was hidden back as plain text."""
        pieces = re.split(f"({self._spellings})", text) if self.names else [text]
        return [(self.reveal(piece), i % 2 == 1) for i, piece in enumerate(pieces) if piece]


def guarded(messages: Iterable[dict[str, object]], guard: Guard) -> list[dict[str, object]]:
    """The messages (or tools) with special-token text hidden in every string they hold."""
    return [_map_strings(message, guard.hide) for message in messages]  # type: ignore[misc]


def _map_strings(value: object, change: Callable[[str], str]) -> object:
    """The same JSON value with ``change`` applied to every string, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _map_strings(item, change) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_map_strings(item, change) for item in value]
    return value


def spells_special(messages: object, names: Collection[str]) -> bool:
    """Whether any string in the messages contains the spelling of a special token."""
    if isinstance(messages, str):
        return any(name in messages for name in names)
    if isinstance(messages, dict):
        return any(spells_special([*item], names) for item in messages.items())
    if isinstance(messages, Sequence):
        return any(spells_special(item, names) for item in messages)
    return False

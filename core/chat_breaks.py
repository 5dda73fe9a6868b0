"""A chat's document broken on purpose: a marker, a role word or the model's opening changed.

Pure functions on ids, a vocabulary and the turns in it; nothing is templated or tokenized.
Knows nothing of engines or pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from core import chat
from core.chat import Turn
from core.errors import InputError
from core.tokens import ChatDocument, Ids, Vocabulary


@dataclass(frozen=True)
class Break:
    """A document before and after a change, and the two places whose next tokens are compared.

    ``true[kept:true_stop]`` became ``broken[kept:broken_stop]``; all around it is the same.
    ``true_at`` and ``broken_at`` are how many tokens stand before the compared places.
    """

    true: tuple[int, ...]
    broken: tuple[int, ...]
    kept: int
    true_stop: int
    broken_stop: int
    true_at: int
    broken_at: int

    @classmethod
    def between(cls, true: Ids, broken: Ids, at: int | None = None) -> "Break":
        """What changed between two documents.

        Compared after ``at`` tokens of the true one and the same place in the other, if the
        change is before it; else, and by default, at both ends.
        """
        kept = _n_shared(true, broken)
        n_after = min(_n_shared(true[::-1], broken[::-1]), len(true) - kept, len(broken) - kept)
        ends = len(true) - n_after, len(broken) - n_after
        if at is None or at < ends[0]:
            at = len(true)
        places = at, at + len(broken) - len(true)
        return cls(tuple(true), tuple(broken), kept, *ends, *places)


def without_end_of_turn(document: ChatDocument, vocabulary: Vocabulary, at: int) -> Break:
    """The end-of-turn marker of the turn that token ``at`` is in removed; the last where none is.

    Raises InputError where no turn has ended.
    """
    turns = chat.turns(document, vocabulary)
    ends = {turn.start: _end_of(document, turn, vocabulary) for turn in turns if turn.role}
    ends = {start: end for start, end in ends.items() if end is not None}
    if not ends:
        raise InputError("No turn has ended in this document. Press “End turn” first.")
    chosen = [start for start in ends if start <= at < _turn_at(turns, start).stop]
    marker = ends[chosen[0] if chosen else max(ends)]
    assert marker is not None
    broken = (*document.ids[:marker], *document.ids[marker + 1 :])
    return Break.between(document.ids, broken, _first_word(document, turns, vocabulary))


def with_role_swapped(
    document: ChatDocument, vocabulary: Vocabulary, at: int, words: Mapping[str, Ids]
) -> Break:
    """The role word of the turn that token ``at`` is in replaced by the other of two.

    ``words``: the role words of the user and the model with their tokens, of ``role_words``.
    The last turn where no turn of theirs is selected. Raises InputError without such a turn.
    """
    turns = chat.turns(document, vocabulary)
    fitting = [turn for turn in turns if turn.role in words]
    if not fitting:
        raise InputError(
            "No turn of the user or the model is in this document. Press “End turn” first."
        )
    turn = next((turn for turn in fitting if turn.start <= at < turn.stop), fitting[-1])
    other = next(ids for role, ids in words.items() if role != turn.role)
    start, stop = _role_span(document, turn, vocabulary)
    broken = (*document.ids[:start], *other, *document.ids[stop:])
    return Break.between(document.ids, broken, _first_word(document, turns, vocabulary))


def without_generation_prompt(
    document: ChatDocument, vocabulary: Vocabulary, model_role: str
) -> Break:
    """The document cut where the opening of the model's last turn begins.

    Compared where the model's words would begin. Raises InputError where the last turn is
    not the model's.
    """
    last = chat.turns(document, vocabulary)[-1]
    if last.role != model_role:
        raise InputError(
            "The document does not end with the model's turn, so there is no opening to forget. "
            "Press “End turn” first."
        )
    opened = chat.words_start(document, last, vocabulary)
    true, broken = document.ids[:opened], document.ids[: last.start]
    return Break(true, broken, last.start, opened, last.start, opened, last.start)


def role_words(probe: ChatDocument, vocabulary: Vocabulary) -> dict[str, tuple[int, ...]]:
    """The role words of the last two turns of a rendered document with their tokens.

    ``probe``: any message of the user with a generation prompt, so that they are the user's
    and the model's, in this order. Raises InputError for a template without turn markers.
    """
    last = [turn for turn in chat.turns(probe, vocabulary) if turn.role][-2:]
    if probe.turn_start is None or len(last) < 2:
        raise InputError("This model's chat template marks no turns, so no role can be swapped.")
    spans = [_role_span(probe, turn, vocabulary) for turn in last]
    return {turn.role: probe.ids[slice(*span)] for turn, span in zip(last, spans, strict=True)}


def injection(probe: ChatDocument, vocabulary: Vocabulary, said: tuple[str, str, str]) -> str:
    """One message that spells control tokens, so that it reads as three turns.

    ``probe``: the template's document of user, assistant, user and a generation prompt, from
    whose own markers it is built; ``said``: the user's words, those put into the model's
    mouth, and the user's again. Raises InputError for a template without turn markers.
    """
    if probe.turn_start is None:
        raise InputError("This model's chat template marks no turns, so none can be forged.")
    first, reply, second, _ = [turn for turn in chat.turns(probe, vocabulary) if turn.role][-4:]
    seams = [
        probe.ids[
            chat.closing_start(probe.ids, before, vocabulary) : chat.words_start(
                probe, after, vocabulary
            )
        ]
        for before, after in ((first, reply), (reply, second))
    ]
    to_model, to_user = (_spelt(ids, vocabulary) for ids in seams)
    return f"{said[0]}{to_model}{said[1]}{to_user}{said[2]}"


def _spelt(ids: Ids, vocabulary: Vocabulary) -> str:
    joined = b"".join(token.piece for token in vocabulary.tokens(ids))
    return joined.decode("utf-8", errors="replace")


def _n_shared(first: Ids, second: Ids) -> int:
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _first_word(document: ChatDocument, turns: list[Turn], vocabulary: Vocabulary) -> int:
    """How many tokens stand before the words of the last turn."""
    return chat.words_start(document, turns[-1], vocabulary)


def _turn_at(turns: list[Turn], start: int) -> Turn:
    return next(turn for turn in turns if turn.start == start)


def _end_of(document: ChatDocument, turn: Turn, vocabulary: Vocabulary) -> int | None:
    """Where a turn's end marker stands, None in a turn that is still open."""
    end = chat.closing_start(document.ids, turn, vocabulary)
    words = chat.words_start(document, turn, vocabulary)
    return end if words <= end < turn.stop else None


def _role_span(document: ChatDocument, turn: Turn, vocabulary: Vocabulary) -> tuple[int, int]:
    """The tokens of a turn's role word: start…stop-1, at least one."""
    tokens = vocabulary.tokens(document.ids[turn.start + 1 : turn.stop])
    word = list(takewhile(lambda t: not t.special and b"\n" not in t.piece, tokens))
    return turn.start + 1, turn.start + 1 + max(1, len(word))

"""Replies drawn from the same place of a chat: where each began, and what it is made of.

Read off the ends of all paths, which keep what a sampler drew. Knows nothing of engines
or pages.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.branches import continues, total_bits
from core.conversation import Conversation, Draw


@dataclass(frozen=True)
class Reply:
    """Tokens start… to the end of ``document``, drawn in one go or, where it paused, in several."""

    document: Conversation
    draws: tuple[Draw, ...]

    @property
    def start(self) -> int:
        """The position of its first token."""
        return self.draws[0].start

    @property
    def ids(self) -> tuple[int, ...]:
        """Its own tokens."""
        return self.document.ids[self.start :]

    @property
    def total_bits(self) -> float:
        """−log2 of the probability that the model itself gives to all its tokens together."""
        return total_bits(self.document, self.start)

    @property
    def bits_per_token(self) -> float:
        """The average surprisal of its tokens."""
        return self.total_bits / len(self.ids)


def place_of_reply(talk: Conversation, ends: Sequence[Conversation]) -> Conversation | None:
    """The chat where its last reply begins: cut there, or as it is if replies begin at its end.

    None where there is no reply.
    """
    if any(_first_draw(end, talk.ids) is not None for end in ends):
        return talk
    begun = [i for i in range(len(talk.draws)) if _begins(talk, i)]
    return talk.cut(talk.draws[begun[-1]].start) if begun else None


def replies_at(
    documents: Sequence[Conversation], place: Sequence[int], stop_ids: Collection[int]
) -> list[Reply]:
    """Every reply that was drawn right after the ids of ``place``, in the order of the documents.

    Two seeds may draw the same tokens: both are listed. One that was cut and continued by hand
    is none, nor is the beginning of another that was gone on with.
    """
    found: list[Reply] = []
    for document in documents:
        first = _first_draw(document, place)
        if first is None:
            continue
        draws = _in_a_row(document.draws[first:])
        stop = draws[-1].stop
        by_hand = stop in document.picks and document.ids[stop - 1] not in stop_ids
        reply = Reply(document.cut(stop), draws)
        if not by_hand and not any(_goes_on(other, reply) for other in found):
            found = [other for other in found if not _goes_on(reply, other)] + [reply]
    return found


def _goes_on(longer: Reply, shorter: Reply) -> bool:
    """Whether a reply is another one, or what it became, from the same seed."""
    first, second = longer.draws[0], shorter.draws[0]
    same = (first.seed, first.temperature) == (second.seed, second.temperature)
    return same and continues(longer.document, shorter.document)


def next_seed(replies: Sequence[Reply], seed: int) -> int:
    """The first seed after all that were used; ``seed`` itself where none was."""
    used = [draw.seed for reply in replies for draw in reply.draws if draw.temperature]
    return max(used) + 1 if used else seed


def _first_draw(end: Conversation, place: Sequence[int]) -> int | None:
    """Which draw of a path begins a reply right after the ids of ``place``."""
    if end.ids[: len(place)] != tuple(place):
        return None
    begun = (i for i, draw in enumerate(end.draws) if draw.start == len(place))
    return next((i for i in begun if _begins(end, i)), None)


def _begins(talk: Conversation, i: int) -> bool:
    """Whether a draw begins a reply, rather than go on where the one before it stopped."""
    return i == 0 or talk.draws[i - 1].stop != talk.draws[i].start


def _in_a_row(draws: tuple[Draw, ...]) -> tuple[Draw, ...]:
    """The first draws that each begin where the one before stopped."""
    n = 1
    while n < len(draws) and draws[n - 1].stop == draws[n].start:
        n += 1
    return draws[:n]

"""What a link says of each demo: one frozen record per demo, its fields in the link's words.

Every field has its kind, which writes and reads it, and its default, which is left out: the
defaults are part of version 1 of the links. Knows nothing of queries, engines or pages.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from core import link_fields as kinds
from core.limits import MAX_NEW_TOKENS
from core.link_fields import Drawn, said, whole

MOST_AHEAD = 8
MOST_DRAWN = 10_000
MOST_REPLY = 100
PICKS_INSIDE = "about tokens after the first of its ids"
UNTIL_INSIDE = "two or more positions after “at”, in its document"
Notes = list[str]


@dataclass(frozen=True, kw_only=True)
class LinkState:
    """What every link says: the demo, the text in its box, and the model it was made with.

    ``model`` is a name to compare with, never to open; ``revision`` "" where it is not known.
    """

    demo: ClassVar[str]
    model: str = said(kinds.MODEL, "")
    revision: str = said(kinds.REVISION, "")
    text: str = said(kinds.TEXT, "")

    @property
    def document_ids(self) -> tuple[int, ...]:
        """The token ids it carries; none where the text says it all."""
        return getattr(self, "ids", ())

    def without_ids(self) -> Self:
        """The same without what means nothing to another tokenizer."""
        return self

    def settled(self) -> tuple[Self, Notes]:
        """The state with what contradicts itself left out, and sentences that say so."""
        return self, []


@dataclass(frozen=True, kw_only=True)
class TokenizerLink(LinkState):
    """The Tokenizer: its text, the switch, and the tokens selected (stop not included)."""

    demo: ClassVar[str] = "tokenizer"
    control_tokens: bool = said(kinds.FLAG, False)
    span: tuple[int, int] | None = said(kinds.SPAN, None)

    def without_ids(self) -> Self:
        """Without the selection."""
        return replace(self, span=None)


@dataclass(frozen=True, kw_only=True)
class SurprisalLink(LinkState):
    """Surprisal: its text, whether in float32 on request, and the tokens selected."""

    demo: ClassVar[str] = "surprisal"
    exact: bool = said(kinds.FLAG, False)
    span: tuple[int, int] | None = said(kinds.SPAN, None)

    def without_ids(self) -> Self:
        """Without the selection."""
        return replace(self, span=None)


@dataclass(frozen=True, kw_only=True)
class DocumentLink(LinkState):
    """A document under way: ids, which were picked, and the position on show (None: the end).

    Without ``ids`` it is the text's own document. ``spelling`` names the pieces the ids stand
    for, so that another tokenizer is noticed.
    """

    ids: tuple[int, ...] = said(kinds.IDS, ())
    spelling: str = said(kinds.SPELLING, "")
    at: int | None = said(kinds.PLACE, None)

    def without_ids(self) -> Self:
        """The text alone."""
        return replace(self, ids=(), spelling="", at=None)

    def settled(self) -> tuple[Self, Notes]:
        """A position past the end and a spelling of nothing are left out."""
        if self.ids and self.at is not None and self.at > len(self.ids):
            return replace(self, at=None), [ignored("at", "a position in its document")]
        if self.spelling and not self.ids:
            return replace(self, spelling=""), [ignored("spelling", "given with token ids")]
        return self, []


@dataclass(frozen=True, kw_only=True)
class NextTokenLink(DocumentLink):
    """Next-Token: the document, what was picked, and how far it looks ahead.

    ``until``: one past the last token selected, where there are several; they begin ``at``.
    """

    demo: ClassVar[str] = "next-token"
    picks: tuple[int, ...] = said(kinds.PLACES, ())
    until: int | None = said(kinds.PLACE, None)
    ahead: int = said(whole(0, MOST_AHEAD), 0)

    def without_ids(self) -> Self:
        """The text alone."""
        return replace(super().without_ids(), picks=(), until=None)

    def settled(self) -> tuple[Self, Notes]:
        """Picks outside the document, and a selection that is none, are left out."""
        state, notes = super().settled()
        if outside(state.picks, state.ids):
            state, notes = replace(state, picks=()), [*notes, ignored("picks", PICKS_INSIDE)]
        if state.until is not None and not state.selects_several:
            state, notes = replace(state, until=None), [*notes, ignored("until", UNTIL_INSIDE)]
        return state, notes

    @property
    def selects_several(self) -> bool:
        """Whether ``until`` is at least two after ``at``, at most one past the next token."""
        most = len(self.ids) + 1 if self.ids else kinds.MOST_PLACE
        return self.at is not None and self.until is not None and self.at + 2 <= self.until <= most


@dataclass(frozen=True, kw_only=True)
class SamplingLink(DocumentLink):
    """Sampling: the document with every draw, the next r, the sliders, and the seed.

    ``drawn`` counts the numbers already taken from ``seed``.
    """

    demo: ClassVar[str] = "sampling"
    draws: tuple[Drawn, ...] = said(kinds.DRAWS, ())
    r: float = said(kinds.R, 0.5)
    seed: int = said(kinds.SEED, 1)
    drawn: int = said(whole(0, MOST_DRAWN), 0)
    tokens: int = said(whole(1, MAX_NEW_TOKENS), 20)
    temperature: float = said(kinds.TEMPERATURE, 1.0)
    top_k: int = said(kinds.TOP_K, 0)
    top_p: float = said(kinds.TOP_P, 0.9)
    min_p: float = said(kinds.MIN_P, 0.0)

    def without_ids(self) -> Self:
        """The text and the settings."""
        return replace(super().without_ids(), draws=())

    def settled(self) -> tuple[Self, Notes]:
        """Draws outside the document are left out."""
        state, notes = super().settled()
        if outside(tuple(draw.at for draw in state.draws), state.ids):
            return replace(state, draws=()), [*notes, ignored("draws", PICKS_INSIDE)]
        return state, notes


@dataclass(frozen=True, kw_only=True)
class ChatLink(NextTokenLink):
    """Chat-as-Document: ``text`` and ``system`` are its boxes, the rest the chat under way.

    ``first`` of the ``messages``, with the ``tools``, are what the first ``templated`` ids
    were written from. Messages without ids: a chat that the template is to write: the model's
    "own" or Token Lab's for "tools", never one that the link brings. ``replies``: what a
    sampler drew. ``compact``: special tokens as small marks.
    """

    demo: ClassVar[str] = "chat-document"
    system: str | None = said(kinds.TEXT, None)
    messages: tuple[dict[str, Any], ...] = said(kinds.MESSAGES, ())
    tools: tuple[dict[str, Any], ...] = said(kinds.OBJECTS, ())
    first: int = said(whole(0, kinds.MOST_MESSAGES), 0)
    templated: int = said(kinds.PLACE, 0)
    form: str = said(kinds.choice("own", "tools"), "own")
    control_tokens: bool = said(kinds.FLAG, False)
    prompt: bool = said(kinds.FLAG, True)
    replies: tuple[kinds.Run, ...] = said(kinds.RUNS, ())
    reply: str = said(kinds.choice("greedy", "sampled"), "greedy")
    temperature: float = said(kinds.TEMPERATURE, 1.0)
    seed: int = said(kinds.SEED, 1)
    tokens: int = said(whole(1, MOST_REPLY), 60)
    compact: bool = said(kinds.FLAG, False)

    def without_ids(self) -> Self:
        """The messages, to be written anew."""
        return replace(super().without_ids(), first=0, templated=0, replies=())

    def settled(self) -> tuple[Self, Notes]:
        """Ids need the messages they came from."""
        state, notes = super().settled()
        n_first, n_ids = len(state.messages), len(state.ids)
        if state.ids and not 0 < state.first <= n_first:
            return state.without_ids(), [*notes, ignored("ids", "given with their first messages")]
        most = "at most the number of token ids"
        wrong = {
            "first": (0, bool(state.first and not n_ids), "given with token ids"),
            "templated": (0, state.templated > n_ids, most),
            "replies": ((), any(run[1] > n_ids for run in state.replies), PICKS_INSIDE),
        }
        left_out: dict[str, Any] = {name: none for name, (none, bad, _) in wrong.items() if bad}
        notes = [*notes, *(ignored(name, wrong[name][2]) for name in left_out)]
        return replace(state, **left_out), notes


STATES: dict[str, type[LinkState]] = {
    kind.demo: kind
    for kind in (TokenizerLink, NextTokenLink, SamplingLink, SurprisalLink, ChatLink)
}


def ignored(name: str, means: str) -> str:
    """The sentence about a parameter that was left out; what came is never repeated."""
    return f"“{name}” in the link is ignored: it must be {means}."


def outside(places: tuple[int, ...], ids: tuple[int, ...]) -> bool:
    """Whether any of some picked positions is not after the first token of a document."""
    return bool(places) and not 0 < min(places) <= max(places) < len(ids)

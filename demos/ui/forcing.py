"""Forcing what the model would not choose: any token of the vocabulary, a rank, or own words.

Each is written where the strip's selection is, like a clicked candidate. Knows nothing of
how a page shows a document.
"""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from core import limits, search
from core.branches import Branches, D
from core.candidates import candidate_after
from core.engines import Engine
from core.errors import ContextTooLong, InputError
from core.snippets import forced_code
from core.tokens import Candidate, require_context
from demos.ui import places, views
from demos.ui.component import CandidateList, Number, TokenStrip
from demos.ui.events import Page
from demos.ui.panels import folded_code, text_box
from demos.ui.writing import STEP, Desk, View, Writing

MOST_FOUND = 12
FIND = (
    "Find a token: its text, “id 42” or “#5” for rank 5. "
    "Click one below, or press Enter for the first"
)


@dataclass(frozen=True)
class Forcing:
    """The steps that force tokens into a document, for a page that shows it with ``steps``."""

    steps: Writing

    def take_rank(self, engine: Engine, branches: Branches[Any], span: Any, rank: Any) -> View:
        """Write the token of a rank among all tokens, whatever was searched for."""
        n = limits.check_whole_number(rank, "The rank", 1, engine.info.vocab_size)
        context = places.picked_context(branches.now.ids, span)
        best = engine.next(context).top(n)
        if len(best) < n:
            raise InputError(
                f"This engine gives only its {len(best):,} most likely tokens, so the one of rank "
                f"{n:,} is not known. Choose a lower rank, or find a token by its text."
            )
        return self._written(engine, branches, (int(best[n - 1]),), len(context))

    def take_found(self, engine: Engine, branches: Branches[Any], span: Any, query: Any) -> View:
        """Write the first token that a search finds."""
        limits.check_text(query, "search")
        context = places.picked_context(branches.now.ids, span)
        found = search.find(engine.vocabulary, engine.next(context), query)
        if not len(found):
            raise InputError(f"No token holds “{query}”. Try a part of it, or other letters.")
        return self._written(engine, branches, (int(found[0]),), len(context))

    def take_text(
        self, engine: Engine, branches: Branches[Any], span: Any, text: Any
    ) -> tuple[Any, ...]:
        """Write the tokens of one's own words, each with what the model gave it."""
        ids = text_ids(engine, text)
        context = places.picked_context(branches.now.ids, span)
        return (*self._written(engine, branches, ids, len(context)), "")

    def swap(
        self, engine: Engine, branches: Branches[Any], span: Any, text: Any
    ) -> tuple[Any, ...]:
        """Put the tokens of one's own words in the place of those selected; what follows stays."""
        ids = text_ids(engine, text)
        start, stop = views.picked_span(span, len(branches.now))
        if start >= len(branches.now):
            raise InputError("Select the tokens that your text is to replace in the strip first.")
        after = spliced(engine, branches.now, start, stop, ids)
        return (*self.steps.show(engine, branches.go(after), start), "")

    def _written(
        self, engine: Engine, branches: Branches[Any], ids: tuple[int, ...], position: int
    ) -> View:
        tokens = scored_after(engine, branches.now.ids[:position], ids)
        after = branches.now.pick_all(tokens, position)
        return self.steps.look_at_end(engine, branches.go(after))


def scored_after(engine: Engine, context: tuple[int, ...], ids: tuple[int, ...]) -> list[Candidate]:
    """Tokens after a context, each with the log-prob and rank the model gives it there."""
    if len(context) + len(ids) > engine.info.context_length:
        raise ContextTooLong(len(context) + len(ids), engine.info.context_length)
    if len(ids) == 1:
        return [candidate_after(engine, context, ids[0])]
    scored = engine.score((*context, *ids))
    return [scored.candidate(i) for i in range(len(context), len(scored))]


def spliced(engine: Engine, document: D, start: int, stop: int, ids: tuple[int, ...]) -> D:
    """A document with ``ids`` in the place of start…stop-1, and all that follows kept.

    What was picked stays picked, with what the model gives it now.
    """
    require_context(document.ids[:start])
    longer = (*ids, *document.ids[stop:])
    tokens = dict(enumerate(scored_after(engine, document.ids[:start], longer), start=start))
    moved = {at + len(ids) - (stop - start) for at in document.picks if at >= stop}
    kept = {at: tokens[at] for at in tokens if at < start + len(ids) or at in moved}
    cut = document.cut(start)
    return replace(cut, ids=(*cut.ids, *longer), picks={**cut.picks, **kept})


def text_ids(engine: Engine, text: Any) -> tuple[int, ...]:
    """The ids that one's own words would be written as, nothing merged with what stands."""
    return tuple(token.id for token in engine.tokenize(limits.check_text(text, "text to write")))


def find(engine: Engine, branches: Branches[Any], span: Any, query: Any) -> tuple[Any, str]:
    """(list, code) of the tokens a query means, with their probabilities at the selected place."""
    limits.check_text(query, "search", may_be_empty=True)
    if not query:
        return gr.update(**views.no_candidates("")), ""
    context = places.picked_context(branches.now.ids, span)
    distribution = engine.next(context)
    found = search.find(engine.vocabulary, distribution, query)
    entries = tuple(distribution.candidate(int(i)) for i in found[:MOST_FOUND])
    if not distribution.complete and search.RANK.fullmatch(query.strip()) and not entries:
        known = views.only_most_likely(distribution)
        return gr.update(**views.no_candidates(f"“{query}”: {known}")), ""
    shown = f"the {len(entries)} most likely of " if len(found) > len(entries) else ""
    title = f"“{query}”: {shown}{_counted(len(found))}" if entries else f"No token holds “{query}”"
    listing = views.Listing(entries, 0.0, 0)
    props = listing.props(engine.vocabulary, context, title) | {"rest": None}
    props["rows"] = [row | {"apart": False} for row in props["rows"]]
    ids = [entry.id for entry in entries]
    return gr.update(**props), forced_code(engine.info, context, ids) if ids else ""


def preview(engine: Engine, text: Any) -> Any:
    """The tokens one's own words would be written as, their ids above."""
    if not text:
        return gr.update(tokens=[], heading="")
    ids = text_ids(engine, text)
    listed = ", ".join(map(str, ids[:40])) + (", …" if len(ids) > 40 else "")
    heading = f"{_counted(len(ids))}, {'id' if len(ids) == 1 else 'ids'} {listed}"
    return gr.update(tokens=views.chips(engine.vocabulary, ids), heading=heading)


def _counted(n_tokens: int) -> str:
    return "1 token" if n_tokens == 1 else f"{n_tokens:,} tokens"


def step_button(name: str) -> gr.Button:
    """A button that writes something."""
    return gr.Button(name, scale=1, min_width=110, elem_classes=STEP)


def build(page: Page, steps: Writing, desk: Desk) -> None:
    """Find a token, take a rank, write own words: folded."""
    forcing = Forcing(steps)
    with gr.Accordion("Force a token: any text, id or rank", open=False):
        query = text_box("", FIND, max_lines=1)
        found = CandidateList()
        with gr.Row(equal_height=True):
            words = text_box(
                "", "Write your own words (with the space before them, if there is one)", scale=4
            )
            write = step_button("Append these tokens")
            swap = step_button("Replace the selected")
        shown = TokenStrip(name="Your words as tokens", selectable=False, compact=True)
        with gr.Row(equal_height=True):
            rank = Number(5, label="Rank among all tokens", precision=0, scale=4, min_width=70)
            take = step_button("Take this rank")
        code = folded_code("the tokens found")

    at, outputs = [desk.branches, desk.strip], desk.outputs
    # change, not input: see the Tokenizer
    page.connect(query.change, find, [*at, query], [found, code], latest_only=True)
    page.connect(words.change, preview, [words], [shown], latest_only=True, uses_model=False)
    written = [
        page.connect(found.pick, steps.choose, [desk.branches, found], outputs),
        page.connect(query.submit, forcing.take_found, [*at, query], outputs),
        page.connect(take.click, forcing.take_rank, [*at, rank], outputs),
        page.connect(write.click, forcing.take_text, [*at, words], [*outputs, words]),
        page.connect(words.submit, forcing.take_text, [*at, words], [*outputs, words]),
        page.connect(swap.click, forcing.swap, [*at, words], [*outputs, words]),
    ]
    desk.shown.extend(written)
    for event in written:
        page.connect(event.then, find, [*at, query], [found, code], latest_only=True)

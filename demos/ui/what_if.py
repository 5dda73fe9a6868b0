"""What if this token were another one: the same document with one token replaced, scored again.

Nothing of the document on the page changes. Knows nothing of how a page shows one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from core import display, palette, search
from core.branches import Branches
from core.charts_continuations import change_along
from core.continuations import bits_changed, replaced
from core.engines import Engine
from core.errors import InputError
from core.snippets_continuations import what_if_code
from core.tokens import ScoredText, Vocabulary
from demos.ui import views
from demos.ui.component import CandidateList, Facts, TokenStrip
from demos.ui.events import Page
from demos.ui.forcing import text_ids
from demos.ui.glossary import fact
from demos.ui.panels import folded_code, text_box, while_open
from demos.ui.scoring import scoring
from demos.ui.views import Json
from demos.ui.writing import Desk

N_ALTERNATIVES = 6
HINT = (
    "Select a token in the strip above and give another for its place, or click one that was "
    "predicted there. All other tokens stay; each is scored again. The document is not changed."
)
View = tuple[Any, Any, Any, str]


def alternatives(engine: Engine, branches: Branches[Any], span: Any) -> Any:
    """What was predicted where the selected token stands."""
    ids = branches.now.ids
    position = views.picked_position(span, len(ids))
    if position == len(ids):
        return gr.update(**views.no_candidates("Select a token of the document in the strip"))
    return gr.update(**views.position_view(engine, ids, position, N_ALTERNATIVES))


def follow(engine: Engine, branches: Branches[Any], span: Any, is_open: Any) -> Any:
    """The alternatives after the view changed; as they were while the panel is folded."""
    return alternatives(engine, branches, span) if is_open is True else gr.skip()


def with_text(engine: Engine, branches: Branches[Any], span: Any, text: Any) -> Iterator[View]:
    """(facts, strip, chart, code) with the selected token replaced by the one that was typed."""
    ids = branches.now.ids
    position = views.picked_position(span, len(ids))
    if position >= len(ids):
        raise InputError("Select the token that is to be replaced in the strip first.")
    yield from what_if(engine, ids, position, one_token(engine, text))


def with_pick(engine: Engine, branches: Branches[Any], pick: Any) -> Iterator[View]:
    """The same with the clicked alternative, in the place that its list is about."""
    ids = branches.now.ids
    found = views.picked_candidate(pick, ids, engine.info.vocab_size)
    if found is None or found[0] >= len(ids):
        raise InputError(
            "These alternatives are of a document that has changed. Select the token again."
        )
    yield from what_if(engine, ids, *found)


def one_token(engine: Engine, text: Any) -> int:
    """The id of a text that is exactly one token, or the one that “id 42” names."""
    ids = text_ids(engine, text)
    if len(ids) == 1:
        return ids[0]
    named = search.named_id(text)
    if named is None:
        raise InputError(
            f"That text is {len(ids):,} tokens; the place is for one. Mind the space before a "
            "word, try a shorter piece, or give a token's id, like “id 42”."
        )
    if named >= engine.info.vocab_size:
        raise InputError(
            f"There is no token with that id. Ids go from 0 to {engine.info.vocab_size - 1:,}."
        )
    return named


def what_if(engine: Engine, ids: tuple[int, ...], position: int, token_id: int) -> Iterator[View]:
    """Score a document as it stands and with one token replaced; show what changed."""
    if ids[position] == token_id:
        raise InputError("That token stands there already. Choose another one.")
    edited = replaced(ids, position, token_id)
    before = yield from scoring(engine, ids, _waiting)
    after = yield from scoring(engine, edited, _waiting)
    yield show(engine, before, after, position)


def _waiting(words: str) -> View:
    return gr.update(facts=[fact("under way", words)]), gr.update(tokens=[], heading=""), None, ""


def show(engine: Engine, before: ScoredText, after: ScoredText, position: int) -> View:
    """The edited document coloured by the change of each token's bits, and their sums."""
    vocabulary, token_id = engine.vocabulary, after.ids[position]
    change = bits_changed(before, after)
    extras = [_extra(before, after, change, i, position) for i in range(len(after))]
    strip = gr.update(
        tokens=views.chips(vocabulary, after.ids, extras),
        heading=_heading(vocabulary, before, after, position),
    )
    chart = change_along(change[position:], vocabulary.tokens(after.ids[position:]), position)
    code = what_if_code(engine.info, before.ids, position, token_id)
    return gr.update(facts=_facts(change, position)), strip, chart, code


def _heading(vocabulary: Vocabulary, before: ScoredText, after: ScoredText, position: int) -> str:
    old, new = (display.label(vocabulary.token(text.ids[position])) for text in (before, after))
    return f"Token {position}, “{old}”, replaced by “{new}”: the change of each token's bits"


def _extra(
    before: ScoredText, after: ScoredText, change: NDArray[np.float64], i: int, position: int
) -> Json:
    """What a chip says: its change, and the bits it is the difference of."""
    if i < position:
        return {"mark": "unscored", "facts": [["change", "none: it stands before the new token"]]}
    mark = {"mark": "new"} if i == position else {}
    if not after.predicted[i]:
        return mark | {"facts": [["change", display.NO_PREDICTION]]}
    facts = [
        ["change", f"{display.format_change(float(change[i]), 6)} bits"],
        ["before", f"{before.surprisals_bits[i] + 0.0:.6f} bits"],
        ["now", f"{after.surprisals_bits[i] + 0.0:.6f} bits"],
    ]
    return mark | {"change": palette.change_level(float(change[i])), "facts": facts}


def _facts(change: NDArray[np.float64], position: int) -> list[dict[str, str]]:
    """The change of the replaced token itself, of all later ones, and of all together."""
    own, later = change[position], float(np.sum(change[position + 1 :]))
    total = float(np.nansum(change))
    known = not np.isnan(own)
    n_later = len(change) - position - 1
    return [
        fact(
            "at the new token",
            f"{display.format_change(float(own))} bits" if known else "no prediction",
            f"{display.format_change(float(own), 6)} bits" if known else display.NO_PREDICTION,
        ),
        fact(
            "later tokens",
            f"{display.format_change(later)} bits",
            f"{display.format_change(later, 6)} bits over {n_later:,} tokens",
        ),
        fact(
            "total change",
            f"{display.format_change(total)} bits",
            f"{display.format_change(total, 6)} bits",
        ),
    ]


def change_legend() -> None:
    """The steps of the scale of changes."""
    names = {0: "5 bits fewer", 2: "", 4: "under 0.1", 6: "", 8: "5 bits more"}
    steps = "".join(
        f"<span class='lab-chip' data-change='{i}'>{names.get(i) or '&nbsp;&nbsp;'}</span>"
        for i in range(len(palette.CHANGE["light"]))
    )
    words = "line below: less surprising than before; line above: more surprising"
    gr.HTML(f"<div class='lab-legend'>{steps}&nbsp; {words}</div>", apply_default_css=False)


def build(page: Page, desk: Desk) -> Callable[[Sequence[Any]], None]:
    """Another token, the alternatives, and what it does to all later ones: folded.

    Returns a function that has the alternatives follow some events.
    """
    with gr.Accordion("What if this token were another one?", open=False) as panel:
        gr.Markdown(HINT, elem_classes="lab-quiet")
        with gr.Row(equal_height=True):
            text = text_box(
                "",
                "Another token for the selected place: its text, or “id 42”",
                max_lines=1,
                scale=4,
            )
            go = gr.Button("See what changes", scale=1, min_width=110)
            stop = gr.Button("Stop scoring", scale=1, min_width=60)
        listed = CandidateList()
        facts = Facts(min_height=50)
        strip = TokenStrip(name="The document with one token replaced", selectable=False)
        change_legend()
        chart = gr.Plot(show_label=False, container=False)
        code = folded_code("one token replaced")
    at, outputs = [desk.branches, desk.strip], [facts, strip, chart, code]
    running = [
        page.connect(go.click, with_text, [*at, text], outputs, latest_only=True),
        page.connect(text.submit, with_text, [*at, text], outputs, latest_only=True),
        page.connect(listed.pick, with_pick, [desk.branches, listed], outputs, latest_only=True),
    ]
    stop.click(None, cancels=running, api_visibility="private")
    return while_open(page, panel, follow, at, [listed])

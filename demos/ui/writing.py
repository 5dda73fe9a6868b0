"""Writing a document token by token: the strip, the candidates, and every step between.

Next-Token and Chat-as-Document share it. Handlers take the branches of a document, whatever
kind of document it is; ``show`` says what the page makes of one. Knows nothing of chats.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from core import display
from core.branches import Branches
from core.candidates import candidate_after
from core.document import Document
from core.engines import Engine
from core.limits import check_whole_number
from core.measures import surprisal_bits
from demos.ui import paths, views
from demos.ui.component import CandidateList, Facts, PathTree, Slider, TokenStrip
from demos.ui.events import Page
from demos.ui.glossary import fact
from demos.ui.panels import code_panel

N_LISTED = 10
MOST_AHEAD = 8
View = tuple[Any, ...]
HINT = (
    "Keys: <kbd>←</kbd> <kbd>→</kbd> move in the strip, <kbd>1</kbd> to <kbd>9</kbd> choose, "
    "<kbd>Enter</kbd> takes the first, <kbd>Backspace</kbd> undoes. Drag over tokens, or "
    "<kbd>Shift</kbd>-click, for the sum of their bits. A choice at an earlier token begins a new "
    "path; the old one is kept among the paths below."
)
# for desk_keys.js
STEP = "lab-step"  # a button that takes a step of its own: keys and clicks wait until it is shown
SETTLED = "() => { document.dispatchEvent(new Event('lab-settled')); }"
REFUSED = SETTLED.replace("settled", "refused")
TO_LIST = SETTLED.replace("settled", "to-list")


@dataclass(frozen=True)
class Writing:
    """The steps of a document under way.

    ``show(engine, branches, position)`` is everything a page shows: branches, strip,
    candidates, facts, chart, code, and the tree of paths.
    """

    show: Callable[[Engine, Branches[Any], int], View]

    def look(self, engine: Engine, branches: Branches[Any], span: Any) -> View:
        """The distribution at the first token that was selected in the strip, and their bits."""
        position = views.picked_position(span, len(branches.now))
        view = views.of_pick(self.show(engine, branches, position), span)
        told = selected_facts(engine, branches.now, span)
        return (*view[:3], gr.update(facts=view[3]["facts"] + told), *view[4:]) if told else view

    def look_at_end(self, engine: Engine, branches: Branches[Any]) -> View:
        """The distribution of the next token, as after a stop."""
        return self.show(engine, branches, len(branches.now))

    def choose(self, engine: Engine, branches: Branches[Any], pick: Any) -> View:
        """Write the clicked candidate where its list was predicted, and go on from there."""
        found = views.picked_candidate(pick, branches.now.ids, engine.info.vocab_size)
        if found is None:
            return self.look_at_end(engine, branches)
        position, token_id = found
        token = candidate_after(engine, branches.now.ids[:position], token_id)
        return self.look_at_end(engine, branches.go(branches.now.pick(token, position)))

    def undo(self, engine: Engine, branches: Branches[Any]) -> View:
        """One step back."""
        return self.look_at_end(engine, branches.undo())

    def redo(self, engine: Engine, branches: Branches[Any]) -> View:
        """One step forward again."""
        return self.look_at_end(engine, branches.redo())

    def visit(self, engine: Engine, branches: Branches[Any], pick: Any) -> View:
        """Return to the path, or the place in one, that was clicked in the tree."""
        document = paths.picked_document(pick, branches)
        return self.look_at_end(engine, branches.go(document) if document else branches)


def selected_facts(engine: Engine, document: Document, span: Any) -> list[dict[str, str]]:
    """The bits of several selected tokens together; nothing for a single one."""
    start, stop = views.picked_span(span, len(document))
    start = max(start, 1)  # nothing stands before the first token
    if views.picked_position(span, stop) == stop or stop - start < 2:
        return []
    at = range(start, stop)
    known = document.picks
    if not all(i in known for i in at):
        scored = engine.score(document.ids[:stop])
        known = {i: scored.candidate(i) for i in at}
    bits = [surprisal_bits(known[i].logprob) for i in at]
    exact = f"{sum(bits):.6f} bits, {sum(bits) / len(bits):.6f} per token"
    counted = f"{len(bits)} tokens"
    if views.picked_position(span, stop) == 0:
        counted = f"{len(bits)} of {stop} tokens"
        exact += f"; token 0 has {display.NO_PREDICTION}"
    return [fact("selected", f"{counted}, {display.format_bits(sum(bits))} bits", exact)]


def look_ahead(engine: Engine, branches: Branches[Any], span: Any, n_ahead: Any) -> Any:
    """Under each listed candidate what greedy decoding would write after it."""
    n = check_whole_number(n_ahead, "number of tokens to look ahead", 0, MOST_AHEAD)
    ids = branches.now.ids
    position = views.picked_position(span, len(ids))
    return gr.update(ahead=views.ahead_of(engine, ids, position, N_LISTED, n))


def with_selection(engine: Engine, view: View, span: dict[str, int]) -> View:
    """A view of a position with a selection that begins there, and its bits."""
    branches, strip, candidates, facts, *others = view
    told = selected_facts(engine, branches.now, span)
    facts = gr.update(facts=[*facts["facts"], *told])
    return branches, strip | {"value": span}, candidates, facts, *others


def with_ahead(engine: Engine, view: View, n_ahead: int) -> View:
    """A view with what greedy decoding would write after each candidate."""
    branches, strip, candidates, *others = view
    if n_ahead:
        ahead = look_ahead(engine, branches, strip["value"], n_ahead)
        candidates = candidates | {"ahead": ahead["ahead"]}
    return branches, strip, candidates, *others


@dataclass
class Desk:
    """The components of a document under way; ``shown``: the events after which it is seen anew."""

    branches: gr.State
    strip: TokenStrip
    candidates: CandidateList
    facts: Facts
    chart: gr.Plot
    code: gr.Code
    tree: PathTree
    n_ahead: Slider
    shown: list[Any] = field(default_factory=list)

    @property
    def outputs(self) -> list[Any]:
        """What a view sets, in its order."""
        parts = (self.strip, self.candidates, self.facts, self.chart, self.code, self.tree)
        return [self.branches, *parts]


def step_buttons(primary: str, renew: str) -> tuple[gr.Button, ...]:
    """(go, stop, undo, redo, renew): the row under the strip."""
    with gr.Row(equal_height=True):
        return (
            gr.Button(primary, variant="primary", scale=3, min_width=150),
            gr.Button("Stop", scale=1, min_width=60),
            gr.Button("Undo", scale=1, min_width=60, elem_classes=["lab-undo", STEP]),
            gr.Button("Redo", scale=1, min_width=60, elem_classes=STEP),
            gr.Button(renew, scale=1, min_width=80),
        )


def place(first: Branches[Any], strip: TokenStrip) -> Desk:
    """Candidates beside the chart, the code folded and the paths below them."""
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            candidates = CandidateList(min_height=345)
            gr.Markdown(HINT, elem_classes=["lab-quiet", "lab-keys"])
        with gr.Column(scale=5, min_width=300):
            facts = Facts(min_height=50)
            chart = gr.Plot(show_label=False, container=False, elem_classes="lab-plot-onbars")
            n_ahead = Slider(
                0, MOST_AHEAD, 0, step=1, label="Look ahead: tokens shown under each candidate"
            )
    code = code_panel()
    tree = paths.place()
    return Desk(gr.State(first), strip, candidates, facts, chart, code, tree, n_ahead)


def connect(page: Page, steps: Writing, desk: Desk, forth: gr.Button) -> None:
    """What clicks on the strip, a candidate, a path, and Redo do."""
    for trigger, handler, extra, gives_way in (
        (desk.strip.pick, steps.look, [desk.strip], True),
        (desk.candidates.pick, steps.choose, [desk.candidates], False),
        (desk.tree.pick, steps.visit, [desk.tree], False),
        (forth.click, steps.redo, [], False),
    ):
        given, outputs = [desk.branches, *extra], desk.outputs
        desk.shown.append(
            page.connect(trigger, handler, given, outputs, latest_only=True, gives_way=gives_way)
        )


def connect_lookahead(page: Page, desk: Desk) -> None:
    """Look ahead again after whatever changed the view, and let the next key be done.

    Call it when all that changes the view is connected.
    """
    for event in desk.shown:
        event.then(None, js=SETTLED, api_visibility="private")
        event.failure(None, js=REFUSED, api_visibility="private")
    given = [desk.branches, desk.strip, desk.n_ahead]
    for trigger in [desk.n_ahead.input, *(event.then for event in desk.shown)]:
        page.connect(
            trigger, look_ahead, given, [desk.candidates], latest_only=True, shows=desk.branches
        )

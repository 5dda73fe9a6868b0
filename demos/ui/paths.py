"""The tree of all paths taken through a document, and two of them side by side.

Plain values for the ``PathTree`` component and back. Knows nothing of how a page shows a
document.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from core import display
from core.branches import Branches, Stretch, continues, parting, total_bits, tree
from core.document import Document, fingerprint
from core.engines import Engine
from core.measures import surprisal_bits
from core.palette import heat_level
from core.snippets import path_code
from core.tokens import Ids, Vocabulary
from demos.ui import views
from demos.ui.component import PathTree, TokenStrip
from demos.ui.events import Page
from demos.ui.panels import code_and_fold
from demos.ui.views import Json

MOST_TOKENS = 16  # of a stretch that are spelt out


def rows(vocabulary: Vocabulary, branches: Branches[Any]) -> list[Json]:
    """The tree's rows: every stretch of tokens with its bits and its path's probability."""
    if len(branches.ends) < 2:
        return []
    return [_row(vocabulary, branches, stretch) for stretch in tree(branches.ends)]


def _row(vocabulary: Vocabulary, branches: Branches[Any], stretch: Stretch) -> Json:
    end: Document = branches.ends[stretch.path]
    ids = end.ids[stretch.start : stretch.stop]
    here, so_far = (
        total_bits(end, stretch.start, stretch.stop),
        total_bits(end, 0, stretch.stop),
    )
    chosen = any(at < stretch.stop for at in end.picks)
    shown = vocabulary.tokens(ids[-MOST_TOKENS:])
    left_out = [["text", "… "]] if len(ids) > MOST_TOKENS else []
    now = branches.now
    return {
        "path": stretch.path,
        "stop": stretch.stop,
        "at": fingerprint(end.ids[: stretch.stop]),
        "depth": stretch.depth,
        "last": stretch.last,
        "here": stretch.start < len(now) <= stretch.stop and continues(end, now),
        "parts": left_out + [part for token in shown for part in display.parts(token)],
        "bits_label": display.format_bits(so_far) + " bits" if chosen else "given",
        "prob_label": display.format_prob(2**-so_far) if chosen else "",
        "facts": [
            ["this stretch", f"{len(ids):,} tokens, {here:.6f} bits"],
            ["the path up to here", f"{so_far:.6f} bits for what was chosen"],
            ["probability", f"2^−{so_far:.4f} = {display.format_exact(2**-so_far)}"],
        ],
    }


def update(vocabulary: Vocabulary, branches: Branches[Any]) -> Any:
    """What a view sets of the tree."""
    return gr.update(rows=rows(vocabulary, branches))


def picked_document(pick: Any, branches: Branches[Any]) -> Any:
    """The document a click in the tree means; None for a click on an older tree."""
    if not isinstance(pick, dict):
        return None
    path, stop = pick.get("path"), pick.get("stop")
    if not isinstance(path, int) or not isinstance(stop, int):
        return None
    if not 0 <= path < len(branches.ends) or not 0 <= stop <= len(branches.ends[path]):
        return None
    found = branches.ends[path].cut(stop)
    return found if pick.get("at") == fingerprint(found.ids) else None


def compare(engine: Engine, branches: Branches[Any], pick: Any) -> tuple[Any, ...]:
    """(its ids, this path, the other one, code, its panel) with a path clicked in the tree."""
    other = picked_document(pick, branches)
    if other is None:
        return (gr.skip(),) * 5
    return other.ids, *_beside(engine, branches.now, other)


def follow(engine: Engine, branches: Branches[Any], compared: Ids) -> tuple[Any, ...]:
    """(this path, the other one, code, its panel) once more, when the document has changed.

    Nothing is compared with itself, nor with a path that is no longer known.
    """
    if not compared:
        return (gr.skip(),) * 4
    ends = [end.cut(len(compared)) for end in branches.ends]
    other = next((end for end in ends if end.ids == compared), None)
    if other is None or other.ids == branches.now.ids:
        return (gr.update(visible=False),) * 4
    return _beside(engine, branches.now, other)


def _beside(engine: Engine, now: Document, other: Document) -> tuple[Any, ...]:
    """Two paths from where they part, coloured by surprisal."""
    start = parting(now, other)
    strips = [
        _side(engine, name, document, start)
        for name, document in (("This path", now), ("The other", other))
    ]
    shown = gr.update(value=path_code(engine.info, other), visible=True)
    return *strips, shown, gr.update(visible=True)


def _side(engine: Engine, name: str, document: Document, start: int) -> Any:
    """One path from the token on where two part."""
    extras: list[Json] = []
    for at in range(start, len(document)):
        pick = document.picks.get(at)
        heat = {"heat": heat_level(surprisal_bits(pick.logprob))} if pick else {}
        extras.append({"facts": views.pick_extra(pick).get("facts", [])} | heat)
    chips = views.chips(engine.vocabulary, document.ids[start:], extras)
    bits = total_bits(document, start)
    heading = (
        f"{name}, from token {start}: {display.format_bits(bits)} bits over {len(chips):,} tokens"
    )
    return gr.update(tokens=chips, heading=heading, visible=True)


def place() -> PathTree:
    """The tree; empty as long as there is one path only."""
    return PathTree()


def build_comparison(
    page: Page, branches: gr.State, found: PathTree
) -> Callable[[Sequence[Any]], None]:
    """Two strips side by side, shown once two paths are compared.

    Returns what lets them follow the document: call it with the events that change it.
    """
    with gr.Row():
        strips = [
            TokenStrip(name=name, selectable=False, compact=True, visible=False)
            for name in ("This path", "The other path")
        ]
    code, panel = code_and_fold("the other path's bits", visible=False)
    compared, shown = gr.State(()), [*strips, code, panel]
    page.connect(
        found.compare, compare, [branches, found], [compared, *shown],
        latest_only=True, uses_model=False,
    )  # fmt: skip

    def connect(events: Sequence[Any]) -> None:
        given, once = [branches, compared], {"latest_only": True, "uses_model": False}
        for event in events:
            page.connect(event.then, follow, given, shown, shows=branches, **once)

    return connect

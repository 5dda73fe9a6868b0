"""“Copy link” and “Embed” on a page, and the first view of a page that was opened with a link.

A demo gives two functions: ``link_of(engine, *inputs)``, its state for a link, and
``restore(engine, state)``, what its page shows of one, or a generator of that. Knows nothing
of what a state holds.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from core.embed import FORMS, THEMES, embed_code, framed
from core.engines import Engine
from core.errors import LabError
from core.link_check import checked_for, made_elsewhere
from core.link_replay import replay_notes
from core.link_states import STATES, LinkState, TokenizerLink
from core.links import from_query, to_query
from demos.ui.events import Page
from demos.ui.panels import to_copy

ADDRESS = "(query) => `${location.origin}${location.pathname}?${query}`"
# an embedded page may not write to the clipboard: then the link is there to be copied by hand
COPY = f"""(query) => {{
  const link = ({ADDRESS})(query);
  navigator.clipboard?.writeText(link).catch(() => {{}});
  return link;
}}"""
ELSEWHERE = (
    "This link is about a demo that is not on this page, so the page opens as it always does. "
    "Open the link where it was copied."
)
PASTE = (
    "Put it into the source of a course page. The script lets frames grow with what they show: "
    "once on a page is enough."
)


def build(page: Page, link_of: Callable[..., LinkState], inputs: Sequence[Any]) -> None:
    """Folded: the buttons, the link itself, and what puts the demo into a course page."""

    def linked(engine: Engine, *values: Any) -> str:
        return to_query(link_of(engine, *values))

    def embedded(engine: Engine, link: Any, theme: Any, form: Any) -> Any:
        return embedding(page.lab.course.title, page.on_tabs, link, theme, form)

    with gr.Accordion("Link to what you see", open=False):
        with gr.Row(equal_height=True):
            copy = gr.Button("Copy link", scale=1, min_width=100)
            link = to_copy("Link", "lab-link", max_lines=2, scale=5)
        with gr.Row(equal_height=True):
            embed = gr.Button("Embed", scale=1, min_width=100)
            form = gr.Radio(FORMS, value=FORMS[0], label="Course page in", scale=2, min_width=200)
            theme = gr.Radio(THEMES, value=THEMES[0], label="Colours", scale=3, min_width=260)
        code = to_copy("Embed code", "lab-code", info=PASTE, lines=4, max_lines=12, visible=False)
    made = page.connect(copy.click, linked, inputs, [link], uses_model=False)
    made.success(None, [link], [link], js=COPY, api_visibility="private")
    made = page.connect(embed.click, linked, inputs, [link], uses_model=False)
    made = made.success(None, [link], [link], js=ADDRESS, api_visibility="private")
    chosen = [link, theme, form]
    page.connect(made.success, embedded, chosen, [code], uses_model=False)
    for choice in (theme, form):
        page.connect(choice.input, embedded, chosen, [code], uses_model=False, latest_only=True)


def embedding(title: str, on_tabs: bool, link: Any, theme: Any, form: Any) -> Any:
    """The box with the code for a course page; hidden as long as there is no link."""
    if not link:
        return gr.update(value="", visible=False)
    demo = from_query(str(link).partition("?")[2])[0].demo
    address = framed(link, demo if on_tabs else "", theme)
    return gr.update(value=embed_code(address, f"{title}: {demo}", form), visible=True)


def first_view(
    page: Page,
    slug: str,
    restore: Callable[..., Any],
    shown: Sequence[Any],
    otherwise: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    uses_model: bool = True,
    then: Callable[[Any], None] = lambda event: None,
) -> None:
    """Open with the link's state; without a link with ``otherwise(engine, *inputs)``.

    ``shown``: what ``restore`` sets; ``otherwise`` sets the first of it. ``then(event)``
    connects what follows.
    """

    def opened(engine: Engine, query: Any, *values: Any) -> Iterator[tuple[Any, ...]]:
        text, home = page.lab.course.texts.get(slug, ""), page.home or slug
        on_page = tuple(page.lab.openings) if page.on_tabs else (home,)
        begin = Opening(slug, text, restore, otherwise, home, on_page)
        yield from begin.views(engine, query, values, len(shown))

    def open_once(engine: Engine, query: Mapping[str, str]) -> None:
        for _ in opened(engine, query, *[component.value for component in inputs]):
            pass

    page.lab.openings[slug] = open_once
    outputs = [*shown, page.about]
    given = [page.query, *inputs]
    page.first_view(opened, given, outputs, uses_model=uses_model, then=then)


@dataclass(frozen=True)
class Opening:
    """How a demo's page opens; ``text`` is the course's, for a link that says none.

    ``home`` and ``on_page`` are those of ``linked_state``.
    """

    slug: str
    text: str
    restore: Callable[..., Any]
    otherwise: Callable[..., Any]
    home: str = TokenizerLink.demo
    on_page: tuple[str, ...] = tuple(STATES)

    def views(
        self, engine: Engine, query: Any, values: Sequence[Any], n_shown: int
    ) -> Iterator[tuple[Any, ...]]:
        """The first views, each with ``n_shown`` results and the line about the link."""
        state, notes = linked_state(query, self.slug, self.home, self.on_page)
        if state is not None:
            try:
                checked, more = checked_for(engine, self._with_text(state))
                notes = notes + more
                if made_elsewhere(engine.info, checked):
                    notes = notes + replay_notes(engine, checked)
                for view in _views(self.restore(engine, checked)):
                    yield *view, _about(notes)
                return
            except LabError as error:
                notes = [*notes, str(error)]
        for view in _views(self.otherwise(engine, *values)):
            # the demos of a page share the line: one that no link is about leaves it alone
            about = _about(notes) if state is not None or notes else gr.skip()
            yield *view, *[gr.skip()] * (n_shown - len(view)), about

    def _with_text(self, state: LinkState) -> LinkState:
        begun = state.text or state.document_ids or getattr(state, "messages", ())
        return state if begun else replace(state, text=self.text)


def linked_state(
    query: Any,
    slug: str,
    home: str = TokenizerLink.demo,
    on_page: Sequence[str] = tuple(STATES),
) -> tuple[Any, list[str]]:
    """(state, notes) of a query; no state where it is no link, or one to another demo.

    One without a version is told that, if it says anything that a link to this demo would.
    ``home`` is the demo that says so where the link is about none of the demos ``on_page``.
    """
    if not isinstance(query, Mapping):
        return None, []
    is_link = "v" in query
    about = _named(query.get("demo", slug)) or home
    if about == slug:
        state, notes = from_query(query, slug)
        return (state if is_link else None), notes
    # a question of the course has its own way to the page of its demo
    nobody_else = is_link and slug == home and about not in on_page and "q" not in query
    return None, [ELSEWHERE] if nobody_else else []


def linked_tab(query: Any) -> str | None:
    """The demo a query links to, for a page with tabs; None where it names none."""
    return _named(query.get("demo")) if isinstance(query, Mapping) else None


def _named(slug: Any) -> str | None:
    """A demo that links can be about; None for every other name."""
    return slug if isinstance(slug, str) and slug in STATES else None


def _views(result: Any) -> Iterator[tuple[Any, ...]]:
    if inspect.isgenerator(result):
        yield from result
    else:
        yield result


def _about(notes: Sequence[str]) -> Any:
    return gr.update(value="\n".join(notes), visible=bool(notes))

"""Wiring a handler to the page: the engine goes in, errors come out as messages.

The one place that knows both ``LabError`` and ``gr.Error``. Handlers are plain
functions ``handler(engine, *values)``, or generators of such results; anything they
raise that is not a LabError stays a bug, logged with its traceback.
"""

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from core.errors import LabError
from demos.ui.background import paced
from demos.ui.component import sealed
from demos.ui.lab import Lab
from demos.ui.turns import Turns

MESSAGE_SECONDS = 12
SECONDS_BETWEEN_CHARTS = 1.0  # Plotly takes longer to draw one than all the rest of a view


@contextmanager
def as_messages() -> Iterator[None]:
    """Turn a LabError into the message Gradio shows; print no traceback for it."""
    try:
        yield
    except LabError as error:
        raise gr.Error(
            str(error), duration=MESSAGE_SECONDS, title="Not possible", print_exception=False
        ) from error


def unsaid(handler: Callable[..., Any], n_outputs: int) -> Callable[..., Any]:
    """``handler``, which changes nothing instead of saying why it can't: nobody asked for it."""

    def call(*values: Any) -> Any:
        try:
            return handler(*values)
        except gr.Error:
            return (gr.skip(),) * n_outputs if n_outputs > 1 else gr.skip()

    call.__name__ = handler.__name__
    return call


def bind(lab: Lab, handler: Callable[..., Any], charts: Sequence[int] = ()) -> Callable[..., Any]:
    """``handler`` with the lab's engine put in front and its LabErrors as messages.

    ``charts``: the places of charts among its results, which a stream sends less often.
    """

    def stream(*values: Any) -> Iterator[Any]:
        with as_messages(), closing(handler(lab.engine(), *values)) as results:
            for result in with_few_charts(paced(results), charts):
                yield sealed(result)

    def call(*values: Any) -> Any:
        with as_messages():
            return sealed(handler(lab.engine(), *values))

    bound = stream if inspect.isgeneratorfunction(handler) else call
    bound.__name__ = handler.__name__
    return bound


def with_few_charts(
    views: Iterator[Any], charts: Sequence[int], seconds: float = SECONDS_BETWEEN_CHARTS
) -> Iterator[Any]:
    """The views, with the charts at these places left as they are on the page more often than
    every ``seconds``; the last view has its own."""
    held: list[Any] = []
    drawn_at = float("-inf")
    try:
        for view in views:
            if not charts or time.monotonic() - drawn_at >= seconds:
                held, drawn_at = [], time.monotonic()
                yield view
            else:
                held = [view]
                yield tuple(gr.skip() if at in charts else part for at, part in enumerate(view))
    except Exception:
        yield from held
        raise
    yield from held


def _about_the_link() -> gr.Textbox:
    """Hidden until a link has something to say; a Textbox shows text and nothing else."""
    return gr.Textbox(label="About this link", interactive=False, visible=False, max_lines=6)


@dataclass
class Page:
    """One page under construction: how a demo connects its events and its first view.

    ``bar`` is the header, where Gradio shows that something is under way or queued.
    ``query`` holds the parameters of the page's address, as {name: text}; ``about`` is the
    line in which a link's notes stand. ``home`` is the demo of a link that names none;
    ``on_tabs``, whether each demo also has a page of its own, below this one's path.
    """

    lab: Lab
    bar: gr.HTML
    home: str = ""
    on_tabs: bool = False
    query: gr.State = field(default_factory=lambda: gr.State({}))
    about: gr.Textbox = field(default_factory=_about_the_link)
    first_views: list[Callable[[Callable[..., Any]], Any]] = field(default_factory=list)
    text_views: list[Callable[[Callable[..., Any]], Any]] = field(default_factory=list)
    turns: Turns = field(default_factory=Turns)

    def opening_text(self, slug: str, otherwise: str) -> str:
        """The text a demo opens with: the course's, where it sets one."""
        return self.lab.course.texts.get(slug, otherwise)

    def connect(
        self,
        trigger: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        *,
        latest_only: bool = False,
        uses_model: bool = True,
        shows: Any = None,
        gives_way: bool = False,
        quiet: bool = False,
    ) -> Any:
        """Call ``handler(engine, *inputs)`` when ``trigger`` fires.

        ``latest_only``: while one call runs, only the newest of those that follow is
        kept (clicks, typing). A handler that does not use the model never queues behind
        it. Of events that set the same ``gr.State``, or without one the same first output,
        the last one counts, but one that ``gives_way`` (a look, which changes nothing) is
        dropped while a change is awaited; a result made of a state that it ``shows`` is dropped
        when the state is set meanwhile. One that is ``quiet`` shows no messages. Returns the
        event, which a Stop button can cancel.
        """
        queueing: dict[str, Any] = (
            {"concurrency_id": "model"} if uses_model else {"concurrency_limit": None}
        )
        charts = [at for at, output in enumerate(outputs) if isinstance(output, gr.Plot)]
        bound = bind(self.lab, handler, charts)
        if quiet:
            bound = unsaid(bound, len(outputs))
        state = next((output for output in outputs if isinstance(output, gr.State)), None)
        if state is not None:
            place = _place(state, outputs)
            read = _place(state, inputs) if gives_way else None
            bound = self.turns.in_turn(bound, state._id, len(outputs), place, read)
        elif shows is not None:
            place = _place(shows, inputs)
            bound = self.turns.following(bound, shows._id, len(outputs), place)
        elif outputs:
            bound = self.turns.in_turn(bound, outputs[0]._id, len(outputs), None)
        return trigger(
            bound,
            inputs=list(inputs),
            outputs=list(outputs),
            trigger_mode="always_last" if latest_only else "once",
            show_progress="minimal",
            show_progress_on=self.bar,
            api_visibility="private",
            **queueing,
        )

    def first_view(
        self,
        handler: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        *,
        uses_model: bool = True,
        then: Callable[[Any], None] = lambda event: None,
    ) -> None:
        """Call ``handler`` as soon as the engine is there, so that the page opens alive.

        One that does not use the model is called as soon as texts can be cut.
        ``then(event)`` connects what follows it.
        """
        views = self.first_views if uses_model else self.text_views
        views.append(
            lambda trigger: then(
                self.connect(trigger, handler, inputs, outputs, uses_model=uses_model)
            )
        )


def _place(component: Any, among: Sequence[Any]) -> int:
    """Where a component stands; ``==`` would ask Gradio."""
    return [one is component for one in among].index(True)

"""All the messages of a chat: roles, order, tools, and writing them as a new document.

What the template makes of them is said while they are edited. Knows nothing of how a page
shows a document.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from core import chat, limits, template_facts, tool_form
from core.branches import Branches
from core.conversation import Conversation, begun, current_messages
from core.engines import Engine, Message
from core.errors import ContextTooLong, InputError, LabError
from core.messages import checked_messages, checked_tools
from demos.ui.events import Page
from demos.ui.message_list import MessageList
from demos.ui.panels import to_copy
from demos.ui.tool_examples import EXAMPLES
from demos.ui.writing import Desk, View, Writing

OWN, LENT = "the model's own template", "Token Lab's tool form (not the model's own)"
PROMPT = "Open the model's turn after them (generation prompt)"
CONTROL = "Read special tokens typed in a message as control tokens (as in a prompt injection)"
TOOLS = "Tools the model may call, as JSON (a list of function descriptions; may be empty)"
LENT_WRITES = "Token Lab's tool form, below, has a place for them."
Past = Branches[Conversation]


@dataclass(frozen=True)
class Request:
    """Messages that were checked, and how they are to be written."""

    messages: tuple[Message, ...]
    tools: tuple[Message, ...]
    template: str
    prompted: bool
    control_tokens: bool

    @classmethod
    def checked(
        cls, engine: Engine, value: Any, tools: Any, form: Any, prompted: Any, control: Any
    ) -> "Request":
        """What the page sends; raises InputError."""
        return cls(
            checked_messages(value),
            checked_tools(tools),
            _template(engine, form),
            limits.check_bool(prompted, "“Open the model's turn”"),
            limits.check_bool(control, "“Read special tokens as control tokens”"),
        )

    def written(self, engine: Engine) -> Conversation:
        """The document; raises what ``render_chat`` raises, and ContextTooLong."""
        talk = begun(
            engine,
            self.messages,
            self.tools,
            add_generation_prompt=self.prompted,
            control_tokens=self.control_tokens,
            template=self.template,
        )
        if len(talk) > engine.info.context_length:
            raise ContextTooLong(len(talk), engine.info.context_length)
        return talk


def _template(engine: Engine, form: Any) -> str:
    """The template of a choice, "" for the model's own; raises InputError."""
    if form == OWN:
        return ""
    if form != LENT or not tool_form.fits(engine.vocabulary):
        raise InputError(f"This model can only be written to with {OWN}. Choose that.")
    return tool_form.template()


@dataclass(frozen=True)
class Editing:
    """The step that writes the messages, for a page that shows documents with ``steps``."""

    steps: Writing

    def write(self, engine: Engine, past: Past, *values: Any) -> View:
        """A new document of the messages, as a step that can be undone."""
        talk = Request.checked(engine, *values).written(engine)
        return self.steps.look_at_end(engine, past.go(talk))


def check(engine: Engine, value: Any, *values: Any) -> Any:
    """What would be written of the messages in the editor, or what hinders it."""
    given = value if isinstance(value, list) else []
    roles = [message.get("role") if isinstance(message, dict) else None for message in given]
    words: list[str | None] = []
    try:
        request = Request.checked(engine, value, *values)
        words, notes = _described(engine, request)
    except LabError as error:
        notes = [str(error)] if given else []
    return gr.update(written={"roles": roles, "words": words, "notes": notes})


def _described(engine: Engine, request: Request) -> tuple[list[str | None], list[str]]:
    """(role word of each message, sentences)."""
    given = (request.messages, request.tools, request.template)
    notes = [tool_form.NOTE] if request.template else []
    notes += template_facts.notes(engine, *given)
    lends = not request.template and tool_form.fits(engine.vocabulary)
    if lends and any("writes nothing" in note for note in notes):
        notes.append(LENT_WRITES)
    try:
        talk = request.written(engine)
        words = template_facts.role_words(engine, *given)
    except InputError as error:
        return [], notes if str(error) in notes else [str(error), *notes]
    named = [turn.role for turn in chat.turns(talk.rendered, engine.vocabulary) if turn.role]
    return words, [f"If written: {len(talk):,} tokens in these turns: {', '.join(named)}.", *notes]


def follow(engine: Engine, past: Past, value: Any) -> tuple[Any, ...]:
    """(editor, tool forms, text, ids, JSON) of the document as it stands.

    The editor's own spelling stays where it says the same.
    """
    talk = past.now
    messages = current_messages(engine, talk)
    try:
        same = checked_messages(value) == messages
    except InputError:
        same = False
    return (
        gr.update(messages=value if same else for_editor(messages), fresh=""),
        gr.update(visible=tool_form.fits(engine.vocabulary)),
        engine.decode(talk.ids),
        json.dumps(list(talk.ids)),
        _as_json(messages, talk.tools),
    )


def for_editor(messages: Any) -> list[Message]:
    """Messages as the editor takes them: the tool calls as JSON text."""
    return [
        message | ({"tool_calls": _spelt(message["tool_calls"])} if "tool_calls" in message else {})
        for message in messages
    ]


def _as_json(messages: Any, tools: Any) -> str:
    shown = {"messages": list(messages)} | ({"tools": list(tools)} if tools else {})
    return _spelt(shown) if messages else ""


def _spelt(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _loader(messages: list[Message], tools: list[Message]) -> Callable[[Engine], tuple[Any, str]]:
    def load_example(engine: Engine) -> tuple[Any, str]:
        """(editor, tools) of an example, whatever stood there."""
        shown = gr.update(messages=for_editor(messages), fresh=secrets.token_hex(4))
        return shown, _spelt(tools)

    return load_example


@dataclass(frozen=True)
class Panel:
    """The panel's components that follow the document."""

    editor: MessageList
    form: gr.Radio
    text: gr.Textbox
    ids: gr.Textbox
    as_json: gr.Textbox

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` sets, in its order."""
        return [self.editor, self.form, self.text, self.ids, self.as_json]


def build(page: Page, steps: Writing, desk: Desk) -> Panel:
    """The editor with its tools, and the document to copy: folded."""
    with gr.Accordion("All the messages: roles, order, tools", open=False):
        with gr.Row(elem_classes="lab-examples"):
            examples = [gr.Button(name, size="sm", min_width=60) for name, _, _ in EXAMPLES]
        editor = MessageList()
        tools = gr.Textbox(
            "", label=TOOLS, lines=2, max_lines=14, elem_classes=["lab-input", "lab-json"]
        )
        form = gr.Radio([OWN, LENT], value=OWN, label="Written with", visible=False)
        prompted = gr.Checkbox(True, label=PROMPT)
        control = gr.Checkbox(False, label=CONTROL)
        write = gr.Button("Write this document")
    with gr.Accordion("To copy: the exact text, the ids, the messages as JSON", open=False):
        text, ids, as_json = (
            to_copy(label, "lab-copy", lines=2, max_lines=8)
            for label in ("Exact text", "Token ids", "Messages as JSON")
        )

    editing, values = Editing(steps), [editor, tools, form, prompted, control]
    changes = [editor.edit, *(part.change for part in values[1:])]
    # one event, or an older answer could come last
    page.connect(
        partial(gr.on, changes), check, values, [editor], latest_only=True, uses_model=False
    )
    for button, (_, messages, given) in zip(examples, EXAMPLES, strict=True):
        loader = _loader(messages, given)
        page.connect(button.click, loader, [], [editor, tools], uses_model=False)
    desk.shown.append(
        page.connect(write.click, editing.write, [desk.branches, *values], desk.outputs)
    )
    return Panel(editor, form, text, ids, as_json)

"""What a chat template makes of messages: the role words it writes, and what it leaves out.

Found by writing with and without, never by a model's name. Uses an engine to render, never
to predict. Knows nothing of pages.
"""

from collections.abc import Sequence
from typing import Any

from core import chat
from core.engines import Engine, Message
from core.errors import InputError
from core.tokens import ChatDocument

Messages = Sequence[Message]


def role_words(
    engine: Engine, messages: Messages, tools: Messages = (), template: str = ""
) -> list[str | None]:
    """The role word of the turn that each message's words are written in.

    None for a message that is not written at all. Raises what ``render_chat`` raises.
    """
    marked = [message | {"content": _mark(i)} for i, message in enumerate(messages)]
    document = _written(engine, marked, tools, template, prompt=False)
    turns = [
        (turn.role, engine.decode(document.ids[turn.start : turn.stop]))
        for turn in chat.turns(document, engine.vocabulary)
    ]
    return [
        next((role for role, text in turns if _mark(i) in text), None) for i in range(len(messages))
    ]


def _mark(i: int) -> str:
    """Words that stand for a message's own: no two hold each other, none is to be trimmed."""
    return f"message-{i:03d}-"


def _written(
    engine: Engine, messages: Messages, tools: Messages, template: str, *, prompt: bool = True
) -> ChatDocument:
    return engine.render_chat(
        messages, tools=tools or None, add_generation_prompt=prompt, template=template or None
    )


def notes(
    engine: Engine, messages: Messages, tools: Messages = (), template: str = ""
) -> list[str]:
    """Sentences on what the template does with these messages that is not to be expected.

    Where it refuses them, the one sentence that says so.
    """
    try:
        document = _written(engine, messages, tools, template)
        words = role_words(engine, messages, tools, template)
    except InputError as error:
        return [str(error), *_refused(engine, messages, tools, template)]
    given = [message["role"] for message in messages]
    found = chat.template_notes(document, engine.vocabulary, given, words)
    return found + _left_out(engine, messages, tools, template, document)


def _refused(engine: Engine, messages: Messages, tools: Messages, template: str) -> list[str]:
    """Which part it is that the template refuses, where it writes the others."""
    others = {
        "the system message": ([m for m in messages if m["role"] != "system"], tools),
        "the tool messages": ([m for m in messages if m["role"] != "tool"], tools),
        "the tool calls": ([_only_words(m) for m in messages], tools),
        "the tools": (messages, ()),
    }
    return [
        f"Without {what} it would write them."
        for what, (some, some_tools) in others.items()
        if some and (list(some), some_tools) != (list(messages), tools)
        if _writes(engine, some, some_tools, template)
    ]


def _writes(engine: Engine, messages: Messages, tools: Messages, template: str) -> bool:
    try:
        _written(engine, messages, tools, template)
    except InputError:
        return False
    return True


def _left_out(
    engine: Engine, messages: Messages, tools: Messages, template: str, document: ChatDocument
) -> list[str]:
    """What of the tools is not in the document."""
    found = []
    if tools and _same(engine, messages, (), template, document):
        found.append(
            "This template has no place for tools and writes nothing of them: the model is not "
            "told that they exist."
        )
    if any("tool_calls" in message for message in messages):
        uncalled = [_only_words(message) for message in messages]
        if _same(engine, uncalled, tools, template, document):
            found.append(
                "It writes nothing of the tool calls: the assistant's message has its content only."
            )
    return found


def _same(
    engine: Engine, messages: Messages, tools: Messages, template: str, document: ChatDocument
) -> bool:
    """Whether the template writes the very same document of these."""
    try:
        return _written(engine, messages, tools, template).ids == document.ids
    except InputError:
        return False


def _only_words(message: Message) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "tool_calls"}

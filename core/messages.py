"""Messages and tools as they are given: JSON from a page or a notebook, checked.

What comes out is what a chat template is given. Knows nothing of templates, of engines or
of pages.
"""

import json
from typing import Any

from core import limits
from core.errors import InputError

Json = dict[str, Any]
ROLES = ("system", "user", "assistant", "tool")
MOST_MESSAGES = 60
MOST_TOOLS = 20
MOST_CALLS = 10  # in one message
MAX_DEPTH = 32  # of lists and objects in the JSON that is given
TOOL = '{"type": "function", "function": {"name": "add", "description": "…", "parameters": {…}}}'
CALL = '[{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]'


def parse_messages(text: str) -> list[Json]:
    """Chat messages from JSON text: a list of objects with a role; raises InputError."""
    messages = parse_json_list(text, "messages")
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InputError(
                f"Message {number} is not an object with a role. Write for example "
                '[{"role": "user", "content": "Hello"}].'
            )
    if not messages:
        raise InputError("There are no messages. Write at least one, with a role and a content.")
    return messages


def parse_tools(text: str) -> list[Json] | None:
    """Tool definitions from JSON text, None for blank text; raises InputError."""
    if not limits.check_text(text, "JSON of the tools", may_be_empty=True).strip():
        return None
    tools = parse_json_list(text, "tools")
    if not all(isinstance(tool, dict) for tool in tools):
        raise InputError("Every tool must be a JSON object that describes one function.")
    return tools


def checked_tools(text: object) -> tuple[Json, ...]:
    """Tool definitions that each name a function, from JSON text; raises InputError."""
    tools = parse_tools(limits.check_text(text, "JSON of the tools", may_be_empty=True)) or []
    if len(tools) > MOST_TOOLS:
        raise InputError(f"There are {len(tools):,} tools; at most {MOST_TOOLS} are taken.")
    for number, tool in enumerate(tools, start=1):
        if not _function(tool):
            raise InputError(
                f"Tool {number} names no function. Write it as {TOOL}, or the inner object alone."
            )
    return tuple(tools)


def checked_messages(value: object) -> tuple[Json, ...]:
    """The messages of an editor, ``{"role", "content", "tool_calls"?}`` each.

    ``tool_calls``, of assistant messages only, may be JSON text or a list of calls. Raises
    InputError that says which message, and the remedy.
    """
    if not isinstance(value, list) or not value:
        raise InputError("There are no messages. Add at least one.")
    if len(value) > MOST_MESSAGES:
        raise InputError(f"There are {len(value):,} messages; at most {MOST_MESSAGES} are taken.")
    messages = tuple(_message(given, number) for number, given in enumerate(value, start=1))
    total = sum(map(_n_characters, messages))
    if total > limits.MAX_CHARACTERS:
        raise InputError(
            f"The messages together have {total:,} characters; at most "
            f"{limits.MAX_CHARACTERS:,} are taken. Shorten or delete some."
        )
    return messages


def _n_characters(message: Json) -> int:
    calls = message.get("tool_calls")
    return len(message["content"]) + (len(json.dumps(calls)) if calls else 0)


def _message(given: object, number: int) -> Json:
    if not isinstance(given, dict) or not set(given) <= {"role", "content", "tool_calls"}:
        raise InputError(
            f"Message {number} must be an object with a role, a content and, if it calls tools, "
            "tool_calls."
        )
    role = given.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise InputError(f"Message {number} must have one of the roles {', '.join(ROLES)}.")
    words = limits.check_text(
        given.get("content"), f"content of message {number}", may_be_empty=True
    )
    message = {"role": role, "content": words}
    calls = _checked_calls(given.get("tool_calls"), number)
    if calls and role != "assistant":
        raise InputError(
            f"Message {number} is a {role} message with tool calls. Only the assistant calls "
            "tools: change its role, or delete the calls."
        )
    return message | ({"tool_calls": calls} if calls else {})


def _checked_calls(given: object, number: int) -> list[Json]:
    what = f"tool calls of message {number}"
    if given is None or given == [] or (isinstance(given, str) and not given.strip()):
        return []
    calls = parse_json_list(given, what) if isinstance(given, str) else _as_list(given, what)
    if len(calls) > MOST_CALLS:
        raise InputError(f"The {what} are {len(calls):,}; at most {MOST_CALLS} are taken.")
    for call in calls:
        function = _function(call)
        if not function or not isinstance(function.get("arguments"), dict):
            raise InputError(
                f"The {what} must each have a function's name and its arguments, an object. "
                f"Write them as {CALL}."
            )
    return calls


def _function(given: object) -> Json:
    """The inner object of ``{"function": {"name": …}}``, or ``{"name": …}`` itself.

    Empty where no function is named.
    """
    inner = given.get("function", given) if isinstance(given, dict) else None
    function: Json = inner if isinstance(inner, dict) else {}
    name = function.get("name")
    return function if isinstance(name, str) and name.strip() else {}


def parse_json_list(text: str, what: str) -> list[Any]:
    """A JSON list from text; raises InputError that says where the JSON breaks."""
    limits.check_text(text, f"JSON of the {what}")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"The {what} are not valid JSON: {error}. Names and texts stand in double quotes, "
            "items are separated by commas, and every bracket is closed."
        ) from error
    return _as_list(value, what)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _as_list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"The {what} must be a JSON list, in square brackets.")
    _check_values(value, what)
    return value


def _check_values(value: Any, what: str, depth: int = 0) -> None:
    """JSON can spell what no text may hold, and 1e999; look at every value, keys included."""
    if depth > MAX_DEPTH:
        raise InputError(f"The {what} are nested more than {MAX_DEPTH} deep. Flatten them.")
    if isinstance(value, str):
        limits.check_text(value, f"text in the {what}", may_be_empty=True)
    elif isinstance(value, float):
        limits.check_number(value, f"A number in the {what}")
    elif isinstance(value, dict | list):
        for item in value:
            _check_values(item, what, depth + 1)
        for item in value.values() if isinstance(value, dict) else ():
            _check_values(item, what, depth + 1)

"""Messages and tools as they come from a page: taken as they are, or refused by a sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, LabError
from core.messages import (
    MAX_DEPTH,
    MOST_MESSAGES,
    MOST_TOOLS,
    checked_messages,
    checked_tools,
    parse_messages,
)

CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}
NAMES = ["role", "content", "tool_calls", "function", "name", "arguments", "type"]
WORDS = st.sampled_from([*NAMES, "user", "assistant", "tool", "system", "a\0", "\ud800", "[", "[1"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=3), inner),
    max_leaves=20,
)
ALMOST = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "model", 5])},
    optional={"content": JSON | st.text(), "tool_calls": JSON | JSON.map(json.dumps)},
)


def message(role="user", content="Hi", **more):
    return {"role": role, "content": content} | more


def outcome(check):
    """What a check gives, or the LabError it raises."""
    try:
        return check()
    except LabError as error:
        return error


@given(JSON | st.lists(ALMOST | JSON, max_size=6))
def test_any_json_is_messages_or_a_sentence(value):
    """Whatever is sent: messages of the four roles with text, or a LabError; nothing else."""
    found = outcome(lambda: checked_messages(value))
    if isinstance(found, LabError):
        assert str(found).endswith(".")
    else:
        assert [set(m) - {"tool_calls"} for m in found] == [{"role", "content"}] * len(value)
        json.dumps(found).encode()


@pytest.mark.parametrize("number", ["1e999", "-1e400", "NaN", "Infinity"])
def test_a_number_that_json_can_not_hold_is_a_sentence(number):
    """Python reads 1e999 as infinity, which no template and no server can be given."""
    call = f'[{{"name": "add", "arguments": {{"a": [{number}]}}}}]'
    for check in (
        lambda: parse_messages(f'[{{"role": "user", "content": "x", "n": {number}}}]'),
        lambda: checked_tools(f'[{{"name": "add", "parameters": {{"most": {number}}}}}]'),
        lambda: checked_messages([message("assistant", "", tool_calls=call)]),
    ):
        with pytest.raises(InputError, match=r"finite|no number in JSON"):
            check()


@given(JSON | JSON.map(lambda value: json.dumps(value)) | st.text())
def test_any_text_is_tools_or_a_sentence(text):
    """Whatever is typed or sent: tools that each name a function, or a LabError."""
    found = outcome(lambda: checked_tools(text))
    if isinstance(found, LabError):
        assert str(found).endswith(".")
    else:
        assert all(tool.get("function", tool)["name"].strip() for tool in found)


@pytest.mark.parametrize("calls", [[CALL], json.dumps([CALL]), [CALL["function"]]])
def test_good_messages_are_what_was_given(calls):
    """Order, roles and words as given; calls parsed where they are text, absent where blank."""
    value = [message("system", "S"), message(), message("assistant", "", tool_calls=calls)]
    value += [message("tool", "3"), message("assistant", "3.", tool_calls=" ")]
    found = checked_messages(value)
    parsed = json.loads(calls) if isinstance(calls, str) else calls
    assert found == (
        *value[:2], message("assistant", "", tool_calls=parsed), value[3],
        message("assistant", "3."),
    )  # fmt: skip


def deep(n):
    return "[" * n + "]" * n


BAD = {
    "nothing": ([], "no messages"),
    "no list": ({"role": "user"}, "no messages"),
    "too many": ([message()] * (MOST_MESSAGES + 1), "at most"),
    "a role of its own": ([message("model")], "Message 1 must have one of the roles"),
    "a role that is no text": ([message(), message(["user"])], "Message 2"),
    "a key of its own": ([message(name="x")], "Message 1"),
    "content that is no text": ([message(content=["a"])], "content of message 1"),
    "NUL": ([message(), message(content="a\0")], "content of message 2 holds a NUL"),
    "too long": ([message(content="a" * 20_001)], "20,001 characters"),
    "too long together": ([message(content="a" * 15_000)] * 2, "30,000 characters"),
    "calls of the user": ([message(tool_calls=[CALL])], "Only the assistant"),
    "broken calls": ([message("assistant", tool_calls='[\n {"name": x}]')], "line 2 column 11"),
    "a call without a name": ([message("assistant", tool_calls='[{"arguments": {}}]')], "name"),
    "arguments as text": (
        [message("assistant", tool_calls=[{"name": "a", "arguments": "{}"}])], "an object",
    ),
    "NaN": ([message("assistant", tool_calls='[{"name": "a", "arguments": {"x": NaN}}]')], "NaN"),
    "deep": ([message("assistant", tool_calls=deep(MAX_DEPTH + 2))], "nested"),
    "deeper": ([message("assistant", tool_calls=deep(9000))], "message 1"),
    "a surrogate in calls": (
        [message("assistant", tool_calls='[{"name": "\\ud800", "arguments": {}}]')], "half of",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "words"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said(value, words):
    """The sentence names the message, the line where JSON breaks, and what to do."""
    with pytest.raises(InputError, match=words) as error:
        checked_messages(value)
    assert 25 < len(str(error.value)) < 400


def test_tools():
    """Blank is none; both ways of writing one are taken; a broken one is named with its line."""
    assert checked_tools(" \n") == ()
    assert checked_tools(json.dumps([TOOL, TOOL["function"]])) == (TOOL, TOOL["function"])
    for text, words in {
        '[\n{"name": }]': "line 2",
        "{}": "square brackets",
        '[{"name": "a"}, {"type": "function"}]': "Tool 2 names no function",
        "[1]": "JSON object",
        json.dumps([TOOL] * (MOST_TOOLS + 1)): "at most",
    }.items():
        with pytest.raises(InputError, match=words):
            checked_tools(text)

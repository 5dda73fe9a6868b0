"""The templates side by side: nothing lost in the cutting, and every part where it belongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import chat_templates
from core.chat_templates import CONTENT, CONTROL, FAMILIES, TEMPLATE, Part
from core.errors import InputError

GEMMA, CHATML, LLAMA = FAMILIES
WORDS = st.text("ab é\n<|>", max_size=8) | st.sampled_from(
    [" Hi ", "\n\n", "<|im_end|>\n<|im_start|>user", "<end_of_turn>", "{{ messages }}"]
)


@st.composite
def conversations(draw):
    """With or without system, one to four turns."""
    contents = draw(st.lists(WORDS, min_size=1, max_size=4))
    found = [{"role": ("user", "assistant")[i % 2], "content": c} for i, c in enumerate(contents)]
    system = [{"role": "system", "content": draw(WORDS)}] if draw(st.booleans()) else []
    return system + found


FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.file)


@FAMILY
@given(messages=conversations(), asked=st.booleans())
def test_the_parts_joined_are_the_document(family, messages, asked):
    """However the words look: trimmed where the template trims, control spellings or not."""
    found = chat_templates.parts(family, messages, asked)
    assert "".join(part.text for part in found) == chat_templates.written(family, messages, asked)
    contents = {part.row - 1: part.text for part in found if part.kind == CONTENT}
    for i, message in enumerate(messages):
        whole = message["content"]
        assert contents.get(i, "") in (whole, whole.strip())
    rows = [part.row for part in found]
    assert rows == sorted(rows)
    assert all(part.text in family.controls for part in found if part.kind == CONTROL)


def written(family, *pairs):
    messages = [{"role": role, "content": content} for role, content in pairs]
    return chat_templates.written(family, messages)


def test_the_formats_are_the_published_ones():
    """By hand, from the documentation of each."""
    pairs = [("system", "S"), ("user", "U"), ("assistant", "A"), ("user", "V")]
    assert written(CHATML, *pairs) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
        "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nV<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    head = "<|start_header_id|>{}<|end_header_id|>\n\n"
    assert written(LLAMA, *pairs) == "<|begin_of_text|>" + "".join(
        head.format(role) + content + "<|eot_id|>" for role, content in pairs
    ) + head.format("assistant")
    assert written(GEMMA, *pairs) == (
        "<bos><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
        "<start_of_turn>user\nV<end_of_turn>\n<start_of_turn>model\n"
    )


def test_each_part_stands_in_its_row():
    """A folded system message has the opening of the user's turn; the user's words its end."""
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    assert chat_templates.parts(GEMMA, messages) == [
        Part(CONTROL, "<bos>", 0),
        Part(CONTROL, "<start_of_turn>", 1), Part(TEMPLATE, "user\n", 1), Part(CONTENT, "S", 1),
        Part(TEMPLATE, "\n\n", 1), Part(CONTENT, "U", 2), Part(CONTROL, "<end_of_turn>", 2),
        Part(TEMPLATE, "\n", 2),
        Part(CONTROL, "<start_of_turn>", 3), Part(TEMPLATE, "model\n", 3),
    ]  # fmt: skip


@FAMILY
@given(messages=conversations())
def test_the_counts_add_up(family, messages):
    """With a tokenizer of one token a character: all of the text, and one for each control."""
    found = chat_templates.parts(family, messages)
    counts = chat_templates.count(found, len)
    text = [part for part in found if part.kind != CONTROL]
    assert counts.n_control == len(found) - len(text)
    assert counts.total == counts.n_control + sum(len(part.text) for part in text)
    assert counts.n_content == sum(len(part.text) for part in text if part.kind == CONTENT)
    assert counts.overhead >= counts.n_control


def test_what_a_template_refuses_is_a_sentence():
    """Turns that do not alternate, for Gemma; content that is no text, for all; a private mark."""
    two = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    with pytest.raises(InputError, match="turns must alternate"):
        chat_templates.parts(GEMMA, two)
    assert chat_templates.parts(CHATML, two)
    for content in (None, 5, ["a"], "\uf8f2"):
        with pytest.raises(InputError, match="plain text"):
            chat_templates.parts(LLAMA, [{"role": "user", "content": content}])
    with pytest.raises(InputError, match="refuses"):
        chat_templates.written(LLAMA, [{"role": "user", "content": None}])


def test_a_template_can_not_reach_out():
    """Words are never a template: braces in a message stay braces."""
    assert "{{ 1 + 1 }}" in written(CHATML, ("user", "{{ 1 + 1 }}"))

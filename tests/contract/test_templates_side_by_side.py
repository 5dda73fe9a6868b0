"""The templates side by side against transformers, and against the models' own templates."""

import pytest
from hypothesis import given, settings
from test_chat_template import conversations
from test_snippets import run
from transformers import AutoTokenizer

from core import chat_templates
from core.branches import Branches
from core.chat_templates import FAMILIES
from core.conversation import Conversation
from demos import chat_document
from demos.ui import templates_panel

GEMMA, CHATML, LLAMA = FAMILIES


@pytest.fixture(scope="module")
def tokenizer(smollm2):
    return AutoTokenizer.from_pretrained(smollm2.info.folder)


def applied(tokenizer, template, family, messages, asked=True):
    """What transformers makes of a template."""
    return tokenizer.apply_chat_template(
        messages,
        chat_template=template,
        bos_token=family.bos,
        add_generation_prompt=asked,
        tokenize=False,
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.file)
@settings(max_examples=30)
@given(messages=conversations())
def test_our_sandbox_renders_as_transformers_does(tokenizer, family, messages):
    """The same jinja through apply_chat_template: the same text."""
    if family is GEMMA and messages[-1]["role"] == "assistant" == messages[0]["role"]:
        return
    for asked in (True, False):
        ours = chat_templates.written(family, messages, asked)
        assert ours == applied(tokenizer, family.template, family, messages, asked)


@settings(max_examples=30)
@given(messages=conversations())
def test_chatml_is_smollm2s_own(tokenizer, messages):
    """Where a system message is given, so that it adds none: the same text."""
    with_system = [{"role": "system", "content": "S"}, *messages]
    messages = messages if messages[0]["role"] == "system" else with_system
    own = applied(tokenizer, tokenizer.chat_template, CHATML, messages)
    assert chat_templates.written(CHATML, messages) == own


@settings(max_examples=30)
@given(messages=conversations())
def test_llama3_is_llama3s_own(tokenizer, llama_template, messages):
    """Its own template always opens the model's turn."""
    own = applied(tokenizer, llama_template, LLAMA, messages)
    assert chat_templates.written(LLAMA, messages) == own


@settings(max_examples=30)
@given(messages=conversations())
def test_the_count_is_exact_for_the_running_family(smollm2, messages):
    """Control tokens one each, the text between as it stands: the number of the engine's ids."""
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": "S"}, *messages]
    found = chat_templates.parts(CHATML, messages)
    counts = chat_templates.count(found, lambda text: len(smollm2.tokenize(text)))
    assert counts.total == len(smollm2.render_chat(messages).ids)
    said = templates_panel.how_counted(smollm2, CHATML, messages, found)
    asked = messages[-1]["role"] != "assistant"
    assert said.startswith("Exact") == asked  # the panel opens no turn after the model's own


@pytest.mark.gemma
def test_the_count_is_exact_for_gemma(gemma):
    """The lent template is the same file."""
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": " Hi 👋 "}]
    found = chat_templates.parts(GEMMA, messages)
    counts = chat_templates.count(found, lambda text: len(gemma.tokenize(text)))
    assert counts.total == len(gemma.render_chat(messages).ids)
    assert templates_panel.how_counted(gemma, GEMMA, messages, found).startswith("Exact")
    other = templates_panel.how_counted(gemma, CHATML, messages, found)
    assert "need the Hub" in other


def test_templates_code(smollm2):
    """The documents and token counts of the panel."""
    past = chat_document.end_turn(smollm2, Branches.of(Conversation()), "Be brief.", "Say hi.")[0]
    _, costs, code = templates_panel.compare(smollm2, past, "", "")
    _, printed = run(code)
    for family, row in zip(FAMILIES, costs["rows"], strict=True):
        document = chat_templates.written(family, past.now.messages)
        total = row["cells"][4]["text"]
        assert f"{document}\n{family.name} {total} tokens\n" in printed

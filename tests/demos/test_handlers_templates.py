"""The chat under other templates: the panel's handler as a plain function."""

import pytest
from handling import assert_sentence

from core import chat_templates
from core.branches import Branches
from core.chat_templates import FAMILIES
from core.conversation import Conversation
from core.errors import InputError
from demos import chat_document as chat_demo
from demos.ui import templates_panel

SYSTEM, USER = "Be brief.", "What is the capital of France?"


def empty():
    return Branches.of(Conversation())


def asked(engine, system=SYSTEM, user=USER):
    return chat_demo.end_turn(engine, empty(), system, user)[0]


def said(cell):
    """The text of a cell as it was before newlines got their glyph."""
    lines = cell.get("lines") or [[["text", cell.get("text", "")]]]
    return "".join("\n" if k == "newline" else t for line in lines for k, t in line)


def test_every_column_is_its_familys_document(engine):
    """Read from top to bottom, each column is what the template writes of the chat's messages."""
    documents, costs, _ = templates_panel.compare(engine, asked(engine), "", "")
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
    for column, family in enumerate(FAMILIES, start=1):
        shown = "".join(said(row["cells"][column]) for row in documents["rows"])
        assert shown == chat_templates.written(family, messages)
    names = [row["cells"][0]["text"] for row in documents["rows"]]
    assert names == ["start", "system", "user", "generation prompt"]
    assert [row["cells"][0]["text"] for row in costs["rows"]] == [f.name for f in FAMILIES]


def test_the_models_words_are_a_message_too(engine):
    """A reply under way is the last message, and no further turn is opened after it."""
    past = asked(engine)
    word = engine.tokenize("Paris")[0].id
    past = past.go(past.now.pick(engine.next(past.now.ids).candidate(word)))
    documents, *_ = templates_panel.compare(engine, past, "", "")
    names = [row["cells"][0]["text"] for row in documents["rows"]]
    assert names == ["start", "system", "user", "assistant"]


def test_before_a_chat_what_is_typed_is_compared(engine):
    """The boxes, as they would be sent."""
    typed = templates_panel.compare(engine, empty(), SYSTEM, USER)
    sent = templates_panel.compare(engine, asked(engine), "", "")
    assert typed == sent


def test_it_says_how_the_tokens_are_counted(engine):
    """Exactly for the running model's own family, with this model's tokenizer for the others."""
    _, costs, _ = templates_panel.compare(engine, asked(engine), "", "")
    how = {row["cells"][0]["text"]: row["cells"][-1]["text"] for row in costs["rows"]}
    own = "ChatML (SmolLM2, Qwen)" if engine.info.name != "toy" else None
    for name, sentence in how.items():
        assert sentence.startswith("Exact:") == (name == own)
        assert ("need the Hub" in sentence) == (name != own)


def test_a_default_system_turn_is_said(smollm2):
    """Without a system message SmolLM2's own template adds one: the count says it differs."""
    _, costs, _ = templates_panel.compare(smollm2, asked(smollm2, system=""), "", "")
    own = len(smollm2.render_chat([{"role": "user", "content": USER}]).ids)
    sentence = costs["rows"][1]["cells"][-1]["text"]
    assert f"a little differently, in {own} tokens" in sentence


def test_a_template_that_refuses_says_so_in_its_column(toy):
    """Gemma's, for two user turns in a row; the others are shown."""
    past = asked(toy)
    talk = past.now
    user = next(i for i, reach in enumerate(talk.reaches) if talk.messages[i]["role"] == "user")
    half = talk.cut(talk.reaches[user] - 5)
    after = chat_demo.end_turn(toy, past.go(half), SYSTEM, "Hi")[0]
    documents, costs, _ = templates_panel.compare(toy, after, "", "")
    assert "turns must alternate" in documents["rows"][0]["cells"][1]["text"]
    assert len(costs["rows"]) == len(FAMILIES) - 1


@pytest.mark.parametrize("user", ["", " \n", "a\0b", 5])
def test_nothing_to_compare_is_a_sentence(toy, user):
    """No chat and no message."""
    with pytest.raises(InputError) as error:
        templates_panel.compare(toy, empty(), "", user)
    assert_sentence(error)


def test_a_chat_cut_to_nothing_is_a_sentence(toy):
    """Its first token alone holds no message."""
    past = asked(toy, system="")
    with pytest.raises(InputError, match="No whole message") as error:
        templates_panel.compare(toy, past.go(past.now.cut(1)), "", "")
    assert_sentence(error)

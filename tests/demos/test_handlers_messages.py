"""The messages panel of Chat-as-Document: its handlers as plain functions."""

import json

import pytest
from handling import assert_sentence, chip_ids

from core import tool_form
from core.branches import Branches
from core.conversation import Conversation, message
from core.errors import ContextTooLong, InputError
from core.snippets import chat_code
from demos import chat_document as chat_demo
from demos.chat_document import STEPS
from demos.ui import messages as panel
from demos.ui.replies import SAMPLED
from demos.ui.tool_examples import DATABASE, DATABASE_TOOLS, EXAMPLES, WEATHER

EDITING = panel.Editing(STEPS)
TURNS = [
    message("system", "Be brief."),
    message("user", "Hi"),
    message("assistant", "Hello."),
    message("user", "Bye"),
]


def empty():
    return Branches.of(Conversation())


def values(tools="", form=panel.OWN, prompted=True, control=False):
    return tools, form, prompted, control


def written(engine, given, *chosen):
    return EDITING.write(engine, empty(), given, *(chosen or values()))


def said(update):
    return " ".join(update["written"]["notes"])


def test_the_document_is_what_the_template_writes(engine):
    """Several turns of all roles, id for id the template's, shown at their end; undo is empty."""
    given = [*TURNS, message("tool", "42")]
    past, strip, *_ = written(engine, given)
    assert past.now.ids == engine.render_chat(given).ids
    assert tuple(chip_ids(strip)) == past.now.ids
    headed = [chip["turn"] for chip in strip["tokens"] if "turn" in chip]
    wanted = ["system", "user", "assistant", "user", "tool", "assistant"]
    assert [word for word in headed if word != "start"] == wanted
    assert past.undo() == empty().go(past.now).undo()
    assert past.undo().now == Conversation()


def test_without_the_generation_prompt_the_last_turn_is_the_last(engine):
    """The switch: nothing after the last message; the next turn goes on from there."""
    past = written(engine, TURNS[:3], *values(prompted=False))[0]
    assert past.now.ids == engine.render_chat(TURNS[:3], add_generation_prompt=False).ids
    after = chat_demo.end_turn(engine, past, "Be brief.", "Bye")[0]
    assert after.now.ids == engine.render_chat(TURNS).ids
    assert list(after.now.messages) == TURNS


def test_control_tokens_are_a_switch(engine):
    """Off, special-token text stays text; on, it is read as control tokens."""
    end = engine.vocabulary.token(min(engine.info.stop_ids)).text
    given = [message("user", f"a{end}b")]
    for flag in (False, True):
        past = written(engine, given, *values(control=flag))[0]
        assert past.now.ids == engine.render_chat(given, control_tokens=flag).ids


def test_the_code_is_about_what_was_written(smollm2):
    """Messages, tools, the lent template and the switches are those of the document."""
    given = [message("user", "a<|im_end|>")]
    for control in (False, True):
        chosen = values(json.dumps(DATABASE_TOOLS), panel.LENT, False, control)
        past, *_, code, _ = written(smollm2, given, *chosen)
        assert code == chat_code(
            smollm2.info, given, DATABASE_TOOLS, past.now.ids, len(past.now.ids),
            template=tool_form.template(), add_generation_prompt=False, hide=not control,
        )  # fmt: skip


@pytest.mark.parametrize(("name", "given", "tools"), EXAMPLES)
def test_an_example_fills_messages_and_tools(engine, name, given, tools):
    """What it loads is taken, and ends so that the model writes the next step."""
    load = panel._loader(given, tools)
    shown, text = load(engine)
    assert shown["fresh"] != load(engine)[0]["fresh"]
    assert json.loads(text) == tools
    past = written(engine, shown["messages"], *values(text))[0]
    assert list(past.now.messages) == given
    assert given[-1]["role"] in ("user", "tool")
    assert list(past.now.tools) == tools


def test_the_tool_form_is_said_not_to_be_the_models(smollm2):
    """Off it is offered where tools are not written; on, note and editor say whose it is."""
    given = panel.for_editor(DATABASE)
    tools = json.dumps(DATABASE_TOOLS)
    off = said(panel.check(smollm2, given, *values(tools)))
    assert "writes nothing of them" in off
    assert panel.LENT_WRITES in off
    on = panel.check(smollm2, given, *values(tools, panel.LENT))
    assert "not in the model's own" in said(on)
    assert on["written"]["words"] == ["system", "user", "assistant", "user"]
    past = written(smollm2, given, *values(tools, panel.LENT))[0]
    assert "<tool_call>" in smollm2.decode(past.now.ids)
    note = chat_demo.follow(smollm2, past, "", given)[0]
    assert "Token Lab's tool form" in note["value"]
    assert "not in the model's own" in note["value"]


def test_the_tool_form_is_not_offered_elsewhere(toy):
    """A vocabulary without ChatML's markers: hidden, and refused on the server."""
    assert chat_demo.follow(toy, empty(), "", None)[2]["visible"] is False
    with pytest.raises(InputError, match="Choose that") as error:
        written(toy, TURNS, *values(form=panel.LENT))
    assert_sentence(error)


def test_what_would_be_written_is_said_while_editing(engine):
    """The role words, the count of tokens and the turns, of messages with these roles."""
    update = panel.check(engine, TURNS, *values())["written"]
    n = len(engine.render_chat(TURNS).ids)
    assert update["roles"] == update["words"] == ["system", "user", "assistant", "user"]
    turns = "system, user, assistant, user, assistant"
    assert update["notes"][0] == f"If written: {n:,} tokens in these turns: {turns}."


@pytest.mark.parametrize(
    ("given", "chosen", "words"),
    [
        ([message("robot", "x")], values(), "one of the roles"),
        ([message("user", "a\0")], values(), "NUL"),
        (TURNS, values(tools="[\n{]"), "line 2"),
        (TURNS, values(prompted="yes"), "true or false"),
        (TURNS, values(form="mine"), "Choose that"),
        ("text", values(), "no messages"),
    ],
)
def test_bad_input_is_a_sentence(toy, given, chosen, words):
    """Refused when written; while editing the same sentence stands below and nothing fails."""
    with pytest.raises(InputError, match=words) as error:
        written(toy, given, *chosen)
    assert_sentence(error)
    noted = panel.check(toy, given, *chosen)["written"]
    assert noted["notes"] == ([str(error.value)] if isinstance(given, list) else [])


def test_too_long_is_a_sentence(toy):
    """A document over the model's length is no step."""
    with pytest.raises(ContextTooLong):
        written(toy, [message("user", "a" * 5000)])


# --- the editor follows the document


def test_the_editor_shows_the_documents_messages(engine):
    """After a turn, a reply and an undo: the messages as they stand, the reply with them."""
    past = chat_demo.end_turn(engine, empty(), "Be brief.", "Hi")[0]
    shown = panel.follow(engine, past, None)
    assert shown[0]["messages"] == TURNS[:2]
    replied = list(chat_demo.REPLIES.reply(engine, past, SAMPLED, 1.0, 1, 5))[-1][0]
    _, _, text, ids, as_json = panel.follow(engine, replied, TURNS[:2])
    assert text == engine.decode(replied.now.ids)
    assert tuple(json.loads(ids)) == replied.now.ids
    spoken = json.loads(as_json)["messages"]
    assert spoken[:2] == TURNS[:2]
    assert [m["role"] for m in spoken[2:]] == ["assistant"]
    assert spoken[2]["content"] in text
    assert panel.follow(engine, empty(), TURNS)[0]["messages"] == []


def test_what_says_the_same_keeps_its_own_spelling(smollm2):
    """Calls typed on one line are not spelt anew; tools stand in the JSON."""
    given = panel.for_editor(DATABASE)
    given[2]["tool_calls"] = json.dumps(DATABASE[2]["tool_calls"])
    past = written(smollm2, given, *values(json.dumps(DATABASE_TOOLS)))[0]
    editor, *_, as_json = panel.follow(smollm2, past, given)
    assert editor["messages"] == given
    assert editor["fresh"] == ""
    assert panel.follow(smollm2, past, WEATHER)[0]["messages"] == panel.for_editor(DATABASE)
    assert json.loads(as_json) == {"messages": DATABASE, "tools": DATABASE_TOOLS}


def test_undo_of_a_written_document_fills_no_box(engine):
    """Only a message that was typed in the box returns to it."""
    past = written(engine, [*TURNS, message("tool", "42")])[0]
    assert "value" not in (chat_demo.undo(engine, past, "")[-1] or {})
    past = written(engine, TURNS)[0]
    assert chat_demo.undo(engine, past, "")[-1] != "Bye"


def test_compact_is_a_switch(toy):
    """Folded or not, and nothing else of the strip."""
    folded = chat_demo.fold(toy, True)
    assert folded["folded"] is True
    assert "tokens" not in folded
    with pytest.raises(InputError):
        chat_demo.fold(toy, "yes")

"""All the messages of a chat, edited and written by a person: roles, order, tools, copies."""

import json
import re

import pytest
from playwright.sync_api import expect
from screens import PHONE

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror='window.pwned=1'> ${window.pwned=1} {{x}} `</script>"


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/chat-document"))
    expect(demo.rows).to_have_count(10)
    unfold(demo)
    return demo


def unfold(demo):
    """Open the panel; the prepared turn's two messages stand in it."""
    demo.unfold("All the messages")
    expect(cards(demo)).to_have_count(2)
    expect(notes(demo)).not_to_contain_text("must be")


def cards(demo):
    return demo.root.locator(".lab-message")


def content(demo, n):
    return demo.box(f"content of message {n}")


def contents(demo):
    return cards(demo).locator("> .lab-message-text").evaluate_all("all => all.map((a) => a.value)")


def roles(demo):
    return demo.root.locator(".lab-message-role").evaluate_all("all => all.map((s) => s.value)")


def turns(demo):
    words = demo.root.locator(".lab-turn").evaluate_all("all => all.map((e) => e.textContent)")
    return [word for word in words if word != "start"]


def notes(demo):
    return demo.root.locator(".lab-messages-notes")


def copies(demo):
    """The boxes to copy from: text, ids, JSON; Gradio gives them no name."""
    return demo.root.locator(".lab-copy textarea")


def write(demo):
    demo.button("Write this document").click()
    demo.expect_quiet()


def test_add_reorder_delete_and_write(demo):
    """Turns added, moved and deleted are written in the order on the screen; undo brings the
    document before back, and the editor with it."""
    before = demo.text()
    assert contents(demo)[1] == "What is the capital of France?"
    for words in ("Paris.", "And of Italy?"):
        demo.button("add a message").click()
        demo.page.keyboard.type(words)
    assert roles(demo) == ["system", "user", "assistant", "user"]
    expect(notes(demo)).to_contain_text("system, user, assistant, user, assistant")
    demo.button("move message 4 up").click()
    expect(content(demo, 3)).to_have_value("And of Italy?")
    demo.button("delete message 1").click()
    assert contents(demo) == ["What is the capital of France?", "And of Italy?", "Paris."]
    demo.root.get_by_label("role of message 2").select_option("tool")
    write(demo)
    expect(demo.strip).to_contain_text("Paris")
    assert turns(demo) == ["system", "user", "tool", "assistant", "assistant"]
    assert "<|im_start|>tool\nAnd of Italy?<|im_end|>\n" in demo.text()
    demo.button("Undo").click()
    expect(cards(demo)).to_have_count(2)
    demo.expect_quiet()
    assert demo.text() == before


def test_what_is_typed_is_not_lost(demo):
    """A step of the document while the editor holds something else: it stays, and it is said."""
    content(demo, 2).fill("My own words")
    demo.rows.first.click()
    aside = demo.root.locator(".lab-messages-aside")
    expect(aside).to_contain_text("other messages")
    expect(content(demo, 2)).to_have_value("My own words")
    demo.root.get_by_role("button", name="All the messages").click()
    demo.root.get_by_role("button", name="All the messages").click()
    expect(content(demo, 2)).to_have_value("My own words")
    demo.button("show the document's messages").click()
    expect(cards(demo)).to_have_count(3)
    expect(aside).to_be_empty()


def test_the_weather_example_in_the_tool_form(demo):
    """One click fills messages and tools; the model's template writes nothing of them, which is
    said; Token Lab's form does, and the code is about it."""
    demo.button("Example: weather").click()
    expect(content(demo, 2)).to_have_value(re.compile("Oslo"))
    expect(notes(demo)).to_contain_text("writes nothing of them")
    expect(demo.box("Tools the model may call")).to_have_value(re.compile("get_weather"))
    write(demo)
    expect(demo.strip).to_contain_text("Oslo")
    assert "get_weather" not in demo.text()
    demo.root.get_by_role("radio", name="Token Lab's tool form").check()
    expect(notes(demo)).to_contain_text("not in the model's own")
    write(demo)
    expect(demo.strip).to_contain_text("get")
    assert "<tool_call>" in demo.text()
    assert '"name": "get_weather"' in demo.text()
    expect(demo.root).to_contain_text("Token Lab's tool form (ChatML in the Hermes convention)")


def test_the_database_example(demo):
    """A call and its result, each in the turn that the note beside it names."""
    demo.button("Example: database").click()
    expect(notes(demo)).to_contain_text("writes nothing of them")  # what is below moves with it
    demo.root.get_by_role("radio", name="Token Lab's tool form").check()
    word = demo.root.locator(".lab-message-word")
    expect(word.nth(3)).to_have_text("written in a turn “user”")
    write(demo)
    expect(demo.strip).to_contain_text("SELECT")
    assert "<tool_response>\n[{" in demo.text()
    assert turns(demo)[-2:] == ["user", "assistant"]


def test_broken_json_is_said_and_kept(demo, said):
    """The line and what to do, below the editor and when it is written; nothing typed is lost."""
    before = demo.text()
    box = demo.box("Tools the model may call")
    box.fill('[\n{"name": }\n]')
    expect(notes(demo)).to_contain_text("line 2")
    demo.button("Write this document").click()
    said(demo.page, "line 2")
    expect(box).to_have_value('[\n{"name": }\n]')
    assert demo.text() == before


def test_compact_and_copy(demo):
    """Special tokens become small marks that can be hovered and selected; text, ids and messages
    stand ready to copy."""
    special = demo.strip.locator(".lab-chip-special").first
    wide = special.bounding_box()["width"]
    demo.root.get_by_role("checkbox", name="Compact").check()
    expect(demo.strip).to_have_class(re.compile("lab-strip-folded"))
    assert special.bounding_box()["width"] < wide / 2
    assert demo.hover_says(special)["kind"] == "special token"
    special.click()
    expect(demo.title.first).to_contain_text("no prediction")
    assert special.get_attribute("aria-selected") == "true"
    demo.unfold("To copy")
    expect(copies(demo).nth(0)).to_have_value(demo.text())
    assert json.loads(copies(demo).nth(1).input_value()) == demo.ids()
    spoken = json.loads(copies(demo).nth(2).input_value())["messages"]
    assert [m["role"] for m in spoken] == ["system", "user"]
    assert demo.root.get_by_role("button", name=re.compile("copy", re.I)).count() >= 3


def test_hostile_text_is_text(demo):
    """Code in messages, tools and calls is written as text, everywhere it is shown."""
    content(demo, 2).fill(HOSTILE)
    demo.box("Tools the model may call").fill(json.dumps([{"name": HOSTILE}]))
    expect(notes(demo)).to_contain_text("writes nothing of them")
    demo.root.get_by_role("radio", name="Token Lab's tool form").check()
    expect(notes(demo)).to_contain_text("tokens in these turns")
    write(demo)
    expect(demo.strip).to_contain_text("pwned")
    demo.unfold("To copy")
    assert HOSTILE in demo.text()
    expect(copies(demo).nth(0)).to_have_value(re.compile(re.escape(HOSTILE)))
    expect(demo.page.locator("img[src=x]")).to_have_count(0)


def test_on_a_phone(visit, open_page):
    """Everything of the editor is within the width of a phone."""
    demo = open_page(visit("/chat-document", PHONE))
    unfold(demo)
    demo.button("Example: database").click()
    expect(cards(demo)).to_have_count(4)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert demo.page.evaluate(wide) <= 0
    for at in range(4):
        box = cards(demo).nth(at).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]

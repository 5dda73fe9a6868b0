"""Breaking the template, the chat under other templates, and replies beside each other."""

import re

import pytest
from playwright.sync_api import expect
from test_chat_document import generate, turns, unfold_settings

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/chat-document"))
    expect(demo.rows).to_have_count(10)
    return demo


def strip_named(demo, name):
    return demo.root.get_by_role("listbox", name=name, exact=True)


def table(demo, name):
    return demo.root.get_by_role("table", name=re.compile(name))


def expect_over(demo):
    """A reply is over: the "?" is back and nothing is pending."""
    expect(demo.strip.locator(".lab-mark-next")).to_be_attached(timeout=60_000)
    demo.expect_quiet()


# --- breaking


def test_breaking_the_role_and_using_the_document(demo):
    """Both documents with the change marked, two lists, the numbers; then it is the document."""
    demo.unfold("Break the template")
    demo.root.get_by_role("radio", name=re.compile("Swap the role word")).check()
    demo.button("Break it").click()
    broken = strip_named(demo, "The broken document")
    expect(broken.locator(".lab-mark-added")).to_have_text("user")
    expect(strip_named(demo, "The true document").locator(".lab-mark-removed")).to_have_text(
        ["ass", "istant"]
    )
    demo.expect_quiet()
    numbers = demo.facts("KL divergence")
    assert float(numbers["KL divergence"].split()[0]) > 0.1
    assert "→" in next(value for name, value in numbers.items() if name.endswith("rank"))
    titles = demo.root.locator(".lab-list-title").all_inner_texts()
    assert {"After the true document", "After the broken one"} <= set(titles)
    demo.button("Use this document").click()
    expect(demo.strip.locator(".lab-turn")).to_have_text(["system", "user", "user"])
    demo.expect_quiet()
    before = demo.ids()
    generate(demo)
    assert demo.ids()[: len(before)] == before


def test_an_injection_in_one_click(demo):
    """The prepared message is loaded, read as control tokens, and used: the model's forged turn."""
    demo.unfold("Break the template")
    demo.button("Load an injection").click()
    box = demo.box(re.compile("spells control tokens"))
    expect(box).to_have_value(re.compile(r"<\|im_end\|>\n<\|im_start\|>assistant\n"))
    broken = strip_named(demo, "The broken document")
    expect(broken.locator(".lab-turn")).to_have_text(
        ["system", "user", "assistant", "user", "assistant"]
    )
    expect(strip_named(demo, "The true document").locator(".lab-turn")).to_have_text(
        ["system", "user", "assistant"]
    )
    expect(demo.root.get_by_text("That is prompt injection")).to_be_visible()
    demo.button("Use this document").click()
    expect(demo.strip.locator(".lab-turn")).to_have_count(5)
    demo.expect_quiet()
    demo.button("Undo").click()
    expect(demo.strip.locator(".lab-turn")).to_have_count(3)


def test_what_can_not_be_broken_is_said(demo, said):
    """A message without control tokens stays in its box, and a sentence says what to do."""
    demo.unfold("Break the template")
    demo.root.get_by_role("radio", name=re.compile("as control tokens")).check()
    said(demo.page, "The message is empty")
    box = demo.box(re.compile("spells control tokens"))
    box.fill("Hello")
    demo.button("Break it").click()
    said(demo.page, "spells no control token")
    expect(box).to_have_value("Hello")
    demo.button("Use this document").click()
    said(demo.page, "Nothing is broken yet")


# --- other templates


def test_the_chat_under_three_templates(demo):
    """Opened, it shows the chat turn by turn under each; the running model's count is exact."""
    demo.unfold("The same chat under other templates")
    rows = table(demo, "under each template").locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text("<start_of_turn>user")
    expect(rows.nth(3)).to_contain_text("<|im_start|>assistant")
    expect(rows.nth(3)).to_contain_text("<|start_header_id|>assistant<|end_header_id|>")
    costs = table(demo, "What each template costs").locator("tbody tr")
    expect(costs.nth(1)).to_contain_text("Exact")
    expect(costs.nth(2)).to_contain_text("need the Hub")
    assert costs.nth(1).locator("td").nth(3).inner_text() == str(len(demo.ids()))


# --- replies


def test_retry_keeps_the_replies_beside_each_other(demo):
    """Each retry is another sample of the same place; a click on a reply returns to it."""
    prompt = demo.ids()
    unfold_settings(demo, 8)
    demo.root.get_by_role("radio", name="sampled").check()
    generate(demo)
    first = demo.ids()
    rows = table(demo, "Repl").locator("tbody tr")
    for n in (2, 3):
        demo.button("Retry with the next seed").click()
        expect(rows).to_have_count(n)
        expect_over(demo)
        assert demo.ids()[: len(prompt)] == prompt
    expect(rows.locator("td:nth-child(2)")).to_have_text(["1", "2", "3"])
    expect(rows.nth(2)).to_have_attribute("aria-current", "true")
    rows.nth(0).get_by_role("button").click()
    expect(rows.nth(0)).to_have_attribute("aria-current", "true")
    demo.expect_quiet()
    assert demo.ids() == first


def test_generate_from_a_selected_token(demo):
    """The button names the token; the old continuation stays among the paths."""
    prompt = len(demo.ids())
    generate(demo)
    before = demo.ids()
    at = prompt + 2
    demo.chips.nth(at).click()
    here = demo.button(f"Generate from token {at}")
    expect(here).to_be_enabled()
    unfold_settings(demo, 8)
    demo.root.get_by_role("radio", name="sampled").check()
    temperature = demo.slider("Temperature")
    temperature.focus()
    temperature.press("End")
    here.click()
    expect(demo.root.get_by_role("tree", name="Paths taken")).to_be_visible()
    expect_over(demo)
    assert demo.ids()[:at] == before[:at]
    assert demo.ids() != before
    assert turns(demo) == ["system", "user", "assistant"]


def test_a_reply_begins_with_the_words_typed(demo):
    """They are written first, the box is emptied, and the model goes on after them."""
    prompt = demo.text()
    box = demo.box(re.compile("Begin the reply"))
    box.fill("Sure! In French:")
    demo.button("Generate the reply").click()
    expect(box).to_have_value("")
    expect_over(demo)
    assert demo.text().startswith(prompt + "Sure! In French:")
    assert demo.text() != prompt + "Sure! In French:"


def test_a_retry_can_be_stopped(demo):
    """What was drawn so far stays, in the document and in the table."""
    unfold_settings(demo, 100)
    demo.box("System prompt").fill("")
    demo.button("New chat").click()
    expect(demo.chips).to_have_text(["?"])
    demo.box("Your message").fill("Tell me a very long story about the sea and a ship.")
    demo.button("End turn").click()
    expect(demo.box("Your message")).to_have_value("")
    demo.expect_quiet()
    prompt = len(demo.ids())
    for button in ("Generate the reply", "Retry with the next seed"):
        demo.button(button).click()
        expect(demo.chips.nth(prompt + 3)).to_be_attached()
        expect(demo.strip.locator(".lab-mark-next")).to_have_count(0)
        demo.button("Stop").click()
        expect_over(demo)
    assert prompt < len(demo.ids()) < prompt + 100
    expect(table(demo, "Repl").locator("tbody tr")).to_have_count(2)

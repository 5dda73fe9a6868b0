"""Bad input on the page: a sentence, the text kept, no spinner, and the next click works."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
LONG = "The sea is wide. " * 60_000  # about 1 MB

# path, box, button that uses the text
LINES = {
    "next-token": ("Document", "Use this text"),
    "sampling": ("Document", "Use this text"),
    "surprisal": ("Text", "Measure"),
}


def assert_kept_and_working(demo, box, button, text):
    """The text is still in the box; a good one used after it shows its tokens."""
    demo.expect_quiet()
    assert demo.box(box).evaluate("box => box.value") == text
    demo.box(box).fill("A good text")
    demo.button(button).click()
    expect(demo.strip).to_contain_text("good")
    expect(demo.rows.first).to_be_visible()
    demo.expect_quiet()


@pytest.mark.parametrize("slug", LINES)
def test_empty_text(visit, open_page, said, slug):
    """An empty text is refused with a sentence, and what was on show stays."""
    box, button = LINES[slug]
    demo = open_page(visit(f"/{slug}"))
    demo.expect_quiet()
    before = demo.ids()
    demo.box(box).fill("")
    demo.button(button).click()
    said(demo.page, "is empty. Type at least one character.")
    assert demo.ids() == before
    assert_kept_and_working(demo, box, button, "")


@pytest.mark.parametrize("slug", LINES)
def test_a_megabyte_of_text(visit, open_page, said, slug):
    """A megabyte of text is refused with both numbers, and is still there to be cut."""
    box, button = LINES[slug]
    demo = open_page(visit(f"/{slug}"))
    demo.expect_quiet()
    demo.box(box).fill(LONG)
    demo.button(button).click()
    said(demo.page, f"has {len(LONG):,} characters; at most 20,000 are taken")
    assert_kept_and_working(demo, box, button, LONG)


@pytest.mark.parametrize("slug", LINES)
def test_more_tokens_than_the_model_takes(visit, open_page, said, slug):
    """A text of fewer characters but too many tokens is refused with both numbers."""
    box, button = LINES[slug]
    text = "! ? " * 2500
    demo = open_page(visit(f"/{slug}"))
    demo.expect_quiet()
    demo.box(box).fill(text)
    demo.button(button).click()
    said(demo.page, "the model here takes at most")
    assert_kept_and_working(demo, box, button, text)


@pytest.mark.parametrize("slug", LINES)
def test_only_spaces(visit, open_page, said, slug):
    """Only spaces are told to be what they are, and shown as tokens."""
    box, button = LINES[slug]
    demo = open_page(visit(f"/{slug}"))
    demo.expect_quiet()
    demo.box(box).fill("    ")
    demo.button(button).click()
    said(demo.page, "only white space")
    expect(demo.chips.first).to_have_text(re.compile("^·+$"))
    assert_kept_and_working(demo, box, button, "    ")


def test_tokenizer(visit, open_page, said):
    """The Tokenizer empties itself for no text, shows spaces, and refuses a megabyte."""
    demo = open_page(visit("/tokenizer"))
    box = demo.box("Text")
    box.fill("")
    expect(demo.chips).to_have_count(0)
    box.fill("   ")
    expect(demo.chips.first).to_have_text(re.compile("^·+$"))
    expect(demo.root.locator(".lab-facts").first).to_contain_text("white space")
    box.fill(LONG)
    said(demo.page, "at most 20,000 are taken")
    demo.expect_quiet()
    assert box.evaluate("box => box.value.length") == len(LONG)
    expect(demo.chips).to_have_count(0)  # what stood there was of another text
    box.fill("A good text")
    expect(demo.chips).to_have_count(3)
    demo.expect_quiet()


def test_tokenizer_takes_as_much_as_it_says(visit, open_page):
    """A text of 20,000 characters is cut, and every token can be scrolled to."""
    demo = open_page(visit("/tokenizer"))
    demo.box("Text").fill("The sea is wide. " * 1176)
    expect(demo.chips.nth(5879)).to_be_attached(timeout=60_000)
    demo.expect_quiet()
    demo.chips.last.scroll_into_view_if_needed()
    expect(demo.chips.last).to_be_in_viewport()


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), ("   ", "only white space"), (LONG, "at most 20,000 are taken")],
    ids=["empty", "only spaces", "1 MB"],
)
def test_chat(visit, open_page, said, text, words):
    """A message that is none is refused with a sentence; the chat goes on."""
    demo = open_page(visit("/chat-document"))
    before = demo.ids()
    box = demo.box("Your message")
    box.fill(text)
    demo.button("End turn").click()
    said(demo.page, words)
    demo.expect_quiet()
    assert box.evaluate("box => box.value") == text
    assert demo.ids() == before
    box.fill("A good message")
    expect(demo.strip).to_contain_text("good")
    demo.button("End turn").click()
    expect(box).to_have_value("")
    demo.expect_quiet()
    assert "A good message" in demo.text()


def test_generating_without_a_document(visit, open_page, said):
    """ "Generate the reply" in an empty chat says what to do first."""
    demo = open_page(visit("/chat-document"))
    demo.button("New chat").click()
    expect(demo.chips).to_have_text(["?"])
    demo.button("Generate the reply").click()
    said(demo.page, "press “End turn” first")
    demo.expect_quiet()


def test_numbers_out_of_range(visit, open_page, said):
    """A seed that is none is refused with a sentence, and the next draw works."""
    demo = open_page(visit("/sampling"))
    demo.root.get_by_label("Seed").fill("-3")
    demo.button("Draw r").click()
    said(demo.page, "The seed is -3; it must be a whole number")
    demo.root.get_by_label("Seed").fill("4")
    before = demo.facts("kept")
    demo.button("Draw r").click()
    demo.page.wait_for_function(
        "([root, said]) => !root.textContent.includes(said)",
        arg=[demo.root.element_handle(), next(iter(before))],
    )
    demo.expect_quiet()


def test_a_message_that_was_not_sent_is_kept(visit, open_page, said):
    """ "Generate the reply" with words in the message box says to end the turn; they stay."""
    demo = open_page(visit("/chat-document"))
    expect(demo.rows).to_have_count(10)
    demo.expect_quiet()
    demo.box("Your message").fill("Who wrote Hamlet?")
    expect(demo.strip).to_contain_text("let")
    demo.button("Generate the reply").click()
    said(demo.page, "End turn")
    expect(demo.box("Your message")).to_have_value("Who wrote Hamlet?")
    expect(demo.strip).to_contain_text("let")

"""The pages: tabs, each demo's own page, embedding, reload, dark, and what a visit sends."""

import re

import pytest
from playwright.sync_api import expect
from screens import PHONE

pytestmark = pytest.mark.browser
SLUGS = ["tokenizer", "next-token", "sampling", "surprisal", "chat-document"]


def test_header_says_what_runs(visit, open_tab):
    """The header names the model, its licence, source, device and dtype, and what to know of it."""
    page = visit()
    open_tab(page, "Tokenizer")
    header = page.locator("#status")
    for words in ("Token Lab", "smollm2-135m-instruct", "CPU, float32", "Apache 2.0", "49,152"):
        expect(header).to_contain_text(words)
    expect(header.locator(".lab-status-busy")).to_have_count(0)
    expect(header.locator(".lab-status-note")).to_contain_text("These are 4-bit weights")
    remedy = header.locator(".lab-status-remedy span")  # not about who reads the page
    expect(remedy).to_be_hidden()
    header.get_by_text("whoever runs this").click()
    expect(remedy).to_be_visible()


def test_all_five_tabs_work(visit, open_tab):
    """On the one page each demo opens alive through its tab, and answers the first click."""
    page = visit()
    demo = open_tab(page, "Tokenizer")
    demo.box("Text").fill("One two")
    expect(demo.chips).to_have_count(2)

    demo = open_tab(page, "Next-Token")
    before = demo.chips.count()
    demo.rows.nth(1).click()
    expect(demo.chips).to_have_count(before + 1)

    demo = open_tab(page, "Sampling")
    before = demo.chips.count()
    demo.button("Draw r").click()
    demo.button("Append it").click()
    expect(demo.chips).to_have_count(before + 1)
    expect(demo.rows.first.locator(".lab-bar-sampler")).to_be_visible()

    demo = open_tab(page, "Surprisal")
    demo.drag(2, 6)
    expect(demo.root.locator(".lab-facts", has_text="selected").first).to_contain_text("5 tokens")

    demo = open_tab(page, "Chat-as-Document")
    before = demo.chips.count()
    demo.rows.first.click()
    expect(demo.chips).to_have_count(before + 1)
    demo.expect_quiet()

    demo = open_tab(page, "Next-Token")  # what was done there is still there
    expect(demo.chips.nth(5)).to_be_visible()
    expect(demo.rows).to_have_count(10)


def test_a_tab_opened_before_its_first_view_comes_alive(visit, open_tab):
    """Hurrying to the last tab while the page is still opening shows it alive, with its numbers."""
    page = visit()
    page.get_by_role("tab", name="Chat-as-Document", exact=True).click()
    demo = open_tab(page, "Chat-as-Document")
    expect(demo.rows).to_have_count(10)
    expect(demo.strip).to_have_attribute("aria-label", "The document, token by token")


@pytest.mark.parametrize("slug", SLUGS)
def test_each_demo_has_its_own_page(visit, open_page, slug):
    """A demo's own page opens alive, with the header and without tabs."""
    page = visit(f"/{slug}")
    demo = open_page(page)
    expect(page.locator("#status")).to_contain_text("smollm2-135m-instruct")
    expect(page.get_by_role("tab")).to_have_count(0)
    expect(page).to_have_title("Token Lab")
    if slug != "tokenizer":
        expect(demo.rows.first).to_be_visible()
    demo.expect_quiet()


def test_embedding_hides_the_footer(visit, open_page):
    """?embed=1 leaves out the footer; without it the footer leads to the API."""
    page = visit("/surprisal?embed=1")
    open_page(page)
    expect(page.locator("footer")).to_be_hidden()
    page = visit("/surprisal")
    open_page(page)
    expect(page.locator("footer")).to_be_visible()
    expect(page.locator("footer")).to_contain_text("API")


def test_embedded_in_a_course_page(visit):
    """In a frame of another page a demo comes alive and can be used."""
    page = visit.blank()
    page.set_content(f"<iframe src='{visit.url}/next-token?embed=1' width=900 height=700>")
    frame = page.frame_locator("iframe")
    chips = frame.locator(".lab-strip .lab-chip")
    expect(chips.first).to_be_visible(timeout=60_000)
    before = chips.count()
    frame.locator(".lab-list").get_by_role("option").nth(1).click()
    expect(chips).to_have_count(before + 1)


def test_reload_keeps_working(visit, open_tab):
    """After a reload, even in the middle of generating, the page is as new."""
    # Gradio's client logs the end of its own event stream when a page is left while one runs
    # and what it makes of the half message it had then
    visit.expected = re.compile(
        r"AbortError: signal is aborted|Connection errored out|Unexpected client exception"
    )
    page = visit()
    demo = open_tab(page, "Next-Token")
    given = demo.ids()
    demo.button("Always the top one, ten times").click()
    expect(demo.chips.nth(len(given) + 1)).to_be_attached()
    page.reload()
    demo = open_tab(page, "Next-Token")
    expect(demo.chips).to_have_count(len(given) + 1)
    demo.rows.first.click()
    expect(demo.chips).to_have_count(len(given) + 2)
    demo.expect_quiet()


def test_two_people_do_not_see_each_other(visit, open_page):
    """Two visitors each have a document of their own."""
    first, second = (open_page(visit("/next-token")) for _ in range(2))
    given = second.ids()
    for n in (2, 3):
        first.rows.nth(1).click()
        expect(first.chips).to_have_count(len(given) + n)
    second.rows.nth(4).click()
    expect(second.chips).to_have_count(len(given) + 2)
    assert first.ids()[: len(given)] == second.ids()[: len(given)] == given
    assert first.ids()[len(given)] != second.ids()[len(given)]


def test_terms_explain_themselves(visit, open_page):
    """Hovering over a number says what its name means and the exact value; so does focus."""
    demo = open_page(visit("/next-token"))
    number = demo.root.locator(".lab-fact", has_text="entropy")
    said = demo.hover_says(number)
    assert "whole vocabulary" in said["entropy"]
    assert re.fullmatch(r"\d+\.\d{6} bits", said["exactly"])
    demo.page.mouse.move(2, 2)
    number.focus()
    expect(demo.root.get_by_role("tooltip")).to_be_visible()


def test_touch(visit, open_page):
    """On a phone a tap on a candidate appends it, and a tap on a token shows its distribution."""
    demo = open_page(visit("/next-token", size=PHONE, touch=True))
    before = len(demo.ids())
    demo.rows.nth(1).tap()
    expect(demo.chips).to_have_count(before + 2)
    demo.chips.nth(before).tap()
    expect(demo.title).to_contain_text(f"(token {before})")

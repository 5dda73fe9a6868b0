"""A link opened by a person: the page it was copied from, its tab, and nothing that runs."""

from urllib.parse import quote

from playwright.sync_api import expect

HOSTILE = "<img src=x onerror=pwned=1>${pwned=1}{{pwned}}"


def selected_tab(page):
    return page.locator("button[role=tab][aria-selected=true]")


def chips(page):
    return page.locator(".lab-chip:visible")


def box(page, text):
    """The visible text boxes hold ``text`` in one of them."""
    expect(page.locator("textarea:visible").first).to_be_visible()
    page.wait_for_function(
        "text => [...document.querySelectorAll('textarea')].some(t => t.value === text)", arg=text
    )


def copied(page):
    """The link the page gives of what it shows."""
    page.get_by_text("Link to what you see").locator("visible=true").click()
    page.get_by_role("button", name="Copy link").locator("visible=true").click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('textarea')].some(t => t.value.includes('?v=1&'))"
    )
    return page.evaluate(
        "() => [...document.querySelectorAll('textarea')].map(t => t.value)"
        ".find(v => v.includes('?v=1&'))"
    )


def test_a_copied_link_opens_the_same_page(smollm2_app, visits):
    """Tab, text, selection and settings; its own link is the same link."""
    visit = visits(smollm2_app)
    first = visit("/?v=1&demo=surprisal&text=To%20be%20or%20not%20to%20be&span=1:4")
    expect(selected_tab(first)).to_have_text("Surprisal")
    box(first, "To be or not to be")
    expect(first.locator(".lab-chip[aria-selected=true]:visible")).to_have_count(3)
    link = copied(first)
    again = visit(link.removeprefix(smollm2_app.url))
    expect(selected_tab(again)).to_have_text("Surprisal")
    expect(again.locator(".lab-chip[aria-selected=true]:visible")).to_have_count(3)
    assert copied(again) == link


def test_a_selection_survives_its_own_text(smollm2_app, visits):
    """Gradio reports the linked text as changed; the Tokenizer keeps the link's selection."""
    page = visits(smollm2_app)("/tokenizer?v=1&text=Z%C3%BCrich%20caf%C3%A9&span=1:3")
    expect(page.locator(".lab-chip[aria-selected=true]:visible")).to_have_count(2)
    box(page, "Zürich café")


def test_hostile_links_run_nothing(smollm2_app, visits):
    """Text is text, what can't be used is said, and the page is alive."""
    visit = visits(smollm2_app)
    for path in (
        f"/surprisal?v=1&text={quote(HOSTILE)}&span=9:1&model=javascript:alert(1)",
        f"/tokenizer?v=1&text={quote(HOSTILE)}&{quote(HOSTILE)}=1",
        "/?v=1&demo=../../etc/passwd&z=AAAA",
    ):
        page = visit(path)
        expect(page.get_by_label("About this link").locator("visible=true")).to_be_visible()
        expect(chips(page).first).to_be_visible()

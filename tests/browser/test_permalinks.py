"""A link opened by a person: the page it was copied from, whichever demo, and nothing that runs."""

import json
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=pwned=1>${pwned=1}{{pwned}}"
MESSAGES = '[{"role":"user","content":"Name a colour."}]'
STATES = {
    "tokenizer": ("Tokenizer", "text=Z%C3%BCrich%20caf%C3%A9%20%3C|im_end|%3E&span=1:3"),
    "next-token": ("Next-Token", "text=The%20capital%20of%20France%20is"),
    "sampling": ("Sampling", "text=My%20favourite%20season%20is&temperature=0.5&top_p=1.0&r=0.62"),
    "surprisal": ("Surprisal", "text=To%20be%20or%20not%20to%20be&span=1:4"),
    "chat-document": (
        "Chat-as-Document",
        f"text=And%20now%3F&messages={quote(MESSAGES)}&reply=sampled&temperature=0.8&seed=7",
    ),
}
ON_SHOW = """() => ({
  texts: [...document.querySelectorAll("textarea")].filter((box) => box.checkVisibility())
    .map((box) => box.value).filter((text) => !text.includes("?v=1&")),
  numbers: [...document.querySelectorAll("input[type=number]")]
    .filter((box) => box.checkVisibility()).map((box) => box.value),
  chips: [...document.querySelectorAll(".lab-strip .lab-chip")]
    .filter((chip) => chip.checkVisibility())
    .map((chip) => [chip.getAttribute("aria-label"), chip.getAttribute("aria-selected")]),
  rows: [...document.querySelectorAll(".lab-list .lab-row")]
    .filter((row) => row.checkVisibility()).map((row) => row.getAttribute("aria-label")),
})"""


def copied(demo):
    """The link the page gives of what it shows; what must not change is read before."""
    demo.expect_quiet()
    before = demo.page.evaluate(ON_SHOW)
    demo.root.get_by_text("Link to what you see").click()
    demo.button("Copy link").click()
    box = demo.root.locator(".lab-link textarea")
    expect(box).to_have_value(re.compile(r"\?v=1&"))
    return box.input_value(), before


def change(demo, slug):
    """Something a link must carry beyond what could be written by hand."""
    before = demo.chips.count()
    if slug in ("next-token", "chat-document"):
        for n in (3, 1):
            demo.rows.nth(n).click()
            expect(demo.chips).to_have_count(before := before + 1)
        demo.chips.nth(before - 3).click()
        expect(demo.title).to_contain_text(f"(token {before - 3})")
    if slug == "sampling":
        for n in (1, 2):
            demo.button("Draw r").click()
            demo.expect_quiet()
            demo.button("Append it").click()
            expect(demo.chips).to_have_count(before + n)


@pytest.mark.parametrize(
    ("slug", "alone"), [*((slug, True) for slug in STATES), ("chat-document", False)]
)
def test_a_copied_link_opens_the_same_page(smollm2_app, visits, open_tab, open_page, slug, alone):
    """In a browser that knows nothing: texts, numbers, tokens, selection, rows, its own link.

    On the tabs the same code is at work; one demo that is not the first stands for all.
    """
    title, state = STATES[slug]
    visit = visits(smollm2_app)

    def opened(path):
        page = visit(path)
        if not alone:  # the link has opened the tab
            expect(page.locator("button[role=tab][aria-selected=true]")).to_have_text(title)
        demo = open_page(page) if alone else open_tab(page, title)
        demo.expect_quiet()
        return demo

    path = f"/{slug}?v=1&{state}" if alone else f"/?v=1&demo={slug}&{state}"
    first = opened(path)
    text = re.search(r"text=([^&]*)", state)[1]
    expect(first.page.locator("textarea:visible").nth(0)).not_to_have_value("")
    first.page.wait_for_function(HOLDS, arg=text)
    change(first, slug)
    link, shown = copied(first)
    again = opened(link.removeprefix(smollm2_app.url))
    assert_shown(again.page, shown)
    if slug == "chat-document":  # the selected token can be gone on from at once
        expect(again.button(f"Generate from token {again.chips.count() - 3}")).to_be_enabled()
    assert copied(again)[0] == link


HOLDS = """text => [...document.querySelectorAll("textarea")]
  .some((box) => box.checkVisibility() && box.value === decodeURIComponent(text))"""


def assert_shown(page, shown):
    """The page shows the same, once it has drawn it."""
    words, numbers = apart(shown)
    for _ in range(50):
        found, values = apart(page.evaluate(ON_SHOW))
        if found == words:
            break
        page.wait_for_timeout(200)
    assert found == words
    assert values == pytest.approx(numbers, rel=1e-3, abs=1e-3)


def apart(shown):
    """(words, numbers with a point): picked one by one or scored at once, last digits differ."""
    text, number = json.dumps(shown, ensure_ascii=False), r"-?\d+\.\d+(?:e-?\d+)?"
    return re.sub(number, "#", text), [float(found) for found in re.findall(number, text)]


def test_a_selection_survives_its_own_text(smollm2_app, visits):
    """Gradio reports the linked text as changed; the Tokenizer keeps the link's selection."""
    page = visits(smollm2_app)("/tokenizer?v=1&text=Z%C3%BCrich%20caf%C3%A9&span=1:3")
    expect(page.locator(".lab-chip[aria-selected=true]:visible")).to_have_count(2)
    page.wait_for_function(HOLDS, arg=quote("Zürich café"))


HOSTILE_PATHS = (
    f"/surprisal?v=1&text={quote(HOSTILE)}&span=9:1&model=javascript:alert(1)",
    f"/tokenizer?v=1&text={quote(HOSTILE)}&{quote(HOSTILE)}=1",
    "/?v=1&demo=../../etc/passwd&z=AAAA",
    f"/next-token?v=1&text={quote(HOSTILE)}&ids=1,99999999&picks=5:2",
    f"/sampling?v=1&text={quote(HOSTILE)}&draws=1:nan:1:0:1:0&seed=${{7*7}}",
    f"/chat-document?v=1&system={quote(HOSTILE)}&text={quote(HOSTILE)}&templated=9&form="
    + quote("{{ cycler.__init__.__globals__ }}"),
    "/chat-document?v=1&replies=1:2:3:4&messages="
    + quote(f'[{{"role":"{HOSTILE[:40]}","content":"{HOSTILE}"}}]'),
    f"/?v=1&demo={quote(HOSTILE)}&__proto__=x&constructor=y&q={quote(HOSTILE)}",
    "/surprisal?v=1&text=%ff%fe&__theme=javascript:alert(1)&embed=1&view=%3Cscript%3E",
)


def test_hostile_links_run_nothing(smollm2_app, visits, open_page):
    """Text is text, what can't be used is said; another visitor's page stays as it was."""
    visit = visits(smollm2_app)
    other = open_page(visit("/next-token"))
    other.rows.nth(2).click()
    expect(other.rows.first).to_be_visible()
    other.expect_quiet()
    before = other.page.evaluate(ON_SHOW)
    for path in HOSTILE_PATHS:
        page = visit(path)
        expect(page.locator(".lab-chip:visible").first).to_be_visible()
        if "%ff" not in path:
            expect(page.get_by_label("About this link").locator("visible=true")).to_be_visible()
        visit.leave(page)
    assert other.page.evaluate(ON_SHOW) == before
    other.rows.nth(1).click()
    expect(other.chips).to_have_count(len(before["chips"]) + 1)

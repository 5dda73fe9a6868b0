"""A link opened by a person: the page it was copied from, whichever demo, and nothing that runs."""

import json
import re
from dataclasses import fields
from urllib.parse import quote, urlencode

import pytest
import serving
from hostile_links import HOSTILE, SCRIPTS
from playwright.sync_api import expect

from core.link_states import STATES as STATES_OF_LINKS

pytestmark = pytest.mark.browser
RUNNING = "<img src=x onerror=pwned=1>${pwned=1}{{pwned}}"
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
  switches: [...document.querySelectorAll("input[type=checkbox], input[type=radio]")]
    .filter((box) => box.checkVisibility())
    .map((box) => box.checked),
  folded: document.querySelectorAll(".lab-strip-folded").length,
  facts: [...document.querySelectorAll(".lab-facts")]
    .filter((facts) => facts.checkVisibility()).map((facts) => facts.innerText),
})"""


def copied(demo):
    """The link the page gives of what it shows; what must not change is read before."""
    demo.expect_quiet()
    before = demo.page.evaluate(ON_SHOW)
    demo.unfold("Link to what you see")
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
        demo.chips.nth(before - 2).click(modifiers=["Shift"])
        expect(demo.root.locator(".lab-facts", has_text="selected").first).to_be_visible()
    if slug == "chat-document":
        demo.root.get_by_label("Compact").check()
        expect(demo.root.locator(".lab-strip-folded")).to_have_count(1)
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
    """In a session of its own, in a browser that has stored nothing: texts, numbers, switches,
    tokens, selection, rows, its own link.

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
    first.page.context.clear_cookies()
    first.page.evaluate("localStorage.clear(), sessionStorage.clear()")
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


# of the page with the tabs and of frames; what each demo's own parameters do is below
HOSTILE_PATHS = (
    "/?v=1&demo=../../etc/passwd&z=AAAA",
    f"/?v=1&demo={quote(RUNNING)}&__proto__=x&constructor=y&q={quote(RUNNING)}",
    f"/surprisal?v=1&text=%ff%fe&__theme=javascript:alert(1)&embed=1&{quote(RUNNING)}=1",
    "/chat-document?v=1&view=%3Cscript%3E&replies=1:2:3:4&messages="
    + quote(f'[{{"role":"{RUNNING[:40]}","content":"{RUNNING}"}}]'),
)


def crowded(slug, n):
    """A link whose every parameter is hostile: the n-th value of each that fits an address, and,
    every other time, scripts as text wherever words stand."""
    said = {"v": "1"}
    for name in (f.name for f in fields(STATES_OF_LINKS[slug])):
        values = [value for value in HOSTILE[name] if value and len(value) < 1000]
        said[name] = values[n % len(values)]
    scripts = "\n".join(SCRIPTS)
    words = {"text": scripts, "system": scripts}
    words["messages"] = json.dumps([{"role": "user", "content": scripts}])
    if n % 2 == 0:
        said |= {name: words[name] for name in said.keys() & words.keys()}
    return said


def test_hundreds_of_hostile_values_run_nothing(visits, open_page):
    """Made by hand, all parameters of a link at once, in every demo: a page with a note, where
    no script ran; another visitor's page stays as it was and goes on."""
    visit = visits(serving.running("toy"))
    other = open_page(visit("/next-token"))
    other.rows.nth(2).click()
    other.expect_quiet()
    before, tried, paths = other.page.evaluate(ON_SHOW), {*SCRIPTS}, [*HOSTILE_PATHS]
    for n, slug in enumerate([*STATES_OF_LINKS] * 4):
        said = crowded(slug, n)
        tried |= set(said.items())
        paths.append(f"/{slug}?{urlencode(said, quote_via=quote, errors='surrogatepass')}")
    assert len(tried) >= 200
    for path in paths:
        page = visit(path)
        expect(page.locator(".lab-chip:visible").first).to_be_visible()
        about = page.get_by_label("About this link").locator("visible=true")
        expect(about).to_have_value(re.compile("ignored|does not exist|left out"))
        visit.leave(page)
    assert other.page.evaluate(ON_SHOW) == before
    other.rows.nth(1).click()
    expect(other.chips).to_have_count(len(before["chips"]) + 1)

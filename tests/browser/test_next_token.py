"""Next-Token, as a person uses it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    return demo


def label(row):
    """The token a candidate row shows."""
    return row.locator(".lab-chip").inner_text()


def test_opens_alive(demo):
    """The page opens on a document with its candidates, their numbers, the rest and a chart."""
    expect(demo.title).to_have_text(re.compile("^Next token, after"))
    expect(demo.rows.first).to_contain_text("%")
    expect(demo.rows.first).to_contain_text("bits")
    expect(demo.root.locator(".lab-row-rest")).to_contain_text("49,142 tokens")
    assert demo.facts("entropy")["entropy"].endswith(" bits")
    expect(demo.root.locator(".js-plotly-plot")).to_be_visible()


def test_click_appends_exactly_one_token(demo):
    """Clicking the second candidate appends it, and nothing before it changes."""
    before = demo.ids()
    token = label(demo.rows.nth(1))
    demo.rows.nth(1).click()
    expect(demo.chips).to_have_count(len(before) + 2)  # and the "?" of the next token
    assert demo.ids()[:-1] == before
    assert demo.chips.nth(len(before)).inner_text() == token
    expect(demo.title).to_contain_text(token)


def test_an_earlier_token_shows_what_it_was_chosen_from(demo):
    """Clicking a chosen token shows its distribution, with it marked; clicking "?" returns."""
    given = len(demo.ids())
    token = label(demo.rows.nth(2))
    demo.rows.nth(2).click()
    expect(demo.chips).to_have_count(given + 2)
    demo.rows.first.click()
    expect(demo.chips).to_have_count(given + 3)
    demo.chips.nth(given).click()
    expect(demo.title).to_contain_text(f"(token {given})")
    marked = demo.root.locator(".lab-row-chosen")
    expect(marked).to_have_count(1)
    expect(marked).to_contain_text("chosen")
    assert label(marked) == token
    expect(marked).to_have_attribute("aria-selected", "true")
    demo.chips.last.click()
    expect(demo.title).to_have_text(re.compile("^Next token"))
    expect(marked).to_have_count(0)


def test_a_token_of_the_text_outside_the_list_is_shown_apart(demo):
    """A token that is not among the ten is shown below them, marked, with its rank."""
    demo.box("Document").fill("The cat zebra")
    demo.button("Use this text").click()
    expect(demo.strip).to_contain_text("zebra")
    demo.chips.nth(len(demo.ids()) - 1).click()
    apart = demo.root.locator(".lab-row-apart")
    expect(apart).to_contain_text("chosen")
    expect(demo.rows).to_have_count(11)
    assert int(apart.locator(".lab-rank").inner_text()) > 10


def test_first_token_says_that_nothing_stands_before_it(demo):
    """At the first token there is no list, and the heading says why."""
    demo.chips.first.click()
    expect(demo.title).to_contain_text("no prediction")
    expect(demo.rows).to_have_count(0)


def test_undo_and_reset(demo):
    """Undo goes back one choice, reset to the text."""
    given = demo.ids()
    for n in (1, 2):
        demo.rows.first.click()
        expect(demo.chips).to_have_count(len(given) + 1 + n)
    demo.button("Undo").click()
    expect(demo.chips).to_have_count(len(given) + 2)
    demo.rows.nth(3).click()
    expect(demo.chips).to_have_count(len(given) + 3)
    demo.button("Reset").click()
    expect(demo.chips).to_have_count(len(given) + 1)
    assert demo.ids() == given


def test_always_the_top_one_ten_times(demo):
    """Ten tokens are appended, one after the other, each of rank 1."""
    given = demo.ids()
    demo.button("Always the top one, ten times").click()
    expect(demo.chips).to_have_count(len(given) + 11)
    demo.expect_quiet()
    assert demo.ids()[: len(given)] == given
    assert all(name.endswith("rank 1") for name in demo.names()[len(given) : -1])


# a fast machine writes ten tokens in the time that Playwright takes to click
STOP_AFTER = "([go, stop, ms]) => { go.click(); setTimeout(() => stop.click(), ms); }"


def test_stop_keeps_what_is_there(demo, visit):
    """Stop keeps the tokens so far, and the next click goes on from them."""
    # Gradio knows no name yet for what was begun this very moment; the page stops it all the same
    visit.expected = re.compile("status of 422")
    words = "A text that no other test has asked of the model, " * 20
    demo.box("Document").fill(words)
    demo.button("Use this text").click()
    expect(demo.chips.nth(200)).to_be_attached()
    demo.expect_quiet()
    buttons = demo.button("Always the top one, ten times"), demo.button("Stop")
    handles = [button.element_handle() for button in buttons]
    for milliseconds in range(50, 400, 50):  # until one is neither before the first nor too late
        given = demo.ids()
        demo.page.evaluate(STOP_AFTER, [*handles, milliseconds])
        demo.page.wait_for_timeout(1000)
        demo.expect_quiet()
        stopped = demo.ids()
        assert stopped[: len(given)] == given
        if 0 < len(stopped) - len(given) < 10:
            break
    assert 0 < len(stopped) - len(given) < 10
    demo.rows.first.click()
    expect(demo.chips).to_have_count(len(stopped) + 2)
    assert demo.ids()[: len(stopped)] == stopped


def test_keyboard_walks_the_strip(demo):
    """With the strip focused, arrows, Home and End move the selection and its distribution."""
    demo.chips.nth(2).click()
    expect(demo.title).to_contain_text("(token 2)")
    expect(demo.strip).to_be_focused()
    demo.page.keyboard.press("ArrowRight")
    expect(demo.title).to_contain_text("(token 3)")
    demo.page.keyboard.press("ArrowLeft")
    demo.page.keyboard.press("ArrowLeft")
    expect(demo.title).to_contain_text("(token 1)")
    demo.page.keyboard.press("Home")
    expect(demo.title).to_contain_text("no prediction")
    demo.page.keyboard.press("End")
    expect(demo.title).to_have_text(re.compile("^Next token"))
    expect(demo.chips.last).to_have_attribute("aria-selected", "true")


def test_keyboard_chooses_a_candidate(demo):
    """With the list focused, arrows and Enter choose a candidate, and so does its number."""
    before = demo.ids()
    tokens = [label(demo.rows.nth(n)) for n in range(3)]
    demo.root.locator(".lab-list").focus()
    demo.page.keyboard.press("ArrowDown")
    demo.page.keyboard.press("ArrowDown")
    demo.page.keyboard.press("Enter")
    expect(demo.chips).to_have_count(len(before) + 2)
    assert demo.chips.nth(len(before)).inner_text() == tokens[1]
    third = label(demo.rows.nth(2))
    demo.page.keyboard.press("3")
    expect(demo.chips).to_have_count(len(before) + 3)
    assert demo.chips.nth(len(before) + 1).inner_text() == third


def test_fast_clicks_do_not_append_twice(demo):
    """A double click on a candidate appends it once: the second click is of a used list."""
    before = demo.ids()
    token = label(demo.rows.nth(1))
    demo.rows.nth(1).dblclick()
    expect(demo.chips.nth(len(before) + 1)).to_be_attached()
    demo.expect_quiet()
    after = demo.ids()
    assert after[: len(before)] == before
    assert demo.chips.nth(len(before)).inner_text() == token
    assert len(after) in {len(before) + 1, len(before) + 2}


def test_an_example_is_one_click(demo):
    """An example button opens its document."""
    demo.root.get_by_role("button", name="def fibonacci").click()
    expect(demo.strip).to_contain_text("fib")
    expect(demo.rows).to_have_count(10)


def test_hover_gives_the_exact_numbers(demo):
    """Hovering over a candidate gives its probability, bits, log-prob and rank in full."""
    said = demo.hover_says(demo.rows.first)
    assert {"probability", "surprisal", "log-prob", "rank", "token id"} <= set(said)
    assert said["rank"] == "1"
    assert re.fullmatch(r"\d+\.\d{6} bits", said["surprisal"])


def test_looking_ahead_shows_what_clicking_on_would_write(demo):
    """Under each candidate stands its continuation: choose it, then always the top one."""
    demo.slider("Look ahead").fill("3")
    ahead = demo.root.locator(".lab-row:not(.lab-row-head) .lab-ahead")
    expect(ahead).to_have_count(10)
    promised = ahead.nth(1).inner_text()
    given = len(demo.ids())
    demo.rows.nth(1).click()
    for n in range(1, 4):
        expect(demo.chips).to_have_count(given + n + 1)
        demo.rows.first.click()
    expect(demo.chips).to_have_count(given + 5)
    written = "".join(demo.chips.nth(given + 1 + n).inner_text() for n in range(3))
    assert written == promised
    expect(ahead).to_have_count(10)  # for the new document
    demo.slider("Look ahead").fill("0")
    expect(ahead).to_have_count(0)


def test_a_changed_text_is_marked_until_it_is_used(demo):
    """While the box holds another text than the document, it says so; taken back, no longer."""
    box, use = demo.box("Document"), demo.button("Use this text")
    label = demo.root.locator("[data-testid='block-info']").first
    begun = box.input_value()
    expect(label).to_have_text("Document")
    box.press_sequentially(" x", delay=60)
    expect(label).to_have_text("Document: changed, not used yet")
    expect(use).to_have_class(re.compile("primary"))
    expect(box).to_have_value(begun + " x")
    expect(box).to_be_focused()
    box.press("Backspace")
    box.press("Backspace")
    expect(label).to_have_text("Document")
    box.fill("The cat sat")
    expect(label).to_have_text("Document: changed, not used yet")
    use.click()
    expect(demo.chips).to_have_count(4)
    expect(label).to_have_text("Document")
    expect(use).not_to_have_class(re.compile("primary"))


def test_the_hover_box_goes_once_a_token_is_clicked(demo):
    """It shows on hover, goes with the click and stays away until the pointer was elsewhere."""
    tip = demo.hover(demo.chips.nth(1))
    demo.chips.nth(1).click()
    expect(tip).to_be_hidden()
    expect(demo.title).to_contain_text("(token 1)")
    demo.expect_quiet()
    expect(tip).to_be_hidden()
    demo.hover(demo.chips.nth(2))
    demo.rows.first.hover()
    expect(demo.root.get_by_role("tooltip")).to_have_count(1)  # the list's own


IN_VIEW = """(strip) => {
  const chip = strip.querySelector(".lab-selected").getBoundingClientRect();
  const frame = strip.getBoundingClientRect();
  return chip.top >= frame.top && chip.bottom <= frame.bottom && window.scrollY === 0;
}"""


@pytest.mark.parametrize("path", ["/next-token?v=1", "/?v=1&demo=next-token"])
@pytest.mark.parametrize("at", ["", "&at=70"])
def test_a_link_shows_the_place_it_is_about(visit, open_page, open_tab, path, at):
    """In a long document the selected token, else the end, is seen in the strip; the page stays."""
    page = visit(f"{path}{at}&text={'every%20ship%20is%20a%20ship%20' * 25}")
    demo = open_tab(page, "Next-Token") if path.startswith("/?") else open_page(page)
    expect(demo.strip.locator(".lab-selected")).to_have_count(1)
    expect(demo.rows.nth(9)).to_be_visible()
    page.wait_for_function(IN_VIEW, arg=demo.strip.element_handle())


def test_a_token_clicked_while_tokens_are_written_stays_selected(demo):
    """The ring is on the token that the candidates are about, and what reads it later agrees."""
    for _ in range(6):
        n = demo.chips.count()
        demo.button("Always the top one, ten times").click()
        expect(demo.chips).not_to_have_count(n)
        demo.chips.nth(2).click()
        demo.expect_quiet()
        expect(demo.title).to_contain_text("(token 2)")
        expect(demo.chips.nth(2)).to_have_attribute("aria-selected", "true")
        assert demo.strip.locator("[aria-selected=true]").count() == 1
        demo.button("Reset").click()
        demo.expect_quiet()


def test_a_text_typed_while_tokens_are_written_is_marked(demo):
    """The box says that it holds another text than the document, at the latest when it ends."""
    demo.button("Always the top one, ten times").click()
    expect(demo.chips.nth(7)).to_be_visible()
    demo.root.get_by_role("textbox", name=re.compile("^Document")).fill("Another text")
    demo.expect_quiet()
    expect(demo.root.get_by_label("Document: changed, not used yet")).to_be_visible()


def test_a_finger_that_scrolls_selects_nothing(demo):
    """Chromium takes the touch away once it is a scroll: the ring is where it was."""
    chip, before = demo.chips.nth(1), demo.strip.locator("[aria-selected=true]")
    name = before.get_attribute("aria-label")
    touch = {"bubbles": True, "pointerType": "touch", "pointerId": 5}
    chip.dispatch_event("pointerdown", touch)
    expect(chip).to_have_attribute("aria-selected", "true")
    chip.dispatch_event("pointercancel", touch)
    expect(before).to_have_attribute("aria-label", name)
    assert before.count() == 1

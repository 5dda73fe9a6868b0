"""Writing a document with the keyboard alone, in both demos that write one."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
FOCUSED = "() => document.activeElement.className || document.activeElement.tagName"


@pytest.fixture(params=["/next-token", "/chat-document"])
def demo(visit, open_page, request):
    demo = open_page(visit(request.param))
    expect(demo.rows).to_have_count(10)
    demo.expect_quiet()
    return demo


@pytest.fixture
def next_token(visit, open_page):
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    demo.expect_quiet()
    return demo


def label(row):
    """The token a candidate row shows."""
    return row.locator(".lab-chip").inner_text()


def press(demo, *keys):
    """Press keys one right after the other."""
    for key in keys:
        demo.page.keyboard.press(key)


def expect_tokens(demo, n):
    """The document has n tokens, and the "?" after them."""
    expect(demo.chips).to_have_count(n + 1)


def test_nothing_focused(demo):
    """Right after loading: a digit chooses, Enter appends the first, Backspace undoes."""
    assert demo.page.evaluate(FOCUSED) == "BODY"
    given = demo.ids()
    third = label(demo.rows.nth(2))
    press(demo, "3")
    expect_tokens(demo, len(given) + 1)
    assert demo.chips.nth(len(given)).inner_text() == third
    demo.expect_quiet()
    first = label(demo.rows.first)
    press(demo, "Enter")
    expect_tokens(demo, len(given) + 2)
    assert demo.chips.nth(len(given) + 1).inner_text() == first
    press(demo, "Backspace")
    expect_tokens(demo, len(given) + 1)
    press(demo, "Backspace")
    expect_tokens(demo, len(given))
    assert demo.ids() == given
    assert demo.page.evaluate(FOCUSED) == "BODY"


def test_focus_stays_where_it_was(demo):
    """From the strip 1, 1, 1, Backspace; the strip keeps the focus, and so does the list."""
    given = len(demo.ids())
    demo.chips.last.click()
    demo.expect_quiet()
    for n in (1, 2, 3):
        press(demo, "1")
        expect_tokens(demo, given + n)
    press(demo, "Backspace")
    expect_tokens(demo, given + 2)
    expect(demo.strip).to_be_focused()
    demo.rows.nth(1).click()
    expect_tokens(demo, given + 3)
    press(demo, "2")
    expect_tokens(demo, given + 4)
    expect(demo.root.locator(".lab-writing .lab-list")).to_be_focused()


def test_fast_keys_are_all_done_once(demo):
    """Keys pressed without a pause: each appends one token of its own list, none twice."""
    given = demo.ids()
    press(demo, "1", "1", "2", "1", "Backspace", "Enter")
    # the last key is Enter, on a list that waits for Backspace's view
    for at, rank in enumerate([1, 1, 2, 1]):
        last = demo.chips.nth(len(given) + at)
        expect(last).to_have_attribute("aria-label", re.compile(f"rank {rank}$"))
    expect(demo.chips.nth(len(given) + 4)).to_have_text("?")
    demo.expect_quiet()
    expect_tokens(demo, len(given) + 4)
    assert demo.ids()[: len(given)] == given


def test_fast_clicks_are_all_done_once(demo):
    """Clicks wait like keys: each takes its row of the list that the one before led to."""
    given = demo.ids()
    for rank in (2, 1, 3):
        demo.rows.nth(rank - 1).click()
    press(demo, "1")
    for at, rank in enumerate([2, 1, 3, 1]):
        last = demo.chips.nth(len(given) + at)
        expect(last).to_have_attribute("aria-label", re.compile(f"rank {rank}$"))
    demo.expect_quiet()
    expect_tokens(demo, len(given) + 4)
    assert demo.ids()[: len(given)] == given


def test_a_key_waits_for_a_forced_rank(demo):
    """A key pressed while a button's token is on its way takes its row of the list after it."""
    given = demo.ids()
    demo.unfold("Force a token")
    demo.root.get_by_role("spinbutton", name="Rank").fill("5")
    demo.button("Take this rank").click()
    press(demo, "1", "2")
    for at, rank in enumerate([5, 1, 2]):
        last = demo.chips.nth(len(given) + at)
        expect(last).to_have_attribute("aria-label", re.compile(f"rank {rank}$"))
    demo.expect_quiet()
    expect_tokens(demo, len(given) + 3)


def test_after_a_turn_the_keys_reach_the_list(visit, open_page):
    """Enter ends a turn, the next one takes the first token; words in a box keep the keys."""
    demo = open_page(visit("/chat-document"))
    expect(demo.rows).to_have_count(10)
    demo.expect_quiet()
    demo.button("New chat").click()
    expect_tokens(demo, 0)
    box = demo.box("Your message")
    box.fill("Name a colour.")
    box.press("Enter")
    expect(box).to_have_value("")
    expect(demo.root.locator(".lab-writing .lab-list")).to_be_focused()
    demo.expect_quiet()
    given = demo.ids()
    press(demo, "Enter", "2")
    expect_tokens(demo, len(given) + 2)
    assert [name[-6:] for name in demo.names()[len(given) : -1]] == ["rank 1", "rank 2"]
    demo.expect_quiet()
    box.fill("Another?")
    expect(demo.strip).to_contain_text("Another")
    demo.button("End turn").click()
    demo.box("System prompt").focus()  # which holds words that may be edited
    demo.expect_quiet()
    expect(demo.box("System prompt")).to_be_focused()


def test_an_earlier_place(next_token):
    """Arrows go back in the strip; a digit then continues from there, in that place's list."""
    demo = next_token
    given = demo.ids()
    demo.chips.last.click()
    demo.expect_quiet()
    press(demo, "ArrowLeft", "2")
    chosen = demo.chips.nth(len(given) - 1)
    expect(chosen).to_have_attribute("aria-label", re.compile("rank 2$"))
    expect(demo.title).to_have_text(re.compile("^Next token"))
    expect_tokens(demo, len(given))
    assert demo.ids()[:-1] == given[:-1]


def test_keys_in_other_places_stay_there(next_token):
    """In a text box and a number field keys type; on a button Enter presses it."""
    demo = next_token
    given = demo.ids()
    box = demo.box("Document")
    box.fill("The cat")
    press(demo, "1", "Backspace", "2")
    expect(box).to_have_value("The cat2")
    demo.slider("Look ahead").focus()
    press(demo, "5")
    assert demo.ids() == given
    demo.button("Undo").focus()
    press(demo, "1")
    expect_tokens(demo, len(given) + 1)
    press(demo, "Enter")  # the button's own
    expect_tokens(demo, len(given))
    demo.page.keyboard.press("Control+1")
    demo.expect_quiet()
    assert demo.ids() == given


def test_undo_with_nothing_to_undo_does_not_block(next_token):
    """Backspace at the beginning changes nothing, and the next key is done all the same."""
    given = len(next_token.ids())
    press(next_token, "Backspace", "1")
    expect_tokens(next_token, given + 1)


def test_in_tabs_only_the_desk_on_show(visit, open_tab):
    """Behind tabs both desks are there: keys reach the visible one, from its tab as well."""
    page = visit()
    chat = open_tab(page, "Chat-as-Document")
    expect(chat.rows).to_have_count(10)
    before = chat.ids()
    demo = open_tab(page, "Next-Token")
    expect(demo.rows).to_have_count(10)
    given = demo.ids()
    press(demo, "1")
    expect_tokens(demo, len(given) + 1)
    demo = open_tab(page, "Chat-as-Document")
    assert demo.ids() == before

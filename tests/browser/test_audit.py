"""The position audit, as a person uses it."""

import pytest
from panel import Panel, cells
from playwright.sync_api import expect
from screens import PHONE

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    return demo


def test_each_position_and_what_was_predicted_there(demo):
    """The table agrees with the candidate list of the same position; row 0 has no prediction."""
    predicted = demo.rows.first.locator(".lab-chip").inner_text()
    probability = demo.rows.first.locator(".lab-number").first.inner_text()
    n = len(demo.ids())
    panel = Panel(demo, "Position audit")
    panel.button("Show the positions around the selected one").click()
    lines = panel.table("Position by position")
    expect(lines).to_have_count(n + 1)
    first, *_, last = [cells(line) for line in lines.all()]
    assert (first[0], first[4]) == ("0", "no prediction")
    assert (last[0], last[1], last[3]) == (str(n), str(n - 1), "nothing yet")
    assert (last[6], last[7]) == (predicted, probability)
    expect(lines.last).to_have_class("lab-tone-here")
    demo.chips.nth(2).click()
    expect(demo.title.first).to_contain_text("(token 2)")
    demo.expect_quiet()
    listed = demo.rows.first.locator(".lab-chip").inner_text()
    panel.button("Show the positions around the selected one").click()
    expect(lines.nth(2)).to_have_class("lab-tone-here")
    assert cells(lines.nth(2))[6] == listed
    expect(panel.code()).to_contain_text("logprobs[i - 1]")


def test_a_long_document_shows_some_and_says_which(demo):
    """Twenty positions around the selected one, named in the title."""
    demo.box("Document").fill("one two three four five six seven eight nine ten " * 5)
    demo.button("Use this text").click()
    expect(demo.chips.nth(45)).to_be_attached()
    demo.expect_quiet()
    demo.chips.nth(25).click()
    expect(demo.title.first).to_contain_text("(token 25)")
    panel = Panel(demo, "Position audit")
    panel.button("Show the positions around the selected one").click()
    expect(panel.title()).to_contain_text("Positions 15 to 34 of a document of")
    expect(panel.table("Position by position")).to_have_count(20)


def test_on_a_phone_the_columns_keep_their_names(visit, open_page):
    """The table scrolls inside its frame under its heads; the page is no wider than the screen."""
    demo = open_page(visit("/next-token", PHONE))
    expect(demo.rows).to_have_count(10)
    panel = Panel(demo, "Position audit")
    panel.button("Show the positions around the selected one").click()
    expect(panel.table("Position by position").last).to_be_visible()
    expect(demo.root.get_by_role("columnheader", name="position").first).to_be_visible()
    assert demo.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

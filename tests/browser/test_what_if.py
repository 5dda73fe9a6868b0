"""What if this token were another one, as a person uses it."""

import re

import pytest
from panel import Panel
from playwright.sync_api import expect
from test_hostile_text import ALL, expect_no_markup

pytestmark = pytest.mark.browser
TEXT = "The capital of France is Paris. The people of France speak French."


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/next-token"))
    demo.box("Document").fill(TEXT)
    demo.button("Use this text").click()
    expect(demo.strip).to_contain_text("speak")
    demo.expect_quiet()
    return demo


@pytest.fixture
def panel(demo):
    demo.chips.nth(3).click()
    expect(demo.title.first).to_contain_text("France")
    return Panel(demo, "What if this token were another one?")


def chips(panel):
    return panel.root.get_by_role("listbox", name="one token replaced").get_by_role("option")


def changes(panel):
    """The change each chip says in its name; None where there is none."""
    names = chips(panel).evaluate_all("all => all.map((chip) => chip.getAttribute('aria-label'))")
    found = [re.search(r"change ([+−]?\d+\.\d+) bits", name) for name in names]
    return [float(match[1].replace("−", "-")) if match else None for match in found]


def test_typed(demo, panel):
    """“ Italy” for “ France”: every later token says its change; the document stays."""
    before = demo.ids()
    panel.root.get_by_role("textbox").fill(" Italy")
    panel.button("See what changes").click()
    expect(chips(panel)).to_have_count(len(before))
    found = changes(panel)
    assert found[:3] == [None] * 3
    assert all(change is not None for change in found[3:])
    paris = next(i for i, chip in enumerate(chips(panel).all()) if "Paris" in chip.inner_text())
    assert found[paris] > 1  # Paris is less to be expected of Italy
    total = panel.root.locator(".lab-fact", has_text="total change").inner_text()
    shown = float(re.search(r"([+−]\d+\.\d+) bits", total)[1].replace("−", "-"))
    assert shown == pytest.approx(sum(found[3:]), abs=0.01)
    expect(chips(panel).nth(paris)).to_have_attribute("data-change", re.compile("[678]"))
    expect(panel.root.locator(".js-plotly-plot")).to_contain_text("Which later tokens care?")
    expect(panel.code()).to_contain_text("edited = ")
    assert demo.ids() == before


def test_clicked(demo, panel):
    """A click on an alternative puts it there; the list follows the strip's selection."""
    rows = panel.root.locator(".lab-list").get_by_role("option")
    expect(rows.first).to_be_visible()
    rows.first.click()
    heading = panel.root.locator(".lab-strip-heading").filter(has_text="replaced by")
    expect(heading).to_contain_text("Token 3")
    demo.chips.nth(5).click()
    expect(panel.root.locator(".lab-list-title")).to_contain_text("(token 5)")


def test_the_first_token(demo, panel):
    """Token 0 replaced: no prediction there, and all later ones have their change."""
    demo.chips.first.click()
    expect(panel.root.locator(".lab-list-title")).to_contain_text("no prediction")
    panel.root.get_by_role("textbox").fill("A")
    panel.button("See what changes").click()
    expect(chips(panel)).to_have_count(len(demo.ids()))
    expect(panel.root.locator(".lab-facts")).to_contain_text("no prediction")
    assert changes(panel)[0] is None
    assert None not in changes(panel)[1:]


def test_two_tokens_are_refused(demo, panel, said):
    """A sentence says why, and the text that was typed is kept."""
    panel.root.get_by_role("textbox").fill("two words <img src=x onerror=alert(1)>")
    panel.button("See what changes").click()
    said(demo.page, "the place is for one")
    expect(panel.root.get_by_role("textbox")).to_have_value(re.compile("^two words"))


def test_hostile_tokens_in_all_panels(demo):
    """A hostile document is text in every table, strip and chart of the panels."""
    demo.box("Document").fill(ALL)
    demo.button("Use this text").click()
    expect(demo.strip).to_contain_text("onmouseover")
    demo.chips.nth(4).click()
    demo.expect_quiet()
    panel = Panel(demo, "What if this token were another one?")
    panel.root.get_by_role("textbox").fill("<")
    panel.button("See what changes").click()
    expect(chips(panel)).to_have_count(len(demo.ids()))
    for name, go, title in (
        ("Recovery: force rank 1 to 10", "Force rank 1 to 10, then greedy", "12 of 12"),
        ("Beam search: what is kept", "Search with beams", "8 of 8"),
        ("Position audit", "Show the positions around the selected one", "Positions"),
    ):
        other = Panel(demo, name)
        other.button(go).click()
        expect(other.root.locator(".lab-table-title").last).to_contain_text(title)
    demo.expect_quiet()
    expect_no_markup(demo)


def test_the_alternatives_follow_the_document(demo, panel):
    """They are of the place that is selected, also when a step or Undo moves it."""
    title = panel.root.locator(".lab-list-title")
    expect(title).to_contain_text("(token 3)")
    demo.rows.nth(1).click()
    expect(title).to_have_text("Select a token of the document in the strip")
    demo.chips.nth(2).click()
    expect(title).to_contain_text("(token 2)")
    demo.button("Undo").click()
    expect(title).to_have_text("Select a token of the document in the strip")
    demo.chips.nth(4).click()
    expect(title).to_contain_text("(token 4)")

"""Recovery, as a person uses it."""

import re

import pytest
from panel import Panel, cells
from playwright.sync_api import expect
from screens import PHONE

pytestmark = pytest.mark.browser


def opened(demo):
    expect(demo.rows).to_have_count(10)
    return Panel(demo, "Recovery: force rank 1 to 10")


def test_ten_continuations(visit, open_page):
    """One click: ten rows of the ranks the list shows, their text growing, numbers and a chart."""
    demo = open_page(visit("/next-token"))
    ranks = [row.locator(".lab-chip").inner_text() for row in demo.rows.all()]
    given = demo.ids()
    panel = opened(demo)
    panel.button("Force rank 1 to 10, then greedy").click()
    lines = panel.table("Ten continuations")
    expect(lines).to_have_count(10)
    expect(panel.title()).to_contain_text("12 of 12 tokens")
    assert [cells(line)[0] for line in lines.all()] == [str(n) for n in range(1, 11)]
    assert [cells(line)[1] for line in lines.all()] == ranks
    for line in lines.all():
        assert 1 <= line.locator("td").nth(3).locator(".lab-chip").count() <= 12
        numbers = [float(cells(line)[i]) for i in (2, 4, 5)]
        assert numbers[0] <= numbers[1]
    expect(panel.root.locator(".js-plotly-plot")).to_contain_text("back on its feet?")
    expect(panel.code()).to_contain_text("topk(10)")
    assert demo.ids() == given  # the document is as it was


def test_exact_numbers_on_hover(visit, open_page):
    """A token's bits and a row's sums in full."""
    demo = open_page(visit("/next-token"))
    panel = opened(demo)
    panel.button("Force rank 1 to 10, then greedy").click()
    expect(panel.title()).to_contain_text("12 of 12 tokens")
    demo.expect_quiet()
    line = panel.table("Ten continuations").nth(2)
    chip = line.locator("td").nth(3).locator(".lab-chip").first
    chip.scroll_into_view_if_needed()
    demo.page.wait_for_timeout(300)
    chip.hover()
    tip = panel.root.get_by_role("tooltip")
    expect(tip).to_contain_text(re.compile(r"\d\.\d{6} bits"))
    total = line.locator("td").nth(4)
    total.scroll_into_view_if_needed()
    demo.page.wait_for_timeout(300)  # what scrolls hides the tip
    total.hover()
    expect(tip).to_contain_text("bits per token after")


def test_stop_keeps_what_is_there(visit, open_page):
    """Stop ends it; the ten rows so far stay, and it can be begun again elsewhere."""
    demo = open_page(visit("/next-token"))
    # long steps: a busy page is slow to click
    demo.box("Document").fill("A text that no other test has forced ranks after. " * 80)
    demo.button("Use this text").click()
    expect(demo.chips.nth(600)).to_be_attached()
    demo.expect_quiet()
    panel = opened(demo)
    panel.root.get_by_role("slider").fill("40")
    expect(panel.root.get_by_role("spinbutton")).to_have_value("40")
    panel.button("Force rank 1 to 10, then greedy").click()
    lines = panel.table("Ten continuations")
    expect(lines).to_have_count(10)
    expect(panel.title()).to_contain_text("of 40")
    panel.button("Stop these").click()
    demo.expect_quiet()
    written = int(re.search(r"(\d+) of 40", panel.title().inner_text())[1])
    assert written < 40
    expect(lines).to_have_count(10)
    demo.chips.nth(3).click()
    panel.button("Force rank 1 to 10, then greedy").click()
    expect(panel.title()).to_contain_text("(position 3)")


def test_on_a_phone_the_page_is_no_wider_than_the_screen(visit, open_page):
    """The table scrolls within itself."""
    demo = open_page(visit("/next-token", size=PHONE))
    panel = opened(demo)
    panel.button("Force rank 1 to 10, then greedy").click()
    expect(panel.title()).to_contain_text("12 of 12 tokens")
    width = demo.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]

"""Beam search made visible, as a person uses it."""

import re

import pytest
from panel import Panel, cells
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    return demo


def sliders(panel, width, steps):
    found = panel.root.get_by_role("slider")
    expect(found).to_have_count(2)
    for slider, value in zip(found.all(), (width, steps), strict=True):
        slider.fill(str(value))


def test_every_step_is_shown(demo):
    """Kept and pruned texts of each step, sorted by total log-prob; greedy beside."""
    panel = Panel(demo, "Beam search: what is kept")
    sliders(panel, 2, 5)
    panel.button("Search with beams").click()
    expect(panel.root.locator(".lab-table-title").last).to_contain_text("5 of 5 steps, 2 beams")
    demo.expect_quiet()
    lines = [cells(line) for line in panel.table("Every step of the beam search").all()]
    assert [line[0] for line in lines if line[0]] == ["1", "2", "3", "4", "5"]
    assert sum(line[1].startswith("kept") for line in lines) == 10
    step = [float(line[3]) for line in lines[2:6]]
    assert step == sorted(step, reverse=True)
    greyed = panel.root.locator(".lab-tone-pruned")
    assert greyed.count() == sum(line[1] == "pruned" for line in lines)
    both = [cells(line) for line in panel.table("Beam search beside greedy decoding").all()]
    assert [line[0].partition(":")[0] for line in both] == ["beam search", "greedy"]
    totals = [float(line[3]) for line in both]
    verdict = panel.title().inner_text()
    assert ("times as probable" in verdict) == (totals[0] != totals[1])
    expect(panel.code()).to_contain_text("def beam_search(width)")


def test_stop_keeps_what_is_there(demo):
    """Stop ends the search; the steps so far stay."""
    demo.box("Document").fill("A text that no other test has searched beams after. " * 20)
    demo.button("Use this text").click()
    expect(demo.chips.nth(150)).to_be_attached()
    demo.expect_quiet()
    panel = Panel(demo, "Beam search: what is kept")
    sliders(panel, 5, 20)
    panel.button("Search with beams").click()
    title = panel.root.locator(".lab-table-title").last
    expect(title).to_contain_text("of 20 steps")
    panel.button("Stop the search").click()
    demo.expect_quiet()
    assert int(re.search(r"(\d+) of 20", title.inner_text())[1]) < 20
    expect(panel.table("Every step of the beam search").first).to_be_visible()

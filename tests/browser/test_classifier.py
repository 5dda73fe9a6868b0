"""The classifier inside, as a person uses it."""

import math
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PANEL = "The classifier inside: logit = h · e"


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    return demo


def table(demo):
    """The cells of the table, {token text: {column: text}}."""
    names = demo.root.locator(".lab-table th").all_inner_texts()
    lines = demo.root.locator(".lab-table tbody tr").all()
    cells = [line.locator("td").all_inner_texts() for line in lines]
    return {row[0]: dict(zip(names, row, strict=True)) for row in cells}


def test_a_student_checks_the_numbers_by_hand(demo):
    """Unfolded it shows h, and e^(logit − log-sum-exp) is the percentage in the list above."""
    demo.unfold(PANEL)
    expect(demo.root.locator(".lab-table tbody tr")).to_have_count(10)
    shown = demo.facts("log-sum-exp")
    assert shown["context vector"] == "576 numbers"
    expect(demo.root).to_contain_text("Every token of the vocabulary has a row e of 576 numbers")
    for row, (token, numbers) in zip(demo.rows.all(), table(demo).items(), strict=True):
        assert row.locator(".lab-chip").inner_text() == token
        says = demo.hover_says(row)
        prob = math.exp(float(numbers["logit"]) - float(shown["log-sum-exp"]))
        assert prob == pytest.approx(float(says["probability"]), abs=1e-4)
    demo.root.locator(".lab-table").scroll_into_view_if_needed()
    expect(demo.root.locator(".js-plotly-plot").nth(1)).to_be_visible()


def test_it_follows_the_selection_while_it_is_open(demo):
    """A click in the strip or on a candidate shows the vector of that place."""
    demo.unfold(PANEL)
    expect(demo.root.locator(".lab-table tbody tr")).to_have_count(10)
    before = demo.facts("log-sum-exp")["log-sum-exp"]
    value = demo.root.locator(".lab-fact", has_text="log-sum-exp").locator(".lab-fact-value")
    demo.rows.nth(1).click()
    expect(value).not_to_have_text(before)
    demo.chips.first.click()
    expect(demo.root).to_contain_text("there is no context vector")
    expect(demo.root.locator(".lab-table tbody tr")).to_have_count(0)
    demo.chips.nth(2).click()
    expect(demo.title).to_have_text(re.compile("token 2"))
    expect(demo.root.locator(".lab-table")).to_be_visible()

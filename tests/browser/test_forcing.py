"""Forcing tokens that the model would not choose, as a person does it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


class Force:
    """The panel, in the words of the person who uses it."""

    def __init__(self, demo):
        demo.unfold("Force a token")
        self.demo = demo
        self.query = demo.box("Find a token")
        self.words = demo.box("Write your own words")
        self.found = demo.root.locator(".lab-list").nth(1).get_by_role("option")
        self.title = demo.root.locator(".lab-list-title", has_text="“").last
        self.heading = demo.root.locator(".lab-strip-heading", has_text="token")

    def look_for(self, query):
        self.query.fill(query)
        expect(self.title).to_contain_text(f"“{query}”")


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    return demo


@pytest.fixture
def force(demo):
    return Force(demo)


def chip(demo, n):
    return demo.chips.nth(n)


def says(demo, n, words):
    """Wait until a screen reader says this of token n."""
    expect(chip(demo, n)).to_have_attribute("aria-label", re.compile(words))


def test_find_by_text_and_take(demo, force):
    """All tokens that hold a text, most likely first; a click writes one, with its own rank."""
    given = demo.ids()
    force.look_for("rome")
    expect(force.found.first).to_contain_text("Rome")
    rank = force.found.first.locator(".lab-rank").inner_text()
    force.found.first.click()
    says(demo, len(given), f"Rome.*rank {rank}$")
    assert demo.ids()[:-1] == given
    expect(force.query).to_have_value("rome")
    expect(force.title).to_contain_text("“rome”")


def test_enter_takes_the_first_that_was_found(demo, force, said):
    """Enter in the search writes the most likely match, even before its list is there."""
    given = demo.ids()
    force.query.fill("rome")
    force.query.press("Enter")
    says(demo, len(given), "Rome.*rank")
    assert demo.ids()[:-1] == given
    force.query.fill("zqxjkv")
    force.query.press("Enter")
    said(demo.page, "No token holds")
    assert len(demo.ids()) == len(given) + 1


def test_find_by_id_and_by_rank(demo, force):
    """Digits find the token with that id first; #7 the seventh of the list above."""
    force.look_for("253")
    assert force.found.first.get_attribute("aria-label")
    says_id = demo.hover_says(force.found.first)
    assert says_id["token id"] == "253"
    force.look_for("id 42")
    expect(force.found).to_have_count(1)
    assert demo.hover_says(force.found.first)["token id"] == "42"
    force.look_for("#7")
    expect(force.found).to_have_count(1)
    shown = force.found.first.locator(".lab-chip").inner_text()
    assert shown == demo.rows.nth(6).locator(".lab-chip").inner_text()
    force.look_for("zqxjkv")
    expect(force.title).to_contain_text("No token holds")
    force.query.fill("")
    expect(force.found).to_have_count(0)


def test_take_a_rank(demo, force):
    """The token of a rank, far below the ten of the list."""
    given = len(demo.ids())
    demo.root.get_by_label("Rank among all tokens").fill("1000")
    demo.button("Take this rank").click()
    says(demo, given, "rank 1,?000$")


def test_own_words_are_seen_as_ids_before_they_are_written(demo, force):
    """The ids stand there first; then exactly these are appended and the box is empty again."""
    given = demo.ids()
    force.words.fill(" a café 👍")
    expect(force.heading).to_contain_text("tokens, ids ")
    promised = [int(n) for n in force.heading.inner_text().split(" ids ")[1].split(",")]
    demo.button("Append these tokens").click()
    expect(demo.chips).to_have_count(len(given) + len(promised) + 1)
    assert demo.ids() == given + promised
    expect(force.words).to_have_value("")


def test_replace_the_selected_token(demo, force):
    """One token of the middle becomes another; what follows it stays. Nobody waits in between."""
    given = demo.ids()
    chip(demo, 3).click()
    force.words.fill(" Spain")
    demo.button("Replace the selected").click()
    says(demo, 3, "Spain")
    after = demo.ids()
    assert after[:3] == given[:3]
    assert after[4:] == given[4:]
    expect(demo.title).to_contain_text("(token 3)")


def test_nothing_selected_is_said(demo, force, said):
    """Replacing at the end, where nothing stands, says what to do and keeps the words."""
    force.words.fill(" Spain")
    demo.button("Replace the selected").click()
    said(demo.page, "Select the tokens")
    expect(force.words).to_have_value(" Spain")

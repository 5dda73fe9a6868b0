"""A lab hour on a language model's internals, from the first message to the sum of bits."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
N_PICKS = 10


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/chat-document"))
    expect(demo.rows).to_have_count(10)
    demo.expect_quiet()
    return demo


def number(name, term):
    """A number that a chip's name says of its term; None where it says none."""
    match = re.search(rf", {term} ([0-9.e-]+)", name)
    return float(match[1]) if match else None


def pick_greedily(demo, n):
    """Press Enter for the first candidate, again and again, and see each token appear."""
    for _ in range(n):
        n_chips = demo.chips.count()
        demo.page.keyboard.press("Enter")
        expect(demo.chips).to_have_count(n_chips + 1)


def test_a_lab_hour(demo):
    """Type, end the turn, pick, undo, force, compare, generate, and read the bits: all agree."""
    # a message of one's own, and its markers
    demo.button("New chat").click()
    expect(demo.chips).to_have_count(1)
    demo.box("Your message").fill("Name a colour of the sky.")
    expect(demo.strip).to_contain_text("sky")
    demo.button("End turn").click()
    expect(demo.box("Your message")).to_have_value("")
    expect(demo.rows).to_have_count(10)
    specials = demo.strip.locator(".lab-chip-special").all_inner_texts()
    assert specials.count("<|im_start|>") == 3
    assert specials.count("<|im_end|>") == 2
    given = demo.ids()

    # ten greedy picks, and back to the start
    demo.root.locator(".lab-list").first.focus()
    pick_greedily(demo, N_PICKS)
    greedy = demo.ids()
    assert all(name.endswith("rank 1") for name in demo.names()[len(given) : -1])
    for n in range(N_PICKS):
        demo.button("Undo").click()
        expect(demo.chips).to_have_count(len(greedy) - n)
    assert demo.ids() == given

    # the fifth most likely token instead, then greedy again
    demo.root.get_by_role("button", name="Force a token").click()
    demo.root.get_by_role("spinbutton", name="Rank").fill("5")
    demo.button("Take this rank").click()
    expect(demo.chips).to_have_count(len(given) + 2)
    assert demo.names()[len(given)].endswith("rank 5")
    demo.root.locator(".lab-list").first.focus()
    pick_greedily(demo, N_PICKS)

    # both branches side by side, from where they part
    demo.button("compare").last.click()  # the first one is the chat the page opened with
    sides = [
        demo.root.get_by_role("listbox", name=name) for name in ("This path", "The other path")
    ]
    expect(sides[0].get_by_role("option")).to_have_count(N_PICKS + 1)
    expect(sides[1].get_by_role("option")).to_have_count(N_PICKS)

    # a reply, and what is sure and unsure in it
    demo.button("Generate the reply").click()
    expect(demo.chips.nth(len(given) + N_PICKS + 3)).to_be_attached()
    expect(demo.strip.locator(".lab-mark-next")).to_be_attached(timeout=60_000)
    demo.expect_quiet()
    reply = demo.names()[len(given) : -1]
    probs = [number(name, "probability") for name in reply]
    assert max(probs) > 0.8
    assert min(probs) < 0.3

    # five tokens, and the sum of their bits
    demo.strip.evaluate("strip => strip.scrollTop = strip.scrollHeight")
    first = len(given) + len(reply) - 6
    demo.drag(first, first + 4)
    expect(demo.root.locator(".lab-fact-name", has_text="selected")).to_be_visible()
    total = float(re.search(r"([0-9.]+) bits", demo.facts("selected")["selected"])[1])
    shown = [number(name, "surprisal") for name in demo.names()[first : first + 5]]
    assert total == pytest.approx(sum(shown), abs=0.006)  # the label has two decimals

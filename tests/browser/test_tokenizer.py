"""The Tokenizer, as a person uses it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(visit, open_page):
    return open_page(visit("/tokenizer"))


def test_strip_follows_the_typing(demo):
    """Each key shows in the strip at once, and the numbers follow."""
    box = demo.box("Text")
    box.fill("")
    expect(demo.chips).to_have_count(0)
    box.press_sequentially("The cat\nsat", delay=10)
    expect(demo.chips).to_have_count(4)
    expect(demo.chips.last).to_have_text("sat")
    assert demo.text() == "The cat\nsat"
    expect(demo.root.locator(".lab-facts")).to_contain_text("11")
    assert demo.facts()["characters"] == "11"
    assert demo.facts()["tokens"] == "4"


def test_spaces_and_line_breaks_are_visible(demo):
    """A leading space is drawn as a dot; a line break as an arrow, and the strip breaks there."""
    demo.box("Text").fill("a b\nc")
    expect(demo.chips).to_have_count(4)
    assert demo.chips.all_inner_texts() == ["a", "·b", "↵", "c"]
    first, last = demo.chips.first.bounding_box(), demo.chips.last.bounding_box()
    assert last["y"] > first["y"] + first["height"] / 2


def test_hover_says_id_and_bytes(demo):
    """Hovering over a token says its text, its id and its bytes."""
    demo.box("Text").fill("The cat")
    expect(demo.chips).to_have_count(2)
    said = demo.hover_says(demo.chips.last)
    assert said["text"] == "' cat'"
    assert said["token id"] == str(demo.ids()[1])
    assert said["bytes"] == "20 63 61 74"


def test_a_split_character_is_shown_as_bytes(demo):
    """A character that is cut over several tokens shows their bytes and what they are part of."""
    demo.box("Text").fill("🦩")
    expect(demo.strip).to_contain_text("F0")
    count = demo.chips.count()
    assert count > 1
    assert "\ufffd" not in demo.strip.inner_text()
    said = [demo.hover_says(demo.chips.nth(i)) for i in range(count)]
    assert " ".join(one["bytes"] for one in said) == "F0 9F A6 A9"
    assert {one["part of"] for one in said} == {"🦩"}


def test_an_example_is_one_click(demo):
    """An example button writes its text into the box and the strip follows."""
    demo.root.get_by_role("button", name="Zürich").click()
    expect(demo.box("Text")).to_have_value(re.compile("^Zürich café"))
    expect(demo.strip).to_contain_text("rich")
    assert demo.facts()["characters"] == str(len("Zürich café: 12 + 345 = 357"))


def test_control_tokens_are_a_switch(demo):
    """Special-token text is several plain tokens; with the switch on, it is one special token."""
    demo.box("Text").fill("<|im_start|>user")
    expect(demo.chips.nth(3)).to_be_visible()
    plain = demo.chips.count()
    assert demo.strip.locator(".lab-chip-special").count() == 0
    demo.root.get_by_role("checkbox").check()
    expect(demo.chips).to_have_count(2)
    assert plain > 2
    special = demo.strip.locator(".lab-chip-special")
    expect(special).to_have_text("<|im_start|>")
    assert "special token" in demo.hover_says(special).values()


def test_three_cuts_stand_side_by_side(demo):
    """Characters, whole words and subwords of the same text, with counts and what is lost."""
    demo.box("Text").fill("The cat zxqvation")
    cuts = demo.root.locator(".lab-strip-heading:visible")
    expect(cuts.nth(0)).to_contain_text("17 pieces")
    expect(cuts.nth(1)).to_contain_text("3 pieces")
    expect(cuts.nth(1)).to_contain_text("1 can't be written")
    expect(cuts.nth(2)).to_contain_text("49,152")
    expect(demo.root.locator(".lab-mark-unknown")).to_have_text("zxqvation")


def test_a_dragged_span_is_counted(demo):
    """Dragging over tokens gives their number, their bytes and their ids."""
    demo.box("Text").fill("one two three four")
    expect(demo.chips).to_have_count(4)
    demo.drag(1, 3)
    expect(demo.root.locator(".lab-facts")).to_contain_text("token ids")
    assert demo.facts()["tokens selected"] == "3"
    assert demo.facts()["token ids"] == " ".join(map(str, demo.ids()[1:4]))


def test_special_tokens_can_be_unfolded(demo):
    """The special tokens of the model are one click away."""
    demo.unfold("Special tokens of this model")
    listed = demo.root.get_by_role("listbox", name="Special tokens").get_by_role("option")
    expect(listed.filter(has_text="<|im_end|>")).to_be_visible()

"""Surprisal, as a person uses it."""

import re

import pytest
from panel import Panel, cells
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
TEXT = "The quick brown fox jumps over the lazy dog and runs away."


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/surprisal"))
    demo.box("Text").fill(TEXT)
    demo.button("Measure").click()
    expect(demo.chips).to_have_count(13)
    demo.expect_quiet()
    return demo


def bits(demo):
    """The bits each chip says, None where there is no prediction."""
    found = [re.search(r"surprisal (\d+\.\d+) bits", name) for name in demo.names()]
    return [float(match[1]) if match else None for match in found]


def expect_selected(demo, n):
    """Wait for the numbers of a selection of ``n`` tokens, and give them."""
    expect(demo.root.locator(".lab-facts", has_text="selected").first).to_contain_text(
        f"{n} token{'s' if n > 1 else ''}"
    )
    demo.expect_quiet()
    return demo.facts("selected")


def test_colour_and_number_of_each_token(demo):
    """Every predicted token has a step of the scale, rising with its bits; the first has none."""
    heats = demo.chips.evaluate_all("all => all.map((chip) => chip.dataset.heat)")
    known = list(zip(bits(demo), heats, strict=True))[1:]
    assert "no prediction" in demo.names()[0]
    steps = [int(heat) for _, heat in sorted(known)]
    assert steps == sorted(steps)
    assert len(set(steps)) > 3


def test_a_text_that_was_not_measured_is_marked(demo):
    """While the numbers are another text's, the box says so: changed, far too long, measured."""
    box = demo.box("Text")
    box.fill(TEXT + " Or not?")
    expect(demo.root.get_by_label("Text: changed, not measured yet")).to_be_visible()
    box.fill("x" * 30_000)
    demo.expect_quiet()
    expect(demo.root.get_by_label("Text: changed, not measured yet")).to_be_visible()
    box.fill("A short one.")
    demo.button("Measure").click()
    expect(demo.chips).to_have_count(4)
    expect(demo.root.get_by_label("Text", exact=True)).to_be_visible()
    demo.expect_quiet()


def test_dragging_over_five_tokens_adds_their_bits(demo):
    """A span dragged with the mouse shows the sum of its five tokens' bits."""
    demo.drag(3, 7)
    numbers = expect_selected(demo, 5)
    wanted = sum(bits(demo)[3:8])
    assert float(numbers["total bits"]) == pytest.approx(wanted, abs=0.0051)
    assert float(numbers["bits per token"]) == pytest.approx(wanted / 5, abs=0.0051)
    selected = demo.chips.evaluate_all(
        "all => all.map((chip) => chip.getAttribute('aria-selected') === 'true')"
    )
    assert [i for i, chosen in enumerate(selected) if chosen] == [3, 4, 5, 6, 7]


def test_dragging_backwards_is_the_same_span(demo):
    """A span can be dragged from its end to its beginning."""
    demo.drag(7, 3)
    assert float(expect_selected(demo, 5)["total bits"]) == pytest.approx(
        sum(bits(demo)[3:8]), abs=0.0051
    )


def test_shift_click_extends_the_selection(demo):
    """A click and a shift-click select all tokens between them."""
    demo.chips.nth(2).click()
    expect_selected(demo, 1)
    demo.chips.nth(5).click(modifiers=["Shift"])
    wanted = sum(bits(demo)[2:6])
    assert float(expect_selected(demo, 4)["total bits"]) == pytest.approx(wanted, abs=0.0051)


def test_shift_and_arrows_extend_the_selection(demo):
    """With the strip focused, shift and the arrow keys extend the selection."""
    demo.chips.nth(4).click()
    expect_selected(demo, 1)
    demo.page.keyboard.press("Shift+ArrowRight")
    demo.page.keyboard.press("Shift+ArrowRight")
    wanted = sum(bits(demo)[4:7])
    assert float(expect_selected(demo, 3)["total bits"]) == pytest.approx(wanted, abs=0.0051)


def test_a_span_with_the_first_token_counts_the_predicted_ones(demo):
    """The first token has no bits: a span that holds it averages over the others."""
    demo.drag(0, 3)
    numbers = expect_selected(demo, 4)
    wanted = sum(bits(demo)[1:4])
    assert float(numbers["total bits"]) == pytest.approx(wanted, abs=0.0051)
    assert float(numbers["bits per token"]) == pytest.approx(wanted / 3, abs=0.0051)


def test_click_shows_what_was_predicted(demo):
    """Clicking a token lists what was predicted there, with the token itself marked."""
    demo.chips.nth(6).click()
    expect(demo.title).to_contain_text("(token 6)")
    expect(demo.root.locator(".lab-row-chosen")).to_have_count(1)
    token = demo.chips.nth(6).inner_text()
    expect(demo.root.locator(".lab-row-chosen .lab-chip")).to_have_text(token)
    expect(demo.title).to_contain_text(token)
    demo.chips.nth(0).click()
    expect(demo.title).to_contain_text("no prediction")


def test_the_whole_text(demo):
    """Total bits, bits per token, perplexity and bits per byte are those of all its tokens."""
    numbers = demo.facts("perplexity")
    known = [one for one in bits(demo) if one is not None]
    assert float(numbers["total bits"]) == pytest.approx(sum(known), abs=0.006)
    assert int(numbers["tokens scored"]) == len(known)
    mean = sum(known) / len(known)
    assert float(numbers["bits per token"]) == pytest.approx(mean, abs=0.0051)
    assert float(numbers["perplexity"].replace(",", "")) == pytest.approx(2**mean, rel=1e-3)
    n_bytes = len(TEXT.encode()) - len("The")
    assert float(numbers["bits per byte"]) == pytest.approx(sum(known) / n_bytes, abs=0.0051)


def test_hover_says_the_bits(demo):
    """Hovering over a token says its probability, bits and rank."""
    said = demo.hover_says(demo.chips.nth(5))
    assert float(said["surprisal"].removesuffix(" bits")) == pytest.approx(bits(demo)[5])
    assert {"probability", "log-prob", "rank", "token id", "bytes"} <= set(said)


def test_chart_and_reference_points(demo):
    """The bits along the text are drawn, and coin, die, 0.95 and 0.01 stand beside."""
    expect(demo.root.locator(".js-plotly-plot")).to_be_visible()
    for number in ("1.00", "2.58", "0.07", "6.64"):
        expect(demo.root).to_contain_text(number)


def test_a_click_does_not_scroll_the_page(demo):
    """Clicking and dragging in the strip leaves the page where it is."""
    before = demo.page.evaluate("scrollY")
    demo.chips.nth(8).click()
    expect(demo.title).to_contain_text("(token 8)")
    demo.expect_quiet()
    assert demo.page.evaluate("scrollY") == before


def test_an_example_is_measured_at_once(demo):
    """An example button writes its text and measures it."""
    demo.root.get_by_role("button", name="To be, or not to be").click()
    expect(demo.strip).to_contain_text("question")
    expect(demo.chips.last).to_have_attribute("data-heat", re.compile("[0-7]"))


def table_bits(lines):
    """The bits in each line of the table of all tokens, None where there is no prediction."""
    said = [cells(line)[3] for line in lines.all()]
    return [float(bits) if bits else None for bits in said]


def test_all_tokens_in_a_table(demo):
    """In the text's order it says the strip's bits; sorted, the most surprising or the most
    expected stand first, and are in sight; it follows the text that is measured."""
    panel = Panel(demo, "All tokens in a table")
    lines = panel.table("All tokens")
    expect(lines).to_have_count(13)
    in_text = table_bits(lines)
    assert in_text == [bit if bit is None else pytest.approx(bit, abs=0.006) for bit in bits(demo)]
    assert cells(lines.first)[2] == "no prediction"
    known = [bit for bit in in_text if bit is not None]
    frame = panel.root.get_by_role("region", name="All tokens")
    assert frame.evaluate("frame => (frame.scrollTop = frame.scrollHeight, frame.scrollTop)") > 0
    for order, wanted in (
        ("most surprising first", sorted(known, reverse=True)),
        ("most expected first", sorted(known)),
    ):
        panel.root.get_by_role("radio", name=order).check()
        expect(panel.title()).to_contain_text(order)
        demo.expect_quiet()
        assert table_bits(lines) == [*wanted, None]
        assert frame.evaluate("frame => frame.scrollTop") == 0
    demo.box("Text").fill("A short one.")
    demo.button("Measure").click()
    expect(panel.title()).to_have_text("4 tokens, most expected first")
    expect(lines).to_have_count(4)


def test_a_row_of_the_table_leads_to_its_token(demo):
    """Clicked, or reached with the keyboard, a row selects its token in the strip and shows what
    was predicted there; the token is in sight."""
    panel = Panel(demo, "All tokens in a table")
    panel.root.get_by_role("radio", name="most surprising first").check()
    expect(panel.title()).to_contain_text("most surprising first")
    demo.expect_quiet()
    for n, go in ((2, lambda line: line.locator("td").nth(3).click()),
                  (4, lambda line: line.get_by_role("button").press("Enter"))):  # fmt: skip
        line = panel.table("All tokens").nth(n)
        position, _, _, bits_said, *_ = cells(line)
        go(line)
        expect(demo.title).to_contain_text(f"(token {position})")
        chip = demo.chips.nth(int(position))
        expect(chip).to_have_attribute("aria-selected", "true")
        expect(chip).to_be_in_viewport()
        demo.expect_quiet()
        assert demo.facts("selected")["total bits"] == bits_said


def test_all_tokens_to_copy(demo):
    """The box holds a line for every token under the names of the columns."""
    panel = Panel(demo, "All tokens in a table")
    box = panel.root.locator(".lab-sheet textarea")  # Gradio gives it no name
    expect(box).to_have_value(re.compile(r"^position\ttoken\tpiece\t"))
    lines = [line.split("\t") for line in box.input_value().splitlines()]
    assert [line[3] for line in lines[1:]] == [str(token_id) for token_id in demo.ids()]
    assert [line[0] for line in lines[1:]] == [str(i) for i in range(13)]


LONG = "I will learn how a long text is read, one word at a time. " * 180
AS_FAR = re.compile(r"\d+ of 2,\d+ tokens")


def so_far(demo):
    """How far a text is that takes long."""
    return demo.root.locator(".lab-facts", has_text="measured so far")


def test_stop_leaves_a_page_about_what_was_scored(demo, visit):
    """Stopped after the first colours, candidates, numbers and table are of the tokens that have
    one, none is of the text before; a pale token says that it is not measured."""
    visit.expected = re.compile("status of 422")  # Stop at a moment when Gradio names no event
    panel = Panel(demo, "All tokens in a table")
    demo.box("Text").fill(LONG)
    demo.button("Measure").click()
    expect(so_far(demo)).to_contain_text(AS_FAR)
    expect(panel.title()).to_contain_text("being measured")
    demo.button("Stop").click()
    expect(panel.title()).to_contain_text("as in the text")
    demo.expect_quiet()
    n = demo.strip.locator("[role=option][data-heat]").count() + 1
    assert n < 2300
    expect(so_far(demo)).to_contain_text(f"{n:,} of 2,")
    expect(panel.title()).to_contain_text(f"{n:,} tokens, as in the text")
    expect(demo.root.get_by_label("Text", exact=True)).to_be_visible()
    demo.chips.nth(5).click()
    expect(demo.title).to_contain_text("(token 5)")
    demo.expect_quiet()
    assert float(demo.facts("selected")["total bits"]) == pytest.approx(bits(demo)[5], abs=0.006)
    demo.chips.nth(n + 1).click()
    expect(demo.title).to_have_text("This token is not measured yet")
    assert "not measured yet" in demo.names()[n + 1]


IS_UNDER_WAY = """(wanted) => wanted === [...document.querySelectorAll(".lab-facts")].some(
  (facts) => facts.textContent.includes("measured so far"))"""


def wait_until(demo, under_way):
    """Wait until a text is being measured, or is not; ``expect`` may look once a second only."""
    demo.page.wait_for_function(IS_UNDER_WAY, arg=under_way, polling=20)


def measured_so_far(demo, text):
    """Wait for the first colours of a text that takes long."""
    demo.box("Text").fill(text)
    demo.button("Measure").click()
    wait_until(demo, under_way=True)


def expect_on_show(demo, at):
    """The token has the ring, and candidates and numbers are its own."""
    demo.expect_quiet()
    expect(demo.title).to_contain_text(f"(token {at})")
    expect(demo.chips.nth(at)).to_have_attribute("aria-selected", "true")
    said = float(demo.facts("selected")["total bits"])
    assert said == pytest.approx(bits(demo)[at], abs=0.006)


def test_a_token_clicked_while_the_text_is_measured_stays_selected(demo):
    """Its numbers are there at once, and at the end as well; a pale one gets them then."""
    for at in (3, 400):
        measured_so_far(demo, f"{at}. {LONG}"[:3500])
        demo.chips.nth(at).click()
        wait_until(demo, under_way=False)
        expect_on_show(demo, at)


def test_a_token_clicked_as_the_measuring_ends_stays_selected(demo):
    """Though numbers of the most surprising one were about to be shown."""
    for at in (5, 6):
        measured_so_far(demo, f"{at}. {LONG}"[:3500])
        wait_until(demo, under_way=False)
        demo.chips.nth(at).click()
        expect_on_show(demo, at)


def test_a_click_is_not_lost_to_a_strip_that_is_drawn_again(demo):
    """Colours that come between the button's down and up leave what is pointed at."""
    measured_so_far(demo, f"Seven. {LONG}")
    demo.chips.nth(7).hover()
    demo.page.mouse.down()
    coloured = demo.strip.locator("[role=option][data-heat]")
    expect(coloured).not_to_have_count(coloured.count())
    demo.page.mouse.up()
    expect_on_show(demo, 7)


def test_another_text_ends_the_one_under_way(demo):
    """What a long text was about to show does not come over the example that was chosen since."""
    measured_so_far(demo, LONG)
    demo.root.get_by_role("button", name="To be, or not to be").click()
    expect(demo.strip).to_contain_text("question")
    for _ in range(20):  # the long one ends at its next part
        demo.page.wait_for_timeout(100)
        demo.expect_quiet()
        assert "question" in demo.strip.inner_text()
        assert demo.chips.count() < 20
    demo.chips.nth(2).click()
    expect(demo.title).to_contain_text("(token 2)")
    expect(demo.root.locator(".js-plotly-plot")).to_be_visible()
    expect(so_far(demo)).to_have_count(0)

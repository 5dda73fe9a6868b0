"""Sampling, as a person uses it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/sampling"))
    expect(demo.rows).to_have_count(10)
    return demo


def set_number(demo, name, value):
    """Type a value into the number beside a slider."""
    number = demo.root.get_by_role("spinbutton", name=re.compile(name))
    number.fill(str(value))
    number.press("Tab")


def sampler_column(demo):
    """What the sampler gives each listed token."""
    return demo.rows.locator(".lab-second").all_inner_texts()


def model_column(demo):
    """What the model gives each listed token."""
    return demo.rows.locator(".lab-number:not(.lab-second)").all_inner_texts()


def hit(demo):
    """(what is said of r, the token it hits)."""
    [name, *_] = demo.facts("kept")
    return name, demo.facts("kept")[name]


def test_both_distributions_stand_side_by_side(demo):
    """Each candidate shows the model's probability and the sampler's, with a bar for each."""
    expect(demo.rows.first.locator(".lab-bar-model")).to_be_visible()
    expect(demo.rows.first.locator(".lab-bar-sampler")).to_be_visible()
    assert all("%" in text for text in model_column(demo))
    assert all("%" in text or text == "cut" for text in sampler_column(demo))
    expect(demo.root.locator(".lab-row-rest")).to_contain_text("49,142 tokens")


def test_dragging_a_slider_changes_the_sampler_only(demo):
    """Dragging top-k to the left end cuts all but few tokens; the model's column stays."""
    model, sampler = model_column(demo), sampler_column(demo)
    slider = demo.slider("top-k")
    box = slider.bounding_box()
    mouse = demo.page.mouse
    mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.05, box["y"] + box["height"] / 2, steps=8)
    mouse.up()
    k = int(slider.input_value())
    assert 1 <= k < 10
    expect(demo.root.locator(".lab-row-cut")).to_have_count(10 - k)
    expect(demo.rows.nth(k - 1)).not_to_have_class(re.compile("lab-row-cut"))
    demo.expect_quiet()
    assert model_column(demo) == model
    assert sampler_column(demo) != sampler
    assert sampler_column(demo)[k:] == ["cut"] * (10 - k)


def test_cut_tokens_stay_visible(demo):
    """A token the sampler cuts keeps its row, crossed out."""
    set_number(demo, "top-k", 2)
    cut = demo.root.locator(".lab-row-cut")
    expect(cut).to_have_count(8)
    expect(cut.first.locator(".lab-chip")).to_have_css("text-decoration-line", "line-through")
    expect(cut.first).to_contain_text("%")


def test_arrow_keys_move_a_slider(demo):
    """A slider can be moved with the keyboard and the list follows."""
    slider = demo.slider("top-k")
    slider.focus()
    for _ in range(3):
        demo.page.keyboard.press("ArrowRight")
    expect(demo.root.locator(".lab-row-cut")).to_have_count(7)


def test_draw_then_append_appends_the_token_shown(demo):
    """Draw r, read which token it hits, append: that token stands at the end."""
    for _ in range(3):
        before, (said, _) = demo.ids(), hit(demo)
        demo.button("Draw r").click()
        demo.page.wait_for_function(
            "([root, said]) => !root.textContent.includes(said)",
            arg=[demo.root.element_handle(), said],
        )
        _, token = hit(demo)
        demo.button("Append it").click()
        expect(demo.chips).to_have_count(len(before) + 2)
        assert demo.ids()[:-1] == before
        assert demo.chips.nth(len(before)).inner_text() == token


def test_r_by_hand(demo):
    """r typed as 0 hits the most likely token; the chart says where r falls."""
    set_number(demo, "for r", 0)
    expect(demo.root.locator(".lab-fact-name", has_text="r = 0.0000")).to_be_visible()
    top = demo.rows.first.locator(".lab-chip").inner_text()
    assert hit(demo)[1] == top
    expect(demo.root.locator(".js-plotly-plot")).to_contain_text("r = 0.0000")


def test_greedy_draws_nothing(demo):
    """At temperature 0 the most likely token is taken, and all others are cut."""
    set_number(demo, "Temperature", 0)
    expect(demo.root.locator(".lab-row-cut")).to_have_count(9)
    said, token = hit(demo)
    assert said == "greedy takes"
    assert token == demo.rows.first.locator(".lab-chip").inner_text()


def test_the_same_seed_gives_the_same_text(demo):
    """Generate twice with a seed: the same ids; with another seed: others."""
    given = demo.ids()
    texts = []
    for seed in (3, 3, 4):
        demo.root.get_by_label("Seed").fill(str(seed))
        demo.button("Generate anew").click()
        expect(demo.chips).to_have_count(len(given) + 21)
        demo.expect_quiet()
        texts.append(demo.ids())
        demo.button("Use this text").click()
        expect(demo.chips).to_have_count(len(given) + 1)
    assert texts[0][: len(given)] == given
    assert texts[0] == texts[1] != texts[2]


def test_every_step_can_be_looked_at(demo):
    """Clicking a generated token shows its r, its candidates and the token chosen, marked."""
    given = len(demo.ids())
    demo.button("Generate anew").click()
    expect(demo.chips).to_have_count(given + 21)
    demo.expect_quiet()
    seen = set()
    for at in (given, given + 7, given + 19):
        demo.chips.nth(at).click()
        expect(demo.title).to_contain_text(f"(token {at})")
        said, token = hit(demo)
        assert re.fullmatch(r"r = 0\.\d{4} hits", said)
        assert token == demo.chips.nth(at).inner_text().strip("\n")
        marked = demo.root.locator(".lab-row-chosen .lab-chip")
        expect(marked).to_have_text(token)
        seen.add(said)
    assert len(seen) == 3


def test_stop_keeps_what_is_there(demo):
    """Stop in the middle keeps the tokens so far, each with its step."""
    given = len(demo.ids())
    set_number(demo, "for Tokens", 100)
    demo.button("Generate anew").click()
    expect(demo.chips.nth(given + 2)).to_be_attached()
    demo.button("Stop").click()
    demo.expect_quiet()
    stopped = len(demo.ids())
    assert given < stopped < given + 100
    demo.chips.nth(given).click()
    expect(demo.title).to_contain_text(f"(token {given})")
    demo.expect_quiet()
    assert len(demo.ids()) == stopped


def drag_to(demo, slider, at, steps=20):
    """Drag a slider's handle to a place, 0…1, slowly enough for answers in between."""
    slider.evaluate("(range) => range.scrollIntoView({ block: 'center' })")
    box, mouse = slider.bounding_box(), demo.page.mouse
    low, high = float(slider.get_attribute("min")), float(slider.get_attribute("max"))
    now = (float(slider.input_value()) - low) / (high - low)
    for i in range(steps + 1):
        mouse.move(
            box["x"] + box["width"] * (now + (at - now) * i / steps), box["y"] + box["height"] / 2
        )
        if i == 0:
            mouse.down()
        demo.page.wait_for_timeout(30)
    mouse.up()
    return float(slider.input_value())


def test_r_stays_where_it_is_dragged_and_typed(demo):
    """No answer about a place on the way moves the slider back."""
    slider = demo.slider("r")
    for at in (0.9, 0.2):
        left = drag_to(demo, slider, at)
        demo.expect_quiet()
        assert float(slider.input_value()) == left == pytest.approx(at, abs=0.05)
        expect(demo.root.locator(".lab-fact-name", has_text=f"r = {left:.4f}")).to_be_visible()
    number = demo.root.get_by_role("spinbutton", name=re.compile("for r"))
    number.fill("")
    number.press_sequentially("0.375", delay=60)
    demo.expect_quiet()
    expect(demo.root.locator(".lab-fact-name", has_text="r = 0.3750")).to_be_visible()
    assert number.input_value() == "0.375"


def code_says(demo, words):
    """Wait until the folded lines that reproduce the numbers say so."""
    expect(demo.root.locator(".cm-content").first).to_contain_text(words)


def test_a_slider_moved_during_a_step_counts_at_its_end(demo):
    """Numbers, list and code are of the sliders as they stand once all is quiet."""
    demo.unfold("Show the code")
    for temperature in (1.5, 0.5, 1.25, 0.75):
        demo.button("Append it").click()
        set_number(demo, "Temperature", temperature)
        demo.expect_quiet()
        code_says(demo, f"scores / {temperature}  # temperature")
        sampler = sampler_column(demo)
        set_number(demo, "Temperature", 1.75)
        expect(demo.rows.first.locator(".lab-second")).not_to_have_text(sampler[0])
        demo.expect_quiet()
        set_number(demo, "Temperature", temperature)
        demo.expect_quiet()
        assert sampler_column(demo) == sampler


def test_a_number_typed_through_one_that_is_refused_counts(demo):
    """On the way to 0.5 top-p is 0, which is refused with a message; then 0.5 is shown."""
    demo.unfold("Show the code")
    number = demo.root.get_by_role("spinbutton", name=re.compile("top-p"))
    number.fill("")
    number.press_sequentially("0.5", delay=15)
    demo.expect_quiet()
    code_says(demo, "mass_from_here > 1 - 0.5)")


def test_a_token_clicked_while_the_text_is_written_stays_selected(demo):
    """The ring is on the token whose step is shown, whatever was under way."""
    n = len(demo.ids())
    for _ in range(6):
        demo.button("Generate anew").click()
        expect(demo.chips).not_to_have_count(n + 1)
        demo.chips.nth(n - 2).click()
        demo.expect_quiet()
        expect(demo.title).to_contain_text(f"(token {n - 2})")
        expect(demo.chips.nth(n - 2)).to_have_attribute("aria-selected", "true")
        demo.button("Use this text").click()
        expect(demo.chips).to_have_count(n + 1)
        demo.expect_quiet()

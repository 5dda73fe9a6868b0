"""How the pages look: pictures of all, and what can be measured of them.

The pictures go to ``LAB_SCREENSHOTS``, by default ``screenshots/`` of the repository.
"""

import os
from pathlib import Path

import pytest
import serving
from playwright.sync_api import expect
from screens import LAPTOP, PHONE

pytestmark = pytest.mark.browser
FOLDER = Path(os.environ.get("LAB_SCREENSHOTS") or serving.ROOT / "screenshots")
TITLES = ["Tokenizer", "Next-Token", "Sampling", "Surprisal", "Chat-as-Document"]

# [text, ratio] of every chip shown whose text contrast is below 4.5; grounds are blended
# from the chip up to the page, opacities of the chip and what holds it multiply its ink
CONTRAST = """(selector) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const luminance = (colour) => colour.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratioOf = (chip) => {
    const line = [];
    for (let node = chip; node; node = node.parentElement) line.unshift(node);
    let ground = [255, 255, 255];
    let opacity = 1;
    for (const node of line) {
      const style = getComputedStyle(node);
      opacity *= Number(style.opacity);
      const own = rgba(style.backgroundColor);
      ground = over([...own.slice(0, 3), own[3] * opacity], ground);
    }
    const ink = rgba(getComputedStyle(chip).color);
    const shown = over([...ink.slice(0, 3), ink[3] * opacity], ground);
    const [a, b] = [luminance(shown), luminance(ground)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  return [...document.querySelectorAll(selector)].filter((chip) => chip.checkVisibility())
    .map((chip) => [chip.textContent, ratioOf(chip)]).filter(([, ratio]) => ratio < 4.5);
}"""


def shown(visit, open_tab, title, theme, size):
    """A demo through its tab, alive and at rest."""
    demo = open_tab(visit(f"/?__theme={theme}", size=size), title)
    if title != "Tokenizer":
        expect(demo.rows.first).to_be_visible()
        expect(demo.root.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    demo.expect_quiet()
    return demo


def take(page, name, full_page=True):
    """A picture of the page, whole or as it first stands on the screen."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=FOLDER / f"{name}.png", full_page=full_page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("title", TITLES)
def test_laptop(visit, open_tab, title, theme):
    """On a laptop the text of every token reads at 4.5 : 1, and strip and candidates fit."""
    demo = shown(visit, open_tab, title, theme, LAPTOP)
    page = demo.page
    take(page, f"{title}-{theme}-first-screen", full_page=False)
    take(page, f"{title}-{theme}")
    assert (page.locator("body.dark, .dark").count() > 0) == (theme == "dark")
    assert page.evaluate(CONTRAST, ".lab-strip .lab-chip") == []
    assert page.evaluate(CONTRAST, ".lab-list .lab-row:not(.lab-row-cut) .lab-chip") == []
    assert page.evaluate(CONTRAST, ".lab-legend .lab-chip, .lab-turn") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if title in {"Next-Token", "Sampling", "Surprisal"}:
        assert page.evaluate("scrollY") == 0
        expect(demo.strip).to_be_in_viewport(ratio=1)
        expect(demo.rows.first).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("title", TITLES)
def test_phone(visit, open_tab, title):
    """At 390 pixels nothing makes the page scroll sideways."""
    demo = shown(visit, open_tab, title, "light", PHONE)
    take(demo.page, f"{title}-phone")
    wide = demo.page.evaluate(
        "() => [...document.querySelectorAll('.gradio-container *')].filter((e) => "
        "e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && "
        "!e.closest('.lab-strip, svg, .cm-editor, .tab-wrapper')).map((e) => e.className)"
    )
    assert demo.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), wide


def test_nothing_jumps_while_a_text_grows(visit, open_page):
    """What stands below the strip stays where it is while tokens are appended."""
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    before = demo.root.locator(".lab-list").bounding_box()["y"]
    given = demo.chips.count()
    demo.button("Always the top one, ten times").click()
    expect(demo.chips).to_have_count(given + 10)
    demo.expect_quiet()
    assert demo.root.locator(".lab-list").bounding_box()["y"] == pytest.approx(before, abs=1)


def test_the_strip_scrolls_itself(visit, open_page):
    """A long document scrolls inside its strip to the end; the page does not move."""
    demo = open_page(visit("/next-token"))
    demo.box("Document").fill("The sea is wide. " * 60)
    demo.button("Use this text").click()
    expect(demo.chips.nth(250)).to_be_attached()
    demo.expect_quiet()
    expect(demo.chips.last).to_be_in_viewport()
    assert demo.page.evaluate("scrollY") == 0

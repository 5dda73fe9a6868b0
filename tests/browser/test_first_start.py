"""Starting, as a person waits for it: a page that explains itself and comes alive."""

import re

import pytest
import serving
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
FIRST_START_MS = 240_000

WATCH = """() => {
  window.told = [];
  const look = () => {
    const busy = document.querySelector("#status .lab-status-busy");
    if (busy && window.told.at(-1) !== busy.textContent) window.told.push(busy.textContent);
  };
  look();
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true,
    characterData: true });
}"""

WITHOUT_MODEL = """
import threading
from core.config import Settings
from core.engines.text_side import read_ahead
from core.progress import Progress
from core.weights import obtain
from demos import discover
from demos.ui.lab import Lab
from demos.ui.page import build_app, launch

def open_engine(report):
    chosen = Settings.from_env()
    found = obtain(chosen, False, report)
    report(Progress("Loading the model"))
    lab.offer(read_ahead(found, chosen))
    threading.Event().wait()

lab = Lab(open_engine)
launch(build_app(discover(), lab), lab)
"""


@pytest.fixture
def started():
    """A function: an app of one's own, served; ended after the visits to it."""
    servers = []

    def start(model, **environment):
        servers.append(serving.Server(model, **environment))
        return servers[-1].wait_until_served()

    yield start
    for server in servers:
        server.stop()


def test_first_start_explains_itself_and_comes_alive(started, visits, open_tab, tmp_path):
    """With an empty cache the page is served at once, says what is being done, stage by stage,
    and shows live demos by itself once the weights were fetched and converted."""
    server = started("smollm2-135m-instruct", LAB_CACHE=str(tmp_path / "cache"))
    assert "Ready: " not in server.log
    page = visits(server)()
    busy = page.locator("#status .lab-status-busy")
    expect(busy).to_be_visible()
    page.evaluate(WATCH)
    expect(page.locator(".lab-strip .lab-chip").first).to_be_visible(timeout=FIRST_START_MS)
    told = page.evaluate("window.told")  # gone, had the page been reloaded
    stages = list(dict.fromkeys(re.split(r"[:…]", sentence)[0] for sentence in told))
    # a slow browser may come when all is fetched; the terminal has said so from the start
    assert re.search(r"Fetching .*: \d+ of \d+ MB", server.log)
    assert any(stage.startswith("Converting the weights") for stage in stages), stages
    assert stages[-1].startswith("Loading smollm2-135m-instruct"), stages
    assert len(told) > 10
    expect(busy).to_have_count(0, timeout=FIRST_START_MS)
    demo = open_tab(page, "Next-Token")
    before = demo.chips.count()
    demo.rows.first.click()
    expect(demo.chips).to_have_count(before + 1)


def test_the_tokenizer_lives_before_the_model_does(started, visits, said):
    """While the model is being loaded the Tokenizer cuts what is typed into it; a prediction asked
    for elsewhere is refused in a sentence, and the text that was typed stays."""
    page = visits(started("smollm2-135m-instruct", program=("-c", WITHOUT_MODEL)))()
    header = page.locator("#status .lab-status-busy")
    expect(header).to_have_text("Loading the model… The Tokenizer works already.")
    demo = page.get_by_role("tabpanel")
    chips = demo.get_by_role("listbox", name="token by token").get_by_role("option")
    expect(chips.first).to_have_text("The")
    box = demo.get_by_role("textbox", name="Text", exact=True)
    box.fill("A dog sat.")
    expect(chips).to_have_text(["A", "·dog", "·sat", "."])
    chips.nth(1).click()
    expect(demo.locator(".lab-facts").first).to_contain_text("tokens selected")
    page.get_by_role("tab", name="Surprisal").click()
    box.fill("mine")
    demo.get_by_role("button", name="Measure", exact=True).click()
    said(page, "The model is not ready yet")
    expect(box).to_have_value("mine")


def test_a_model_that_is_not_there(started, visits, said):
    """With an unknown model the page is served; its header says what to do, and so does a message
    to whoever types, whose text stays."""
    server = started("nonsense-model")
    page = visits(server)()
    header = page.locator("#status")
    for words in ("no model 'nonsense-model'", "Set LAB_MODEL to one of", "smollm2-135m"):
        expect(header).to_contain_text(words)
    expect(header.locator(".lab-status-failed")).to_be_visible()
    expect(header.locator(".lab-progress")).to_have_count(0)
    expect(page.get_by_role("tab")).to_have_count(5)
    box = page.get_by_role("textbox", name="Text", exact=True)
    box.fill("mine")
    said(page, "Set LAB_MODEL")
    expect(box).to_have_value("mine")


def test_a_panel_opened_before_the_model_is_there_is_filled(started, visits):
    """What shows the text that the page opens with is filled when that is measured."""
    page = visits(started("smollm2-135m-instruct"))("/surprisal")
    page.get_by_role("button", name="All tokens in a table").click()
    title = page.locator(".lab-table-title")
    lines = page.get_by_role("table", name="All tokens").locator("tbody tr")
    expect(lines.first).to_be_visible(timeout=FIRST_START_MS)
    expect(title).to_have_text(
        f"{page.locator('.lab-strip .lab-chip').count()} tokens, as in the text"
    )

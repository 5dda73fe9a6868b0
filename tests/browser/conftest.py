"""A person at the page: Chromium, the running app, and what must hold on every visit.

After every test: all requests went to the app itself, the console shows no error, no
script failed, no dialog opened, and no hostile text ran.
"""

import re
import shutil
from urllib.parse import urlsplit

import pytest
import serving
from playwright.sync_api import Page, expect, sync_playwright
from screens import LAPTOP

ALIVE_MS = 60_000
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # an open page of the app keeps its compiled scripts for the next one: 4 s a visit become 2
    "--process-per-site",
    # Playwright has V8 say where each stack came from: Plotly would be parsed again for that, 1 s
    "--js-flags=--no-enable-lazy-source-positions",
]
PATIENCE_MS = 30_000  # a busy machine is no failure
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def smollm2_app():
    """The app with SmolLM2, ready; shared with the tests of the demos."""
    yield serving.running("smollm2-135m-instruct")
    serving.stop_all()


@pytest.fixture(scope="session")
def gemma_app():
    """The app with Gemma 3 270M, ready."""
    yield serving.running("gemma-3-270m")
    serving.stop_all()


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, one for all tests of a file: while it lives no other event loop can."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell"), args=ARGUMENTS
        )
        yield browser
        browser.close()


class Visit:
    """One visit to the app: opens pages and keeps what went wrong on them."""

    def __init__(self, contexts, url):
        self._contexts, self.url = contexts, url
        self._pages = []
        self.problems = []
        self.framed = ()  # addresses of apps in frames of the pages visited
        self.expected = None  # a pattern of console errors a test has a reason to allow

    def __call__(self, path="/", size=LAPTOP, touch=False):
        """A new page at a path of the app; says nothing of whether it is alive yet."""
        page = self.blank(size, touch)
        page.goto(self.url + path)
        return page

    def blank(self, size=LAPTOP, touch=False):
        """A new empty page, watched like any other."""
        page = self._contexts[touch].new_page()
        page.set_viewport_size(size)
        page.on("request", lambda request: self._check_origin(request.url))
        page.on("websocket", lambda socket: self._check_origin(socket.url))
        page.on("console", self._check_message)
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("dialog", self._refuse)
        self._pages.append(page)
        return page

    def _check_origin(self, url):
        ours = [urlsplit(known)[:2] for known in (self.url, *self.framed)]
        if not url.startswith(("data:", "blob:")) and urlsplit(url)[:2] not in ours:
            self.problems.append(f"outside request: {url}")

    def _check_message(self, message):
        expected = self.expected and self.expected.search(message.text)
        if message.type == "error" and not expected:
            self.problems.append(f"console: {message.text} {message.location}")

    def _refuse(self, dialog):
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def leave(self, page):
        """Close a page: Chromium keeps six connections to a server, and an open page takes one."""
        if page.evaluate("typeof window.pwned") != "undefined":
            self.problems.append("hostile text ran")
        page.close()
        self._pages.remove(page)

    def close(self):
        """End the visit; what went wrong is in ``problems``."""
        for page in list(self._pages):
            self.leave(page)


@pytest.fixture(scope="module")
def contexts(chromium):
    """{whether there is a touch screen: its browser context}: the pages of a file share a cache."""
    opened = {touch: chromium.new_context(has_touch=touch) for touch in (False, True)}
    for context in opened.values():
        context.set_default_timeout(PATIENCE_MS)
    return opened


def keep_a_process(context, url):
    """An idle page of the site keeps its process, and the scripts it compiled, between tests."""
    if not context.pages:
        context.new_page().goto(url + "/theme.css")


@pytest.fixture
def visits(contexts):
    """A function: a visit to any running app, checked at the end of the test."""
    begun = []

    def begin(server):
        for context in contexts.values():
            keep_a_process(context, server.url)
        begun.append(Visit(contexts, server.url))
        return begun[-1]

    yield begin
    for visit in begun:
        visit.close()
    assert [problem for visit in begun for problem in visit.problems] == []


@pytest.fixture
def visit(visits, smollm2_app):
    """A visit to the app with SmolLM2."""
    return visits(smollm2_app)


class Demo:
    """One demo on an open page, in the words of the person who uses it."""

    def __init__(self, page: Page, root):
        self.page, self.root = page, root
        self.strip = root.get_by_role("listbox", name=re.compile("token by token|surprisal")).first
        self.chips = self.strip.get_by_role("option")
        self.title = root.locator(".lab-list-title").first
        self.rows = root.locator(".lab-list").first.get_by_role("option")

    def wait_until_alive(self):
        """Return once the strip shows tokens."""
        expect(self.chips.first).to_be_visible(timeout=ALIVE_MS)
        return self

    def button(self, name):
        """The button with this name."""
        return self.root.get_by_role("button", name=name, exact=True)

    def box(self, name):
        """The text box with this name."""
        return self.root.get_by_role("textbox", name=name)

    def unfold(self, name):
        """Open the folded panel whose name begins so, and give its button once it stands still.

        Gradio builds a panel when it is opened, and what is typed while it does is lost.
        """
        fold = self.root.get_by_role("button", name=re.compile(f"^{re.escape(name)}"))
        fold.click()
        self.page.evaluate(TWO_FRAMES)
        self.expect_quiet()
        return fold

    def slider(self, name):
        """The slider whose name begins with these words."""
        return self.root.get_by_role("slider", name=re.compile(f"for {name}"))

    def ids(self):
        """The token ids of the document, as the chips' names say them."""
        return ids_in(self.names())

    def names(self):
        """What a screen reader says of each chip."""
        return self.chips.evaluate_all("all => all.map((chip) => chip.getAttribute('aria-label'))")

    def text(self):
        """The document as it stands on the screen."""
        return "".join(name_text(name) for name in self.names())

    def row_ids(self):
        """What a screen reader says of each candidate."""
        return self.rows.evaluate_all("all => all.map((row) => row.getAttribute('aria-label'))")

    def facts(self, having=""):
        """{name: value} of the first group of numbers that has one of this name."""
        group = self.root.locator(".lab-facts", has_text=having).first
        names = group.locator(".lab-fact-name").all_inner_texts()
        return dict(zip(names, group.locator(".lab-fact-value").all_inner_texts(), strict=True))

    def hover(self, locator):
        """Hover over an element and give its hover box; scrolling, which hides it, comes first."""
        locator.scroll_into_view_if_needed()
        self.page.evaluate(TWO_FRAMES)
        locator.hover()
        tip = self.root.get_by_role("tooltip")
        expect(tip).to_be_visible()
        return tip

    def hover_says(self, locator):
        """The rows of the hover box of an element, as {term: value}."""
        tip = self.hover(locator)
        terms = tip.locator(".lab-tip-term").all_inner_texts()
        return dict(zip(terms, tip.locator(".lab-tip-value").all_inner_texts(), strict=True))

    def drag(self, first, last):
        """Drag with the mouse from one chip to another."""
        start, stop = self.chips.nth(first).bounding_box(), self.chips.nth(last).bounding_box()
        mouse = self.page.mouse
        mouse.move(*middle(start))
        mouse.down()
        mouse.move(*middle(stop), steps=12)
        mouse.up()

    def expect_quiet(self):
        """Nothing is pending for a while: no spinner, no "working…", no veil over any part."""
        self.page.evaluate("() => { window.labQuietSince = null; }")
        self.page.wait_for_function(QUIET, arg=QUIET_MS, polling=50)


# a scroll event comes with the next frame
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# what follows another event begins a moment after it
QUIET_MS = 150
QUIET = """(ms) => {
  const quiet = [...document.querySelectorAll('[data-testid="status-tracker"]')].every((tracker) =>
    tracker.classList.contains('hide') || !tracker.checkVisibility() || (
      getComputedStyle(tracker, '::after').content === 'none' &&
      !tracker.querySelector('.loader, .progress-text, .progress-level, .eta-bar') &&
      !tracker.classList.contains('generating')));
  window.labQuietSince = quiet ? window.labQuietSince ?? performance.now() : null;
  return quiet && performance.now() - window.labQuietSince >= ms;
}"""


def middle(box):
    """The point in the middle of a bounding box."""
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def ids_in(names):
    """The token ids that chip names say."""
    found = [re.search(r", token id (\d+)", name) for name in names]
    return [int(match[1]) for match in found if match]


def name_text(name):
    """The text of the token that a chip name is of; "" for the next token's "?"."""
    match = re.fullmatch(r"token \d+: (.*?), token id .*", name, re.DOTALL)
    return match[1].replace("line break", "\n") if match else ""


@pytest.fixture
def open_tab():
    """A function: a demo opened through its tab, alive."""

    def opened(page, title):
        tab = page.get_by_role("tab", name=title, exact=True)
        expect(tab.or_(page.locator(".overflow-menu > button")).first).to_be_visible()
        page.evaluate(TWO_FRAMES)  # all tabs stand there for a frame, before they are measured
        if tab.is_visible():
            tab.click()
        else:  # a phone has room for the first tabs only
            page.locator(".overflow-menu > button").click()
            page.locator(".overflow-dropdown").get_by_role("button", name=title).click()
        return Demo(page, page.get_by_role("tabpanel")).wait_until_alive()

    return opened


@pytest.fixture
def open_page():
    """A function: a demo on a page of its own, alive and at rest.

    What follows a first view moves what is below it, and a click that it moves under is none.
    """

    def opened(page):
        demo = Demo(page, page.locator(".lab-demo")).wait_until_alive()
        demo.expect_quiet()
        return demo

    return opened


@pytest.fixture
def said():
    """A function: wait for a message on the page that holds some words, then put it away."""

    def wait(page, words):
        message = page.get_by_test_id("toast-text").filter(has_text=words).first
        expect(message).to_be_visible()
        page.get_by_test_id("toast-close").first.click()
        expect(page.get_by_test_id("toast-text")).to_have_count(0)

    return wait

"""A course: its questions on the page, a demo's embed code, and the example page."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import serving
from playwright.sync_api import expect
from screens import LAPTOP, PHONE

pytestmark = pytest.mark.browser
COURSE = """
title = "Unit 3: <i>A course</i>"
demos = ["surprisal", "next-token"]
[[questions]]
text = "Which token is <b>second</b>? ${pwned=1}{{pwned}}<img src=x onerror=pwned=1>"
demo = "next-token"
[questions.state]
text = "The cat"
[[questions]]
text = "Which word surprises?"
link = "?v=1&demo=surprisal&text=A%20small%20elephant.&span=1:3"
"""
# Gradio's client logs the end of its own event stream when a page is left while one runs
LEFT = re.compile("AbortError: signal is aborted|Connection errored out|Unexpected client")
SLUGS = ("tokenizer", "next-token", "sampling", "surprisal", "chat-document")


@pytest.fixture(scope="module")
def course_app(tmp_path_factory):
    """The app of a small course, with the toy model."""
    file = tmp_path_factory.mktemp("course") / "course.toml"
    file.write_text(COURSE, encoding="utf-8")
    server = serving.Server("toy", LAB_COURSE=str(file))
    yield server.wait_until_ready()
    server.stop()


class Folder(SimpleHTTPRequestHandler):
    """Files of a folder, without a line in the terminal for each."""

    def log_message(self, *_):
        pass


@pytest.fixture
def served():
    """A function: the address at which a folder's files are served, ended after the test."""
    servers = []

    def serve(folder):
        handler = partial(Folder, directory=str(folder))
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def question(page):
    return page.locator("#questions .lab-questions-text")


def holds(page, text):
    page.wait_for_function(
        "text => [...document.querySelectorAll('textarea')]"
        ".some((box) => box.checkVisibility() && box.value === text)",
        arg=text,
    )


def test_a_student_goes_through_the_questions(course_app, visits, open_tab):
    """From the list to the first, to the next, and back: each with its state, its text as it is."""
    visit = visits(course_app)
    visit.expected = LEFT
    page = visit("/")
    expect(page).to_have_title("Unit 3: <i>A course</i>")
    expect(page.locator("#status")).to_contain_text("Unit 3: <i>A course</i>")
    expect(page.get_by_role("tab")).to_have_text(["Surprisal", "Next-Token"])
    page.get_by_role("link", name="Begin with question 1").click()
    expect(question(page)).to_have_text(
        "Which token is <b>second</b>? ${pwned=1}{{pwned}}<img src=x onerror=pwned=1>"
    )
    selected = page.locator("button[role=tab][aria-selected=true]")
    expect(selected).to_have_text("Next-Token")
    holds(page, "The cat")
    expect(page.get_by_role("link", name="Previous question")).to_have_count(0)
    page.get_by_role("link", name="Next question").click()
    expect(question(page)).to_have_text("Which word surprises?")
    expect(selected).to_have_text("Surprisal")
    demo = open_tab(page, "Surprisal")
    expect(demo.strip.locator("[aria-selected=true]")).to_have_count(2)
    page.get_by_text("All questions").click()
    page.get_by_role("link", name="Which token is").click()
    expect(selected).to_have_text("Next-Token")
    assert page.url.endswith("/?q=1")


def test_questions_on_a_demos_own_page(course_app, visits, open_page):
    """The way to a question leads to its demo's page, in the colours and the frame it was in."""
    visit = visits(course_app)
    visit.expected = LEFT
    page = visit("/surprisal?q=1&__theme=dark")
    open_page(page)
    page.get_by_role("link", name="Open the demo it is about").click()
    expect(page).to_have_url(f"{course_app.url}/next-token?__theme=dark&q=1")
    open_page(page)
    holds(page, "The cat")
    page = visit("/surprisal?q=2&embed=1")
    open_page(page)
    expect(question(page)).to_be_visible()
    expect(page.get_by_text("All questions")).to_be_hidden()


def test_a_question_there_is_not(course_app, visits, open_tab):
    """Said, and the page is alive."""
    page = visits(course_app)("/?q=9")
    expect(page.locator("#questions")).to_contain_text("no question of this number")
    open_tab(page, "Surprisal")


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_frame_has_no_chrome_and_its_theme(visit, open_page, slug, theme):
    """No footer, no navigation, no header above the demo; the colours that were asked for."""
    page = visit(f"/{slug}?embed=1&__theme={theme}")
    demo = open_page(page)
    for chrome in ("footer", ".nav-holder", ".lab-status-name"):
        expect(page.locator(chrome).locator("visible=true")).to_have_count(0)
    is_dark = page.evaluate("document.body.classList.contains('dark')")
    assert is_dark == (theme == "dark")
    expect(page.locator("#status")).to_contain_text("smollm2-135m-instruct")
    lead = demo.root.locator(".lab-lead").first.bounding_box()
    assert lead["y"] < 60
    assert page.locator("#status").bounding_box()["y"] > lead["y"]


@pytest.mark.parametrize("alone", [False, True], ids=["tabs", "alone"])
def test_the_embed_code_works(smollm2_app, visits, open_page, served, tmp_path, alone):
    """What “Embed” gives, put into a page of another address: the state, in a frame that grows."""
    state = "v=1&demo=surprisal&text=To%20be%20or%20not%20to%20be&span=1:4"
    visit = visits(smollm2_app)
    page = visit(f"/surprisal?{state}" if alone else f"/?{state}")
    root = page.locator(".lab-demo") if alone else page.get_by_role("tabpanel")
    expect(root.locator(".lab-chip[aria-selected=true]").first).to_be_visible()
    root.get_by_text("Link to what you see").click()
    root.get_by_label("dark", exact=True).check()
    root.get_by_role("button", name="Embed", exact=True).click()
    box = root.locator(".lab-code textarea")
    expect(box).to_have_value(re.compile("^<iframe .*__theme=dark"))
    html = box.input_value()
    root.get_by_label("Quarto").check()
    expect(box).to_have_value(re.compile("{=html}"))
    framed = f"<!doctype html><link rel=icon href='data:,'>{html}"
    (tmp_path / "page.html").write_text(framed, "utf-8")
    around = visits(ServedAt(served(tmp_path)))
    around.framed = (smollm2_app.url,)
    page = around("/page.html")
    frame = page.frame_locator("iframe")
    expect(frame.locator(".lab-chip[aria-selected=true]")).to_have_count(3)
    assert f"{smollm2_app.url}/surprisal?" in page.locator("iframe").get_attribute("src")
    grown(page, 0)


class ServedAt:
    """A place to visit."""

    def __init__(self, url):
        self.url = url


GROWN = """(n) => {
  const frame = document.querySelectorAll("iframe")[n];
  return frame.style.height !== "" && frame.style.height !== "900px";
}"""


def grown(page, n):
    """The n-th frame is as high as what it shows: nothing in it scrolls, and no room is left."""
    page.wait_for_function(GROWN, arg=n)
    inside = page.locator("iframe").nth(n).element_handle().content_frame()
    inside.wait_for_function(
        "() => Math.abs(document.documentElement.scrollHeight - innerHeight) <= 1"
    )
    lowest = inside.evaluate("document.querySelector('#status').getBoundingClientRect().bottom")
    assert 0 <= inside.evaluate("innerHeight") - lowest < 40


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_example_page(smollm2_app, visits, served, size):
    """Three demos in a page of another address: alive, usable, as high as what they show."""
    visit = visits(ServedAt(served(serving.ROOT / "docs")))
    visit.framed = (smollm2_app.url,)
    page = visit(f"/course-page.html?app={smollm2_app.url}", size=size)
    expect(page.locator("iframe")).to_have_count(3)
    for n, slug in enumerate(("next-token", "sampling", "surprisal")):
        frame = page.locator("iframe").nth(n)
        frame.scroll_into_view_if_needed()
        assert frame.get_attribute("src").startswith(f"{smollm2_app.url}/{slug}?v=1&")
        expect(frame.content_frame.locator(".lab-strip .lab-chip").first).to_be_visible()
        grown(page, n)
    first = page.locator("iframe").first.content_frame
    chips, before = first.locator(".lab-strip .lab-chip"), 0
    before = chips.count()
    first.locator(".lab-list").get_by_role("option").nth(4).click()
    expect(chips).to_have_count(before + 1)
    first.get_by_text("Show the code").first.click()
    grown(page, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("given", ["javascript:alert(1)", "data:text/html,x", "not an address", ""])
def test_the_example_page_takes_no_other_address(visits, served, given):
    """Anything but http and https is ignored, with a sentence; nothing runs."""
    visit = visits(ServedAt(served(serving.ROOT / "docs")))
    visit.framed = ("http://127.0.0.1:7860",)
    visit.expected = re.compile("ERR_CONNECTION_REFUSED")
    page = visit(f"/course-page.html?app={given}")
    expect(page.locator("#from")).to_contain_text("so it is ignored")
    for source in page.locator("iframe").evaluate_all("all => all.map((frame) => frame.src)"):
        assert source.startswith("http://127.0.0.1:7860/")

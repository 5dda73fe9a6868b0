"""Every event gets its answer, however bad the network is.

Without demos/ui/answer_stream.js, Gradio's page of these tests never comes alive.
"""

import re

import pytest
import serving
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PAUSES_MS = (0, 100, 200, 300, 350, 400, 450, 500)  # around the 400 of bad_network_app.py


@pytest.fixture(scope="module")
def far_app():
    started = serving.Server("toy", program=("tests/bad_network_app.py",))
    yield started.wait_until_ready()
    started.stop()


@pytest.fixture
def far_visit(visits, far_app):
    return visits(far_app)


@pytest.fixture
def demo(far_visit, open_page):
    demo = open_page(far_visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    return demo


def test_a_step_while_the_stream_ends_is_answered(demo):
    """A key at any moment after the last answer: while the end is on its way, and just after."""
    given = len(demo.ids())
    for pause in PAUSES_MS:
        demo.page.keyboard.press("1")
        expect(demo.chips).to_have_count(given + 2)
        demo.page.wait_for_timeout(pause)
        demo.page.keyboard.press("Backspace")
        expect(demo.chips).to_have_count(given + 1)
        demo.page.wait_for_timeout(pause)


def test_a_stopped_run_leaves_a_page_that_answers(demo):
    """A run that was stopped, its cancelled event, and the steps after it."""
    given = len(demo.ids())
    demo.button("Always the top one, ten times").click()
    expect(demo.chips.nth(given + 2)).to_be_visible()
    demo.button("Stop").click()
    demo.expect_quiet()
    n = demo.chips.count()
    demo.page.keyboard.press("1")
    expect(demo.chips).to_have_count(n + 1)
    demo.page.wait_for_timeout(300)
    demo.page.keyboard.press("Backspace")
    expect(demo.chips).to_have_count(n)


def test_a_lost_connection_is_said(demo, far_visit):
    """The stream is to go on and the server does not let it: the page says so, as Gradio's does."""
    far_visit.expected = re.compile("")  # Gradio logs each try
    given = len(demo.ids())
    demo.page.keyboard.press("1")
    expect(demo.chips).to_have_count(given + 2)
    demo.page.route("**/queue/data*", lambda route: route.fulfill(status=503))
    demo.page.keyboard.press("Backspace")
    expect(demo.page.get_by_text("Connection to the server was lost")).to_be_visible()

"""Every event gets its answer, however slow the network is to say that the stream has ended.

Without demos/ui/answer_stream.js, Gradio's page of these tests never comes alive.
"""

import pytest
import serving
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PAUSES_MS = (0, 100, 200, 300, 350, 400, 450, 500)  # around the 400 of slow_end_app.py


@pytest.fixture(scope="module")
def slow_app():
    started = serving.Server("smollm2-135m-instruct", program=("tests/slow_end_app.py",))
    yield started.wait_until_ready()
    started.stop()


@pytest.fixture
def demo(visits, slow_app, open_page):
    demo = open_page(visits(slow_app)("/next-token"))
    expect(demo.rows).to_have_count(10)
    return demo


def test_a_step_while_the_stream_ends_is_answered(demo):
    """A key at any moment after the last answer: while the news is on its way, and just after."""
    given = len(demo.ids())
    for pause in PAUSES_MS:
        demo.page.keyboard.press("1")
        expect(demo.chips).to_have_count(given + 2)
        demo.page.wait_for_timeout(pause)
        demo.page.keyboard.press("Backspace")
        expect(demo.chips).to_have_count(given + 1)
        demo.page.wait_for_timeout(pause)


def test_a_stopped_run_leaves_a_page_that_answers(demo):
    """A run that was stopped, its cancelled event, and the step after it."""
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

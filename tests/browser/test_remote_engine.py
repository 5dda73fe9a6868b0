"""The pages over a vLLM server in memory: what is not exact is said, and a restart is survived."""

import re
from contextlib import contextmanager

import pytest
import serving
from panel import Panel
from playwright.sync_api import expect
from vllm_in_memory import Server, listening, save_tokenizer

pytestmark = pytest.mark.browser
AWAY = "The model server does not answer"


@pytest.fixture(scope="module")
def port():
    return serving.free_port()


@pytest.fixture(scope="module")
def app(port, tmp_path_factory):
    """The app over the server; the tokenizer is in the app."""
    folder = save_tokenizer(tmp_path_factory.mktemp("toy"))
    address = {"LAB_ENGINE_URL": f"http://127.0.0.1:{port}", "LAB_LOOKAHEAD": "0"}
    with listening(Server(), port):
        started = serving.Server(str(folder), **address)
        started.wait_until_ready()
    yield started
    started.stop()


@pytest.fixture
def opened(app, port, visits, open_page):
    """A function: a demo over the server, which listens only inside the block."""

    @contextmanager
    def opening(path):
        with listening(Server(), port):
            yield open_page(visits(app)(path))

    return opening


def header(demo):
    return demo.page.locator("#status")


def test_what_is_not_exact_is_said(opened):
    """In the header on every page, and beside each number that is not known."""
    with opened("/next-token") as demo:
        expect(demo.rows).to_have_count(10)
        expect(header(demo)).to_contain_text("Not exact: this engine gives only its 20 most likely")
        assert demo.facts("entropy")["entropy"] == "unknown"
        expect(demo.root.locator(".lab-row-rest")).to_contain_text("249 tokens")
        given = demo.ids()
        demo.rows.nth(2).click()
        expect(demo.chips).to_have_count(len(given) + 2)
        demo.expect_quiet()
        inside = Panel(demo, "The classifier inside")
        expect(inside.root).to_contain_text("does not show what is inside the model")


def test_sampling_says_when_it_draws_from_the_listed_tokens_alone(opened):
    """At temperature 2 without a cut the unknown tokens are left out, and the page says so."""
    with opened("/sampling") as demo:
        expect(demo.rows.first).to_be_visible()
        demo.slider("top-p").fill("1")
        demo.slider("top-p").dispatch_event("input")
        expect(demo.root.locator(".lab-facts").first).to_contain_text("only 20 tokens are known")


def test_surprisal_needs_no_list(opened):
    """Every token of a text is scored; a token that is not listed has its bits and its rank."""
    with opened("/surprisal") as demo:
        demo.box("Text").fill("The cat ÿ")
        demo.button("Measure").click()
        expect(demo.chips).to_have_count(11)
        expect(demo.root.get_by_role("button", name=re.compile("Recompute"))).to_have_count(0)
        told = demo.hover_says(demo.chips.nth(10))
        assert float(told["surprisal"].split()[0]) > 5
        assert told["rank"].replace(",", "").isdigit()


def test_a_restart_of_the_server(opened, app, visits, open_page, port, said):
    """Away: a sentence, all as it was, the header says it too; back: the next click works."""
    with opened("/next-token") as demo:
        expect(demo.rows).to_have_count(10)
        before, words = demo.ids(), demo.box("Document").input_value()
        demo.rows.nth(1).click()
        expect(demo.chips).to_have_count(len(before) + 2)
        demo.expect_quiet()
    # it is away now
    written = demo.ids()
    demo.rows.nth(2).click()
    said(demo.page, AWAY)
    assert demo.ids() == written
    assert demo.box("Document").input_value() == words
    demo.expect_quiet()
    visit = visits(app)
    late = visit("/next-token")
    expect(late.locator("#status")).to_contain_text(AWAY)
    with listening(Server(), port):
        demo.rows.nth(2).click()
        expect(demo.chips).to_have_count(len(written) + 2)
        demo.expect_quiet()
        assert demo.ids()[:-1] == written

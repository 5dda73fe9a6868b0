"""The page with Gemma 3 270M: its vocabulary, its control tokens, its role words."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.gemma]


@pytest.fixture
def visit(visits, gemma_app):
    """A visit to the app with Gemma."""
    return visits(gemma_app)


def test_start_of_turn_is_one_token_when_switched_on(visit, open_page):
    """<start_of_turn> is plain text cut into several tokens, or with the switch one token."""
    demo = open_page(visit("/tokenizer"))
    demo.box("Text").fill("<start_of_turn>")
    expect(demo.root.locator(".lab-strip-heading:visible").first).to_contain_text("15 pieces")
    expect(demo.chips.nth(2)).to_be_visible()
    expect(demo.strip.locator(".lab-chip-special")).to_have_count(0)
    demo.root.get_by_role("checkbox").check()
    expect(demo.chips).to_have_count(1)
    expect(demo.chips).to_have_text("<start_of_turn>")
    assert demo.ids() == [105]
    assert demo.hover_says(demo.chips.first)["kind"] == "special token"


def test_a_split_character_is_shown_as_bytes(visit, open_page):
    """A character outside the vocabulary is its UTF-8 bytes, each naming what it is part of."""
    demo = open_page(visit("/tokenizer"))
    demo.box("Text").fill("𓀀")
    expect(demo.chips).to_have_count(4)
    assert demo.chips.all_inner_texts() == ["F0", "93", "80", "80"]
    said = [demo.hover_says(demo.chips.nth(i)) for i in range(4)]
    assert {one["part of"] for one in said} == {"𓀀"}
    assert " ".join(one["bytes"] for one in said) == "F0 93 80 80"


def test_candidates_of_the_large_vocabulary(visit, open_page):
    """Ten candidates and "everything else" make up the 262,144 tokens."""
    demo = open_page(visit("/next-token"))
    expect(demo.rows).to_have_count(10)
    expect(demo.root.locator(".lab-row-rest")).to_contain_text("262,134 tokens")
    expect(demo.page.locator("#status")).to_contain_text("262,144 tokens")
    expect(demo.page.locator("#status")).to_contain_text("gemma-3-270m")
    expect(demo.rows.filter(has_text="Paris")).to_have_count(1)
    assert demo.names()[0].startswith("token 0: <bos>")
    before = demo.ids()
    demo.rows.nth(1).click()
    expect(demo.chips).to_have_count(len(before) + 2)
    assert demo.ids()[:-1] == before


def test_the_first_word_is_predicted_from_bos(visit, open_page):
    """With a start token before it the first word has bits; the start token itself has none."""
    demo = open_page(visit("/surprisal"))
    names = demo.names()
    assert "no prediction" in names[0]
    assert re.search(r"surprisal \d+\.\d+ bits", names[1])


def test_chat_has_gemmas_turns(visit, open_page):
    """Turns open with one <start_of_turn> chip, the model's role word is "model", and it is said
    that this base model brings no template."""
    demo = open_page(visit("/chat-document"))
    words = demo.root.locator(".lab-turn").evaluate_all("all => all.map((e) => e.textContent)")
    assert words == ["start", "user", "model"]
    specials = demo.strip.locator(".lab-chip-special").all_inner_texts()
    assert specials == ["<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_turn>"]
    expect(demo.root).to_contain_text("was not trained on chats")
    expect(demo.root).to_contain_text("“model”")
    before = demo.ids()
    demo.rows.first.click()
    expect(demo.chips).to_have_count(len(before) + 2)
    assert demo.ids()[: len(before)] == before


@pytest.fixture
def chat(visit, open_page):
    """The chat, on its prepared turn."""
    demo = open_page(visit("/chat-document"))
    expect(demo.rows).to_have_count(10)
    demo.expect_quiet()
    return demo


def test_the_weather_example_under_gemmas_template(chat):
    """Tools have no place in Gemma's template and a system message no turn: both are said."""
    chat.unfold("All the messages")
    expect(chat.root.locator(".lab-message")).to_have_count(2)
    chat.button("Example: weather").click()
    expect(chat.root.locator(".lab-messages-notes")).to_contain_text("writes nothing of them")
    chat.button("Write this document").click()
    expect(chat.strip).to_contain_text("Oslo")
    expect(chat.strip.locator(".lab-turn")).to_have_text(["start", "user", "model"])
    assert "get_weather" not in chat.text()


def test_breaking_gemmas_template(chat):
    """Without the end-of-turn of the user, what comes next changes, in numbers."""
    chat.unfold("Break the template")
    chat.root.get_by_role("radio", name=re.compile("end-of-turn")).check()
    chat.button("Break it").click()
    true = chat.root.get_by_role("listbox", name="The true document", exact=True)
    expect(true.locator(".lab-mark-removed").first).to_have_text("<end_of_turn>")
    chat.expect_quiet()
    assert float(chat.facts("KL divergence")["KL divergence"].split()[0]) > 0


def test_gemmas_own_column_is_exact(chat):
    """Under the three templates, the count of the running model's own is exact."""
    chat.unfold("The same chat under other templates")
    costs = chat.root.get_by_role("table", name=re.compile("What each template costs"))
    own = costs.locator("tbody tr").first
    expect(own).to_contain_text("Gemma")
    expect(own).to_contain_text("Exact")
    assert own.locator("td").nth(3).inner_text() == str(len(chat.ids()))


def test_a_reply_of_gemma_is_begun_and_generated(chat):
    """Own words begin the model's turn, and it goes on from them."""
    prompt = chat.ids()
    chat.box("Begin the reply with").fill("The capital is")
    chat.button("Generate the reply").click()
    expect(chat.chips.nth(len(prompt) + 8)).to_be_attached(timeout=60_000)
    chat.button("Stop").click()
    chat.expect_quiet()
    assert chat.ids()[: len(prompt)] == prompt
    assert "The capital is" in chat.text()

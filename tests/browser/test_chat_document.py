"""Chat-as-Document, as a person uses it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(visit, open_page):
    demo = open_page(visit("/chat-document"))
    expect(demo.rows).to_have_count(10)
    return demo


def turns(demo):
    """The role words above the turns."""
    words = demo.root.locator(".lab-turn").evaluate_all("all => all.map((e) => e.textContent)")
    return [word for word in words if word != "start"]


def unfold_settings(demo, n_tokens):
    """Open the settings of the reply and allow so many tokens."""
    demo.unfold("How the reply is chosen")
    number = demo.root.get_by_role("spinbutton", name=re.compile("At most"))
    number.fill(str(n_tokens))
    number.press("Tab")


def send(demo, text):
    """Type a message and end the turn."""
    box = demo.box("Your message")
    box.fill(text)
    expect(demo.strip).to_contain_text(text.split()[-1])
    demo.button("End turn").click()
    expect(box).to_have_value("")
    demo.expect_quiet()


def generate(demo):
    """Generate a reply and wait for its end."""
    n = demo.chips.count()
    demo.button("Generate the reply").click()
    expect(demo.chips.nth(n + 1)).to_be_attached()
    demo.page.wait_for_function(  # the "?" comes back when the reply is over
        "strip => strip.querySelector('.lab-mark-next') !== null",
        arg=demo.strip.element_handle(),
        timeout=60_000,
    )
    demo.expect_quiet()


def test_looking_ahead_in_a_reply(demo):
    """Under each candidate stands what greedy decoding would write; choosing on writes it."""
    demo.slider("Look ahead").fill("2")
    ahead = demo.root.locator(".lab-row:not(.lab-row-head) .lab-ahead")
    expect(ahead).to_have_count(10)
    promised = ahead.first.inner_text()
    given = len(demo.ids())
    for n in range(1, 4):
        demo.rows.first.click()
        expect(demo.chips).to_have_count(given + n + 1)
    written = "".join(demo.chips.nth(given + 1 + n).inner_text() for n in range(2))
    assert written == promised


def test_editing_what_was_already_written(demo):
    """A token of the reply becomes another, by candidate and by own words; the old path stays."""
    given = len(demo.ids())
    for n in range(1, 4):
        demo.rows.first.click()
        expect(demo.chips).to_have_count(given + n + 1)
    before = demo.ids()
    demo.chips.nth(given + 1).click()
    expect(demo.title).to_contain_text(f"(token {given + 1})")
    demo.root.get_by_role("button", name="Force a token").click()
    demo.box("Write your own words").fill(" Rome")
    demo.button("Replace the selected").click()
    changed = demo.chips.nth(given + 1)
    expect(changed).to_have_attribute("aria-label", re.compile("Rome"))
    assert demo.ids()[: given + 1] == before[: given + 1]
    assert demo.ids()[given + 2 :] == before[given + 2 :]
    demo.rows.nth(2).click()
    expect(demo.chips).to_have_count(given + 3)  # cut after it, and the "?"
    assert demo.ids()[: given + 1] == before[: given + 1]
    assert demo.root.locator(".lab-path").count() >= 3
    demo.rows.first.click()
    expect(demo.chips).to_have_count(given + 4)


def test_opens_on_a_prepared_turn(demo):
    """The page opens on a document of turns with control tokens apart, ready for a reply."""
    assert turns(demo) == ["system", "user", "assistant"]
    specials = demo.strip.locator(".lab-chip-special").all_inner_texts()
    assert specials.count("<|im_start|>") == 3
    assert specials.count("<|im_end|>") == 2
    expect(demo.title).to_have_text(re.compile("^Next token"))


def test_roles_are_distinct(demo):
    """Each role has its own ground, and hovering says the role word."""
    grounds = set()
    for tone in ("system", "user", "assistant"):
        chip = demo.strip.locator(f".lab-chip[data-tone={tone}]:not(.lab-chip-special)").first
        grounds.add(chip.evaluate("chip => getComputedStyle(chip).backgroundColor"))
        assert demo.hover_says(chip)["role"] == tone
    assert len(grounds) == 3


def test_strip_follows_the_typing(demo):
    """A new chat's document grows with the message as it is typed, its turn still open."""
    demo.button("New chat").click()
    expect(demo.chips).to_have_text(["?"])
    box = demo.box("Your message")
    box.fill("")
    box.press_sequentially("Hello there", delay=10)
    expect(demo.strip).to_contain_text("there")
    demo.expect_quiet()
    assert turns(demo) == ["system", "user"]
    assert demo.chips.last.inner_text().endswith("there")
    box.fill("")
    expect(demo.chips).to_have_text(["?"])


def test_both_boxes_filled_at_once(demo):
    """A system prompt and a message written in the same moment are both in the document."""
    demo.button("New chat").click()
    expect(demo.chips).to_have_text(["?"])
    for n in range(12):
        demo.box("System prompt").fill(f"Prompt {n}")
        demo.box("Your message").fill(f"Message {n}")
        demo.expect_quiet()
        expect(demo.strip).to_have_text(re.compile(rf"Prompt.*{n}.*user.*Message.*{n}$", re.DOTALL))


def test_end_turn_opens_the_models_turn(demo):
    """ "End turn" closes the user's turn, opens the model's, and empties the box."""
    demo.button("New chat").click()
    expect(demo.chips).to_have_text(["?"])
    send(demo, "Name a colour.")
    assert turns(demo) == ["system", "user", "assistant"]
    assert demo.text().endswith("Name a colour.<|im_end|>\n<|im_start|>assistant\n")


def test_reply_and_second_turn_never_change_an_earlier_id(demo):
    """Reply, second message, second reply: the document only ever grows at its end."""
    prompt = demo.ids()
    generate(demo)
    replied = demo.ids()
    assert replied[: len(prompt)] == prompt
    assert "Paris" in demo.text()
    assert demo.names()[len(replied) - 1].startswith(f"token {len(replied) - 1}: <|im_end|>")
    send(demo, "And of Italy?")
    second = demo.ids()
    assert second[: len(replied)] == replied
    assert turns(demo) == ["system", "user", "assistant", "user", "assistant"]
    generate(demo)
    assert demo.ids()[: len(second)] == second


def test_the_document_so_far_stands_while_a_second_message_is_typed(demo):
    """While a second message is typed it is shown after the document, which stays as it is."""
    generate(demo)
    before = demo.ids()
    demo.box("Your message").press_sequentially(" And Spain", delay=10)
    expect(demo.strip).to_contain_text("Spain")
    demo.expect_quiet()
    assert demo.ids()[: len(before)] == before
    expect(demo.page.get_by_test_id("toast-text")).to_have_count(0)


def test_stop_keeps_what_is_there(demo, visit):
    """Stop in the middle keeps the reply so far; generating goes on from there."""
    visit.expected = re.compile("status of 422")  # Stop at a moment when Gradio names no event
    demo.button("New chat").click()
    expect(demo.chips).to_have_text(["?"])
    send(demo, "Tell me a very long story about the sea and a ship.")
    unfold_settings(demo, 100)
    prompt = demo.ids()
    demo.button("Generate the reply").click()
    expect(demo.chips.nth(len(prompt) + 3)).to_be_attached()
    demo.button("Stop").click()
    demo.expect_quiet()
    stopped = demo.ids()
    assert len(prompt) < len(stopped) < len(prompt) + 100
    demo.chips.nth(len(prompt) + 1).click()
    expect(demo.title).to_contain_text(f"(token {len(prompt) + 1})")
    assert demo.ids() == stopped
    demo.button("Generate the reply").click()
    expect(demo.chips.nth(len(stopped) + 1)).to_be_attached()
    demo.button("Stop").click()
    demo.expect_quiet()
    assert demo.ids()[: len(stopped)] == stopped


def test_click_shows_a_tokens_distribution(demo):
    """Clicking a token of the reply shows what it was chosen from, with it marked."""
    prompt = len(demo.ids())
    generate(demo)
    demo.chips.nth(prompt).click()
    expect(demo.title).to_contain_text(f"(token {prompt})")
    marked = demo.root.locator(".lab-row-chosen .lab-chip")
    expect(marked).to_have_text(demo.chips.nth(prompt).inner_text())
    expect(demo.root.locator(".lab-row-chosen .lab-rank")).to_have_text("1")


def test_a_candidate_writes_the_models_first_word(demo):
    """A candidate clicked before generating begins the model's turn."""
    before = demo.ids()
    token = demo.rows.nth(2).locator(".lab-chip").inner_text()
    demo.rows.nth(2).click()
    expect(demo.chips).to_have_count(len(before) + 2)
    assert demo.ids()[:-1] == before
    assert demo.chips.nth(len(before)).inner_text() == token


def test_an_ended_turn_says_what_to_do(demo, said):
    """Generating after the model has ended its turn says so, and changes nothing."""
    generate(demo)
    before = demo.ids()
    demo.button("Generate the reply").click()
    said(demo.page, "has ended its turn")
    demo.expect_quiet()
    assert demo.ids() == before


def test_undo_and_new_chat(demo):
    """Undo takes back the whole reply; a new chat is empty and says what to do."""
    prompt = demo.ids()
    generate(demo)
    demo.button("Undo").click()
    expect(demo.chips).to_have_count(len(prompt) + 1)
    assert demo.ids() == prompt
    demo.button("New chat").click()
    expect(demo.chips).to_have_text(["?"])
    expect(demo.title).to_contain_text("End your turn")
    expect(demo.rows).to_have_count(0)


def test_a_sampled_reply_repeats_with_its_seed(demo):
    """Sampled with the same seed twice, the reply is the same."""
    prompt = demo.ids()
    unfold_settings(demo, 12)
    demo.root.get_by_role("radio", name="sampled").check()
    replies = []
    for _ in range(2):
        generate(demo)
        replies.append(demo.ids())
        demo.button("Undo").click()
        expect(demo.chips).to_have_count(len(prompt) + 1)
    assert replies[0] == replies[1]

"""A broken document differs from the true one in what was broken, and in nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import chat, chat_breaks
from core.chat_breaks import Break
from core.conversation import Conversation, with_turn_ended
from core.engines.toy import BOS, TURN_END, TURN_START, ToyEngine
from core.errors import InputError
from core.measures import kl_bits, mass_moved
from core.tokens import ChatDocument, Distribution

TOY = ToyEngine()
VOCABULARY = TOY.vocabulary
IDS = st.lists(st.integers(0, 3), max_size=8)
TEXTS = st.text("ab é\n", min_size=1, max_size=8)


def messages(*contents):
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


def rendered(*contents, prompt=True):
    return TOY.render_chat(messages(*contents), add_generation_prompt=prompt)


WORDS = chat_breaks.role_words(rendered("x"), VOCABULARY)


@given(IDS, IDS, st.none() | st.integers(0, 8))
def test_a_break_is_one_stretch_replaced(true, broken, at):
    """The change put back gives the true document; compared places see the same tokens after."""
    change = Break.between(true, broken, at)
    middle = change.broken[change.kept : change.broken_stop]
    assert (*change.true[: change.kept], *middle, *change.true[change.true_stop :]) == tuple(broken)
    assert change.true[change.true_at :] == change.broken[change.broken_at :]
    assert change.true_stop <= change.true_at <= max(len(true), change.true_at)


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 60))
def test_one_end_of_turn_is_removed(first, reply, second, at):
    """One marker less, every other token as before: that of the selected turn, else the last."""
    document = rendered(first, reply, second)
    change = chat_breaks.without_end_of_turn(document, VOCABULARY, at)
    ends = [i for i, token_id in enumerate(document.ids) if token_id == TURN_END]
    assert change.kept in ends
    assert change.broken == document.ids[: change.kept] + document.ids[change.kept + 1 :]
    inside = [i for i in ends if at <= i + 1 and document.ids[at : i + 1].count(TURN_START) <= (
        document.ids[at : at + 1] == (TURN_START,))]  # fmt: skip
    expected = inside[0] if inside and 0 < at < len(document.ids) else ends[-1]
    assert change.kept == expected
    assert change.true_at == len(document.ids)


def test_the_end_of_a_finished_reply_is_compared_at_the_end():
    """After the reply's own marker nothing but the next tokens is left to compare."""
    document = rendered("Hi", "Yes", prompt=False)
    change = chat_breaks.without_end_of_turn(document, VOCABULARY, len(document.ids))
    assert document.ids[change.kept] == TURN_END
    assert (change.true_at, change.broken_at) == (len(document.ids), len(document.ids) - 1)


def test_before_any_end_there_is_none_to_remove():
    """A sentence."""
    document = chat.without_closing(rendered("Hi", prompt=False), VOCABULARY)
    with pytest.raises(InputError, match="No turn has ended"):
        chat_breaks.without_end_of_turn(document, VOCABULARY, 3)


@given(TEXTS, TEXTS, TEXTS)
def test_a_role_is_swapped(first, reply, second):
    """The role words read as before but for one; the words of all turns stay."""
    document = rendered(first, reply, second)
    found = [turn for turn in chat.turns(document, VOCABULARY) if turn.role]
    for i, turn in enumerate(found):
        for at in (turn.start, turn.stop - 1):
            change = chat_breaks.with_role_swapped(document, VOCABULARY, at, WORDS)
            after = ChatDocument(change.broken, TURN_START)
            roles = [t.role for t in chat.turns(after, VOCABULARY) if t.role]
            wanted = [t.role for t in found]
            wanted[i] = {"user": "assistant", "assistant": "user"}[turn.role]
            assert roles == wanted
    last = chat_breaks.with_role_swapped(document, VOCABULARY, len(document.ids), WORDS)
    assert last.kept > found[-1].start
    assert last.true_at == len(document.ids)


def test_a_system_turn_has_no_role_to_swap():
    """Selected, the last turn of user or model is taken; without one: a sentence."""
    system = [{"role": "system", "content": "S"}]
    document = TOY.render_chat([*system, *messages("Hi")])
    change = chat_breaks.with_role_swapped(document, VOCABULARY, 3, WORDS)
    assert TOY.decode(change.broken).endswith("<turn>user\n")
    alone = TOY.render_chat(system, add_generation_prompt=False)
    with pytest.raises(InputError, match="No turn of the user"):
        chat_breaks.with_role_swapped(alone, VOCABULARY, 3, WORDS)


@given(TEXTS, st.text("ab", max_size=3))
def test_the_opening_is_forgotten(user, reply):
    """With or without a reply begun: the document ends where the template would stop unasked."""
    talk = with_turn_ended(TOY, Conversation(), "", user)
    begun = ChatDocument((*talk.ids, *reply.encode()), TURN_START)
    change = chat_breaks.without_generation_prompt(begun, VOCABULARY, "assistant")
    assert change.true == talk.ids
    assert change.broken == rendered(user, prompt=False).ids
    assert (change.true_at, change.broken_at) == (len(change.true), len(change.broken))
    with pytest.raises(InputError, match="does not end with the model's turn"):
        chat_breaks.without_generation_prompt(rendered(user, prompt=False), VOCABULARY, "assistant")


@given(TEXTS, TEXTS, TEXTS)
def test_an_injection_reads_as_the_turns_it_forges(first, reply, second):
    """Read as control tokens the one message is, id for id, the three of them."""
    text = chat_breaks.injection(rendered("x", "y", "z"), VOCABULARY, (first, reply, second))
    forged = TOY.render_chat(messages(text), control_tokens=True)
    assert forged.ids == rendered(first, reply, second).ids
    plain = TOY.render_chat(messages(text))
    assert [i for i in plain.ids if i >= BOS] == [i for i in rendered("x").ids if i >= BOS]


def test_a_template_without_markers_can_not_be_forged():
    """Sentences."""
    unmarked = ChatDocument(rendered("x", "y", "z").ids, None)
    with pytest.raises(InputError, match="none can be forged"):
        chat_breaks.injection(unmarked, VOCABULARY, ("a", "b", "c"))
    with pytest.raises(InputError, match="no role can be swapped"):
        chat_breaks.role_words(unmarked, VOCABULARY)


LOGITS = st.lists(st.floats(-9, 9, width=32), min_size=4, max_size=4)


@given(LOGITS, LOGITS)
def test_how_far_two_distributions_are_apart(first, second):
    """The textbook sums, token by token; 0 only between a distribution and itself."""
    p, q = (Distribution.from_logits(np.array(x, dtype=np.float32)) for x in (first, second))
    probs = [[np.exp(float(x)) for x in d.logprob_by_id] for d in (p, q)]
    pairs = list(zip(*probs, strict=True))
    assert kl_bits(p, q) == pytest.approx(sum(a * np.log2(a / b) for a, b in pairs), abs=1e-5)
    assert mass_moved(p, q) == pytest.approx(sum(abs(a - b) for a, b in pairs) / 2, abs=1e-9)
    assert kl_bits(p, p) == mass_moved(p, p) == 0


def test_an_unknown_tail_has_no_divergence():
    """None, never a guess."""
    whole = Distribution.from_logits(np.zeros(3, dtype=np.float32))
    part = Distribution(np.log(np.array([0.5, 0.25, 0.0 + 1e-9], dtype=np.float32)), 0.25)
    for pair in ((whole, part), (part, whole)):
        assert kl_bits(*pair) is None
        assert mass_moved(*pair) is None

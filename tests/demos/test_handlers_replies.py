"""Generate, from a token, again, and with a beginning: the replies panel as plain functions."""

import gradio as gr
import numpy as np
import pytest
from handling import assert_sentence, last, span

from core.branches import Branches, continues
from core.conversation import Conversation
from core.errors import InputError, NoPrediction
from core.measures import surprisal_bits
from core.sampling import Sampler, draw, reshape
from demos import chat_document as chat_demo
from demos.chat_document import REPLIES
from demos.ui import replies
from demos.ui.replies import GREEDY, SAMPLED

SETTINGS = (SAMPLED, 1.0, 1, 6)


def asked(engine, user="What is the capital of France?"):
    return chat_demo.end_turn(engine, Branches.of(Conversation()), "Be brief.", user)[0]


def generated(engine, past, *settings):
    return last(REPLIES.reply(engine, past, *(settings or SETTINGS)))[0]


def test_a_message_that_was_not_sent_is_not_answered(toy):
    """Generate with words in the message box writes nothing and says to end the turn first."""
    past = asked(toy)
    with pytest.raises(InputError) as error:
        last(REPLIES.begin_once_sent(toy, past, "", "Who wrote Hamlet?", *SETTINGS))
    assert_sentence(error)
    for nothing in ("", " \n", None):
        view = last(REPLIES.begin_once_sent(toy, past, "", nothing, *SETTINGS))
        assert view[0].now.ids == generated(toy, past).now.ids


def retried(engine, past, *settings):
    return last(REPLIES.retry(engine, past, *(settings or SETTINGS)))[0]


def sampled(engine, ids, seed, n, temperature=1.0):
    """The same reply the long way: reshape, draw, append."""
    rng, ids = np.random.default_rng(seed), tuple(ids)
    for _ in range(n):
        ids += (int(draw(reshape(engine.next(ids), Sampler(temperature)), rng.random())),)
        if ids[-1] in engine.info.stop_ids:
            break
    return ids


def cells(update):
    """The rows of the table as text."""
    return [
        [c.get("text") or "".join(t for line in c["lines"] for _, t in line) for c in row["cells"]]
        for row in update["rows"]
    ]


def test_retry_draws_from_the_same_place_with_the_next_seed(engine):
    """Each retry is what its seed gives after the prompt; the earlier replies stay as paths."""
    opened = asked(engine)
    past = generated(engine, opened)
    for seed in (2, 3):
        before = past
        past = retried(engine, past)
        assert past.now.ids == sampled(engine, opened.now.ids, seed, 6)
        assert all(any(continues(e, end) for e in past.ends) for end in before.ends)
    update, *_ = replies.table(engine, past)
    assert [row[1] for row in cells(update)] == ["1", "2", "3"]
    assert [row["here"] for row in update["rows"]] == [False, False, True]


def test_retry_samples_even_where_the_reply_was_greedy(engine):
    """The most likely tokens again would be the same reply; the table says which was greedy."""
    opened = asked(engine)
    past = retried(engine, generated(engine, opened, GREEDY, 1.0, 1, 4), GREEDY, 1.0, 1, 4)
    assert past.now.ids == sampled(engine, opened.now.ids, 1, 4)
    assert [row[1] for row in cells(replies.table(engine, past)[0])] == [GREEDY, "1"]


def test_the_table_says_what_the_model_gave_each_reply(engine):
    """Tokens, total bits and bits per token, from the model's own distributions one by one."""
    opened = asked(engine)
    past = retried(engine, generated(engine, opened))
    start = len(opened.now)
    update, *_ = replies.table(engine, past)
    assert len(update["rows"]) == 2
    for row, end in zip(cells(update), past.ends[-2:], strict=True):
        bits = [
            surprisal_bits(engine.next(end.ids[:at]).logprob_of(end.ids[at]))
            for at in range(start, len(end))
        ]
        assert row[2] == str(len(bits))
        assert float(row[3]) == pytest.approx(sum(bits), abs=0.006)
        assert float(row[4]) == pytest.approx(sum(bits) / len(bits), abs=0.006)


def test_a_click_on_a_reply_returns_to_it(engine):
    """From another reply, from before all, and from a later turn; a stale click stays put."""
    opened = asked(engine)
    first = generated(engine, opened)
    past = retried(engine, first)
    pick = replies.table(engine, past)[0]["rows"][0]["pick"]
    undone = past.undo().undo()
    for before in (past, undone):
        after = REPLIES.visit(engine, before, pick)[0]
        assert after.now == first.now
    for stale in ("", None, 5, [], "0" * 16):
        assert REPLIES.visit(engine, past, stale)[0] == past


def test_generate_from_a_token_keeps_the_old_path(engine):
    """The selected token is written anew and the reply goes on; what stood there is a path."""
    opened = asked(engine)
    past = generated(engine, opened)
    at = len(opened.now) + 2
    after = last(REPLIES.from_here(engine, past, span(at), SAMPLED, 1.0, 9, 5))[0]
    assert after.now.ids == sampled(engine, past.now.ids[:at], 9, 5)
    assert past.now.ids in [end.ids for end in after.ends]
    assert after.undo().now == past.now


def test_the_button_says_which_token(toy):
    """It offers a token in the middle; at the end, and with nothing selected, it is off."""
    past = generated(toy, asked(toy))
    offered = replies.offer(toy, past, span(5))
    assert (offered["value"], offered["interactive"]) == ("Generate from token 5", True)
    for nothing in (None, span(len(past.now)), span(0), "x"):
        assert not replies.offer(toy, past, nothing)["interactive"]


def test_a_reply_begins_with_the_words_one_gives(engine):
    """Tokenized as they stand, scored by the model, and the reply goes on after them."""
    opened = asked(engine)
    first, *views, final = REPLIES.begin(engine, opened, "Sure, it", *SETTINGS)
    words = [token.id for token in engine.tokenize("Sure, it")]
    ids = (*opened.now.ids, *words)
    assert final[0].now.ids == sampled(engine, ids, 1, 6)
    for at, token_id in enumerate(words, start=len(opened.now)):
        given = engine.next(ids[:at]).candidate(token_id)
        pick = final[0].now.picks[at]
        assert (pick.id, pick.rank) == (given.id, given.rank)
        assert pick.logprob == pytest.approx(given.logprob, abs=1e-4)
    assert first[7] == ""
    assert all(view[7] == gr.skip() for view in (*views, final))  # typed meanwhile, it stays
    assert retried(engine, final[0]).now.ids == sampled(engine, ids, 2, 6)


def test_without_a_beginning_the_box_is_left_alone(toy):
    """And the reply is the one that "Generate" always gave."""
    opened = asked(toy)
    view = last(REPLIES.begin(toy, opened, "", *SETTINGS))
    assert view[7] == gr.skip()
    assert view[0].now == generated(toy, opened).now


def test_a_stopped_reply_is_in_the_table_and_goes_on(engine):
    """What was drawn before the stop stays; going on is a second draw of the same reply."""
    opened = asked(engine)
    stream = REPLIES.reply(engine, opened, *SETTINGS)
    next(stream)
    stopped = next(stream)[0]
    stream.close()
    (row,) = cells(replies.table(engine, stopped)[0])
    assert (row[1], row[2]) == ("1", "2")
    after = generated(engine, stopped, GREEDY, 1.0, 1, 2)
    (row,) = cells(replies.table(engine, after)[0])
    assert row[1] == "1, then greedy"


def test_what_can_not_be_generated_is_a_sentence(toy):
    """No document, no reply yet, an ended turn with a beginning typed, the first token."""
    opened = asked(toy)
    past = generated(toy, opened)
    ended = past.go(past.now.pick(toy.next(past.now.ids).candidate(min(toy.info.stop_ids))))
    for wrong, kind in (
        (lambda: retried(toy, Branches.of(Conversation())), InputError),
        (lambda: retried(toy, opened), InputError),
        (lambda: last(REPLIES.begin(toy, ended, "Sure", *SETTINGS)), InputError),
        (lambda: last(REPLIES.begin(toy, opened, 5, *SETTINGS)), InputError),
        (lambda: last(REPLIES.from_here(toy, past, span(0), *SETTINGS)), NoPrediction),
        (lambda: retried(toy, past, SAMPLED, float("nan"), 1, 5), InputError),
    ):
        with pytest.raises(kind) as error:
            wrong()
        assert_sentence(error)

"""Breaking the template: the panel's handlers as plain functions."""

import numpy as np
import pytest
from handling import assert_sentence, chip_ids, facts, last, span

from core import chat
from core.branches import Branches
from core.conversation import Conversation
from core.errors import InputError
from demos import chat_document as chat_demo
from demos.chat_document import BREAKS, REPLIES
from demos.ui import breaking
from demos.ui.breaking import CONTROL, MARKER, OPENING, ROLE

FIRST_FOUR = (MARKER, ROLE, OPENING)


def asked(engine, user="What is the capital of France?"):
    return chat_demo.end_turn(engine, Branches.of(Conversation()), "Be brief.", user)[0]


def shown(engine, past, kind, at=None, text=""):
    return BREAKS.show(engine, past, at, kind, text)


def roles(engine, talk):
    return [turn.role for turn in chat.turns(talk.rendered, engine.vocabulary) if turn.role]


@pytest.fixture(params=FIRST_FOUR)
def kind(request):
    return request.param


def test_both_documents_are_shown_with_the_change_marked(engine, kind):
    """The marks are the difference: without them both strips hold the same ids. Both are scrolled
    to the same place, also where nothing is left of what was taken from the end."""
    past = asked(engine)
    broken, lesson, true_strip, broken_strip, *_ = shown(engine, past, kind)
    assert tuple(chip_ids(broken_strip)) == broken.ids != past.now.ids
    assert tuple(chip_ids(true_strip)) == past.now.ids
    rest = [
        [chip["id"] for chip in strip["tokens"] if chip.get("mark") != mark]
        for strip, mark in ((true_strip, "removed"), (broken_strip, "added"))
    ]
    assert rest[0] == rest[1]
    assert any(chip.get("mark") for chip in true_strip["tokens"])
    seen, in_broken = (strip["value"]["start"] for strip in (true_strip, broken_strip))
    assert true_strip["tokens"][seen]["mark"] == "removed"
    assert in_broken == min(seen, len(broken.ids) - 1)
    assert lesson.endswith(".")


def test_the_lists_are_the_engines_own(engine, kind):
    """Each list is the distribution after its document, and the numbers are between the two."""
    past = asked(engine)
    broken, _, _, _, true_list, broken_list, numbers, _ = shown(engine, past, kind)
    before, after = engine.next(past.now.ids), engine.next(broken.ids)
    for update, distribution in ((true_list, before), (broken_list, after)):
        assert [row["id"] for row in update["rows"]] == [int(i) for i in distribution.top(8)]
    p, q = (np.exp(d.logprob_by_id.astype(np.float64)) for d in (before, after))
    told = facts(numbers)
    assert float(told["KL divergence"].split()[0]) == pytest.approx(
        float((p * np.log2(p / q)).sum()), abs=0.006
    )
    best = engine.vocabulary.token(int(before.top(1)[0]))
    rank = next(value for name, value in told.items() if name.endswith("rank"))
    assert rank == f"1 → {after.rank_of(best.id):,}"


def test_what_each_break_takes_away(engine):
    """One marker; one role; the opening of the model's turn."""
    past = asked(engine)
    stop = min(set(past.now.ids) & engine.info.stop_ids)
    assert shown(engine, past, MARKER)[0].ids.count(stop) == past.now.ids.count(stop) - 1
    true = roles(engine, past.now)
    assert roles(engine, shown(engine, past, ROLE)[0]) == [*true[:-1], "user"]
    forgotten = engine.render_chat(past.now.messages, add_generation_prompt=False)
    assert shown(engine, past, OPENING)[0].ids == forgotten.ids


def test_a_break_in_a_reply_under_way(engine):
    """The selected turn's marker or role; what follows the change is kept, and compared there."""
    past = last(REPLIES.reply(engine, asked(engine), "sampled", 1.0, 1, 5))[0]
    user = next(t for t in chat.turns(past.now.rendered, engine.vocabulary) if t.role == "user")
    for kind in (MARKER, ROLE):
        broken, _, _, strip, *_ = shown(engine, past, kind, span(user.start + 1))
        assert broken.ids[-5:] == past.now.ids[-5:]
        assert f"compared after {len(broken) - len(last_words(engine, past)):,}" in strip["heading"]


def last_words(engine, past):
    """The tokens of the last turn after its opening."""
    turn = chat.turns(past.now.rendered, engine.vocabulary)[-1]
    return past.now.ids[chat.words_start(past.now.rendered, turn, engine.vocabulary) :]


def test_the_prepared_injection_forges_turns(engine):
    """Plain text it is one message; read as control tokens, the model's own earlier turn."""
    kind, text = breaking.prepared(engine)
    assert kind == CONTROL
    past = asked(engine)
    broken, _, true_strip, *_ = shown(engine, past, kind, None, text)
    plain = engine.render_chat(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    )
    assert tuple(chip_ids(true_strip)) == plain.ids
    model = roles(engine, broken)[-1]
    assert roles(engine, broken)[-4:] == ["user", model, "user", model]
    stops = engine.info.stop_ids
    assert sum(i in stops for i in broken.ids) == sum(i in stops for i in plain.ids) + 2


@pytest.mark.gemma
def test_gemmas_injection_is_in_its_own_words(gemma):
    """Its role word is "model"; the forged document is what the template writes of three turns."""
    _, text = breaking.prepared(gemma)
    assert "<start_of_turn>model\n" in text
    broken = shown(gemma, Branches.of(Conversation()), CONTROL, None, text)[0]
    said = [
        {"role": role, "content": content}
        for role, content in zip(("user", "assistant", "user"), breaking.SAID, strict=True)
    ]
    assert broken.ids == gemma.render_chat(said).ids
    assert roles(gemma, shown(gemma, asked(gemma), ROLE)[0]) == ["user", "user"]


def test_the_broken_document_can_be_used(engine, kind):
    """It becomes the document, one can generate from it, and undo gives the true one back."""
    past = asked(engine)
    broken = shown(engine, past, kind)[0]
    used = BREAKS.use(engine, past, broken)
    assert used[0].now == broken
    assert tuple(chip_ids(used[1])) == broken.ids
    assert used[0].undo().now == past.now
    if broken.ids[-1] not in engine.info.stop_ids:
        replied = last(REPLIES.reply(engine, used[0], "greedy", 1.0, 1, 2))[0]
        assert replied.now.ids[: len(broken)] == broken.ids


def test_a_turn_after_a_broken_document(engine, kind):
    """The next message is written after it, whatever was broken; no id before changes."""
    past = asked(engine)
    broken = shown(engine, past, kind)[0]
    after = chat_demo.end_turn(engine, past.go(broken), "Be brief.", "Go on.")[0]
    assert after.now.ids[: len(broken)] == broken.ids


def test_what_can_not_be_broken_is_a_sentence(toy):
    """No document, no such break, no message, nothing special in it, nothing broken yet."""
    nothing, past = Branches.of(Conversation()), asked(toy)
    for wrong in (
        lambda: shown(toy, nothing, MARKER),
        lambda: shown(toy, past, "other"),
        lambda: shown(toy, past, None),
        lambda: shown(toy, past, CONTROL, None, ""),
        lambda: shown(toy, past, CONTROL, None, "Hello"),
        lambda: shown(toy, past, CONTROL, None, 5),
        lambda: BREAKS.use(toy, past, None),
    ):
        with pytest.raises(InputError) as error:
            wrong()
        assert_sentence(error)

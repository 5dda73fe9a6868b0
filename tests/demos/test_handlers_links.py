"""Each demo's page as a link, and a link as the page: what was on show is on show again."""

from dataclasses import replace
from urllib.parse import parse_qsl

import gradio as gr
import pytest
from handling import chip_ids, click, last, span
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vllm_in_memory import Server, refused

from core import link_states, tool_form
from core.errors import InputError
from core.link_check import checked_for
from core.link_states import (
    ChatLink,
    NextTokenLink,
    SamplingLink,
    SurprisalLink,
    TokenizerLink,
)
from core.links import from_query, to_query
from demos import chat_document, next_token, sampling, surprisal, tokenizer
from demos.ui import link_row, links, messages, replies, writing

SETTINGS = (0.7, 0, 0.9, 0.0)
RESTORE = {"sampling": sampling.restore, "chat-document": chat_document.restore}
REPLY = ("sampled", 0.8, 7, 20, 0)


def through_a_link(engine, state):
    """The state as the page gets it that the link opens."""
    found, notes = from_query(to_query(state))
    assert notes == []
    assert found == state
    checked, notes = checked_for(engine, found)
    assert notes == []
    return checked


def again_tokenizer(engine, state):
    """The page's link after the link was opened."""
    strip, *_, text, control = tokenizer.restore(engine, state)
    return tokenizer.link_of(engine, text, control, strip["value"])


def again_surprisal(engine, state):
    reading, strip, *_, text = last(surprisal.restore(engine, state))
    assert "value" not in strip  # what is clicked while the page opens stays
    return surprisal.link_of(engine, reading, None, text)


def again_next_token(engine, state):
    branches, strip, *_, text, n_ahead = next_token.restore(engine, state)
    return next_token.link_of(engine, branches, strip["value"], text, n_ahead)


def again_sampling(engine, state):
    bench, *_, text, seed, n, t, k, p, m = sampling.restore(engine, state)
    return sampling.link_of(engine, bench, text, seed, n, t, k, p, m)


def again_chat(engine, state):
    past, strip, *_, user, _, system, how, t, seed, n, ahead, compact = chat_document.restore(
        engine, state
    )
    message, reply = (compact, system, user), (how, t, seed, n, ahead)
    return chat_document.link_of(engine, past, strip["value"], *message, *reply)


@pytest.mark.parametrize("control", [False, True])
@pytest.mark.parametrize("selected", [None, (1, 4), (0, 1)])
def test_tokenizer(engine, control, selected):
    """Text, switch and selection; the counts are of the selection again."""
    text = "Zürich café <bos>"
    state = tokenizer.link_of(engine, text, control, selected and span(*selected))
    said = links.made_with(engine)
    assert state == TokenizerLink(**said, text=text, control_tokens=control, span=selected)
    assert (said["model"], said["revision"]) == (engine.info.name, engine.info.revision)
    assert again_tokenizer(engine, through_a_link(engine, state)) == state
    strip, counts, *_ = tokenizer.restore(engine, state)
    shown, plain, *_ = tokenizer.cut(engine, text, control)
    assert strip["tokens"] == shown["tokens"]
    if selected:
        assert counts == tokenizer.look(engine, text, control, span(*selected))
    else:
        assert counts == plain


def test_tokenizer_has_no_link_for_what_it_can_not_read(engine):
    """The sentence is the one the page gives."""
    with pytest.raises(InputError, match="NUL"):
        tokenizer.link_of(engine, "a\0b", False, None)


def test_surprisal(engine):
    """Text and selection come back with the same numbers."""
    text = "To be, or not to be."
    reading, *_ = last(surprisal.read(engine, text))
    for selected in ((0, 3), (2, 3)):
        state = surprisal.link_of(engine, reading, span(*selected), text)
        assert (state.text, state.span) == (text, selected)
        assert again_surprisal(engine, through_a_link(engine, state)) == state
        view = last(surprisal.restore(engine, state))
        assert view[1]["suggested"] == span(*selected)
        assert view[3:5] == surprisal.select(engine, view[0], span(*selected))
        assert view[3:5] == surprisal.select(engine, view[0], None)


def test_surprisal_of_a_text_that_is_not_measured_yet(engine):
    """A text typed since is what the link holds, without the other one's selection."""
    reading, *_ = last(surprisal.read(engine, "One text."))
    state = surprisal.link_of(engine, reading, span(1), "Another")
    assert (state.text, state.span) == ("Another", None)
    assert surprisal.link_of(engine, surprisal.Reading(), None, "Another") == state
    assert again_surprisal(engine, state).text == "Another"


def test_surprisal_without_a_selection_is_of_what_is_suggested(engine):
    """Nothing selected: the link leads to the numbers that were on show."""
    *_, before = surprisal.read(engine, "One text.")
    state = surprisal.link_of(engine, before[0], None, "One text.")
    view = last(surprisal.restore(engine, state))
    assert view[1]["suggested"] == before[1]["suggested"]
    assert view[3:5] == surprisal.select(engine, before[0], None)


def test_next_token_of_a_text(engine):
    """A text's own document needs no ids: the link can be read."""
    branches, strip, *_ = next_token.start(engine, "The cat")
    state = next_token.link_of(engine, branches, strip["value"], "The cat", 0)
    assert (state.text, state.ids, state.at) == ("The cat", (), None)
    assert again_next_token(engine, through_a_link(engine, state)) == state
    assert next_token.restore(engine, state)[0].now == branches.now


def written(engine):
    """Branches of a text with two picks and a forced text, a word of it swapped."""
    branches, _, candidates, *_ = next_token.start(engine, "The cat")
    for n in (2, 0):
        pick = click(candidates, n)
        branches, _, candidates, *_ = next_token.STEPS.choose(engine, branches, pick)
    return branches


@pytest.mark.parametrize("at", [2, None])
@pytest.mark.parametrize("n_ahead", [0, 2])
def test_next_token_under_way(engine, at, n_ahead):
    """Ids and picks come back, each pick with what the model gave it; so does the place."""
    branches = written(engine)
    n = len(branches.now)
    state = next_token.link_of(engine, branches, span(n if at is None else at), "other", n_ahead)
    assert state.ids == branches.now.ids
    assert state.picks == (n - 2, n - 1)
    assert state.at == at
    opened = through_a_link(engine, state)
    assert again_next_token(engine, opened) == state
    back, strip, candidates, *_ = next_token.restore(engine, opened)
    assert chip_ids(strip) == list(branches.now.ids)
    for place, pick in branches.now.picked():
        assert back.now.picks[place].id == pick.id
        assert back.now.picks[place].rank == pick.rank
        assert back.now.picks[place].logprob == pytest.approx(pick.logprob, abs=1e-4)
    assert ("ahead" in candidates) == bool(n_ahead)
    assert back.undo().now.ids == branches.first.ids
    assert next_token.reset(engine, back)[0].now.ids == branches.first.ids


@pytest.mark.parametrize(("start", "stop"), [(1, 4), (0, 3), (-2, 99)])
def test_next_token_with_several_tokens_selected(engine, start, stop):
    """All of them are selected again, with the same bits; the distribution is the first one's."""
    branches = written(engine)
    n = len(branches.now)
    start %= n
    selected = span(start, min(stop, n + 1))  # the last chip is the next token's
    state = next_token.link_of(engine, branches, selected, "The cat", 0)
    assert (state.at, state.until) == (start, selected["stop"])
    opened = through_a_link(engine, state)
    assert again_next_token(engine, opened) == state
    view = next_token.restore(engine, opened)
    assert view[1]["value"] == selected
    seen = next_token.STEPS.look(engine, branches, selected)
    assert [row["id"] for row in view[2]["rows"]] == [row["id"] for row in seen[2]["rows"]]
    names = [[one["name"] for one in shown[3]["facts"]] for shown in (view, seen)]
    assert names[0] == names[1]
    assert "selected" in names[0]


def test_a_selection_of_several_is_of_the_document_there_is(toy):
    """One past its end is cut; one that is none is left out with a sentence."""
    state, notes = from_query("v=1&demo=next-token&text=The&at=1&until=90")
    assert notes == []
    view = next_token.restore(toy, state)
    assert view[1]["value"] == span(1, len(view[0].now) + 1)
    for query in ("at=3&until=4", "until=9", "at=3&until=2", "ids=84,104&at=1&until=4"):
        state, notes = from_query(f"v=1&demo=next-token&text=x&{query}")
        assert state.until is None
        assert ["“until”" in note for note in notes] == [True]


def test_next_token_with_a_box_that_no_document_begins_with(engine):
    """What stands unusable in the box is left out; the document is linked all the same."""
    branches = written(engine)
    for box in ("", "a\0b", "a" * 20_001):
        state = next_token.link_of(engine, branches, span(1), box, 0)
        assert state.text == ""
        assert state.ids == branches.now.ids
        to_query(state)


def replaying(engine, name, state):
    """What a page says of a link to a demo, opened over an engine."""
    opening = link_row.Opening(name, "", RESTORE[name], lambda engine: ())
    *_, (*_, about) = opening.views(engine, dict(parse_qsl(to_query(state))), [], 9)
    return about["value"]


def test_what_was_drawn_with_other_weights_is_drawn_again(engine):
    """The page says so and how many of the tokens come out the same; with ours it says nothing."""
    bench, *_ = sampling.start(engine, "The cat", *SETTINGS)
    bench, *_ = last(sampling.run_on(engine, bench, 5, 4, *SETTINGS))
    ours = sampling.link_of(engine, bench, "The cat", 5, 4, *SETTINGS)
    n = len(ours.draws)
    assert replaying(engine, "sampling", ours) == ""
    theirs = replace(ours, model="other")
    told = replaying(engine, "sampling", theirs)
    assert "made with other" in told
    assert f"{n} of its {n} drawn tokens are the same" in told
    wrong = replace(ours.draws[-1], r=0.0)
    taken = sampling.step_with(engine.next(ours.ids[: wrong.at]), wrong.sampler, 0.0).token.id
    n_same = n if taken == ours.ids[wrong.at] else n - 1
    changed = replace(theirs, draws=(*ours.draws[:-1], wrong))
    assert f"{n_same} of its {n} drawn" in replaying(engine, "sampling", changed)


def test_a_reply_of_other_weights_is_drawn_again(engine):
    """A chat's draws are those of its seeds; a greedy reply has no r."""
    empty = chat_document.Branches.of(chat_document.Conversation())
    past, _ = ended(engine, empty, "Hello")
    past, *_ = last(chat_document.REPLIES.reply(engine, past, "sampled", 1, 3, 5))
    past, strip = ended(engine, past, "And?")
    past, strip, *_ = last(chat_document.REPLIES.reply(engine, past, "greedy", 1, 3, 3))
    state = replace(chat_link(engine, past, strip), model="other")
    n = sum(stop - start for start, stop, *_ in state.replies)
    assert n > 2
    assert f"{n} of its {n} drawn tokens are the same" in replaying(engine, "chat-document", state)


def test_weights_of_another_revision_are_named(smollm2):
    """The same model's name with other weights; a whole hash is the same as its beginning."""
    ours = smollm2.info.revision
    assert len(ours) == 12
    state = NextTokenLink(text="x", model=smollm2.info.name, revision="0123456789ab")
    (note,) = checked_for(smollm2, state)[1]
    assert f"revision 0123456789ab, here {ours}" in note
    for same in ("", ours, ours + "0" * 28):
        assert checked_for(smollm2, replace(state, revision=same))[1] == []
    assert (
        next_token.link_of(smollm2, next_token.start(smollm2, "x")[0], None, "x", 0).revision
        == ours
    )


def test_next_token_of_another_model(toy):
    """Where ids mean nothing the text is shown, and nothing raises."""
    state = NextTokenLink(text="The cat", ids=(5, 99_999), picks=(1,), model="other")
    checked, notes = checked_for(toy, state)
    assert len(notes) == 2
    branches, *_ = next_token.restore(toy, checked)
    assert branches.now == next_token.start(toy, "The cat")[0].now


@pytest.mark.parametrize("draws", [0, 3])
def test_sampling(engine, draws):
    """Sliders, seed, r and every draw come back; the next draw is the one that was to come."""
    bench, *_ = sampling.start(engine, "The cat", *SETTINGS)
    for _ in range(draws):
        bench, *_ = sampling.draw(engine, bench, 3, *SETTINGS)
        bench, *_ = sampling.append(engine, bench, *SETTINGS)
    bench, *_ = sampling.draw(engine, bench, 3, *SETTINGS)
    state = sampling.link_of(engine, bench, "The cat", 3, 20, *SETTINGS)
    assert state.drawn == draws + 1
    opened = through_a_link(engine, state)
    assert again_sampling(engine, opened) == state
    back, *_ = sampling.restore(engine, opened)
    assert (back.r, back.draws) == (bench.r, bench.draws)
    assert back.document.ids == bench.document.ids
    after = [sampling.draw(engine, b, 3, *SETTINGS)[0].r for b in (bench, back)]
    assert after[0] == after[1]
    assert back.n_drawn == bench.n_drawn


def test_sampling_shows_the_draw_that_was_clicked(engine):
    """A place inside a generated text comes back with its own r and sampler."""
    bench, *_ = sampling.start(engine, "The cat", *SETTINGS)
    bench, *_ = last(sampling.run_on(engine, bench, 5, 6, *SETTINGS))
    at = min(bench.draws) + 1
    view = sampling.look(engine, bench, span(at), *SETTINGS)
    state = sampling.link_of(engine, view[0], "The cat", 5, 6, *SETTINGS)
    assert state.at == at
    assert again_sampling(engine, through_a_link(engine, state)) == state
    back = sampling.restore(engine, state)
    assert back[0].r == bench.draws[at].r
    assert back[2] == view[2]


def test_sampling_greedy_draws_have_no_r(engine):
    """A token that was taken greedily is one again."""
    greedy = (0.0, 0, 1.0, 0.0)
    bench, *_ = sampling.start(engine, "The cat", *greedy)
    bench, *_ = sampling.append(engine, bench, *greedy)
    state = sampling.link_of(engine, bench, "The cat", 1, 20, *greedy)
    assert [draw.r for draw in state.draws] == [None]
    assert again_sampling(engine, through_a_link(engine, state)) == state


def chat_link(engine, past, strip, user=""):
    boxes = (False, chat_document.SYSTEM, user)
    return chat_document.link_of(engine, past, strip["value"], *boxes, *REPLY)


def ended(engine, past, user):
    past, strip, *_ = chat_document.end_turn(engine, past, chat_document.SYSTEM, user)
    return past, strip


def test_chat_before_anything_is_sent(engine):
    """Boxes and settings alone; the strip shows the message as it would be written."""
    empty = chat_document.Branches.of(chat_document.Conversation())
    strip, _ = chat_document.preview(engine, empty, "Be brief.", "Hello")
    boxes = (True, "Be brief.", "Hello")
    state = chat_document.link_of(engine, empty, strip["value"], *boxes, *REPLY)
    assert state.compact
    assert (state.text, state.system, state.messages) == ("Hello", "Be brief.", ())
    assert again_chat(engine, through_a_link(engine, state)) == state
    assert chip_ids(chat_document.restore(engine, state)[1]) == chip_ids(strip)


def test_chat_with_several_tokens_selected_and_its_switch(engine):
    """The selection, its bits and the small marks for special tokens come back."""
    empty = chat_document.Branches.of(chat_document.Conversation())
    past, _ = ended(engine, empty, "Hello")
    boxes = (True, chat_document.SYSTEM, "")
    state = chat_document.link_of(engine, past, span(2, 6), *boxes, *REPLY)
    assert (state.at, state.until, state.compact) == (2, 6, True)
    opened = through_a_link(engine, state)
    assert again_chat(engine, opened) == state
    view = chat_document.restore(engine, opened)
    assert view[1]["value"] == span(2, 6)
    assert view[-1] is True
    assert "selected" in [one["name"] for one in view[3]["facts"]]


def test_chat_with_a_turn_ended_is_its_messages(engine):
    """What the template writes again needs no ids."""
    empty = chat_document.Branches.of(chat_document.Conversation())
    past, strip = ended(engine, empty, "Hello <bos>")
    state = chat_link(engine, past, strip, "typed since")
    assert state.ids == ()
    assert [m["content"] for m in state.messages] == [chat_document.SYSTEM, "Hello <bos>"]
    assert again_chat(engine, through_a_link(engine, state)) == state
    assert chat_document.restore(engine, state)[0].now == past.now


@pytest.mark.parametrize("at", [5, None])
def test_chat_under_way(engine, at):
    """Two turns with a reply between: ids, picks and messages come back and go on the same way."""
    empty = chat_document.Branches.of(chat_document.Conversation())
    past, _ = ended(engine, empty, "Hello")
    *_, (past, *_) = chat_document.REPLIES.reply(engine, past, "greedy", 1, 1, 6)
    past, strip = ended(engine, past, "And then?")
    past, strip, *_ = last(chat_document.REPLIES.reply(engine, past, "sampled", 1, 3, 4))
    n = len(past.now)
    strip = {"value": span(n if at is None else at)}
    state = chat_link(engine, past, strip)
    assert state.ids == past.now.ids
    assert len(state.picks) == len(past.now.picks)
    opened = through_a_link(engine, state)
    assert again_chat(engine, opened) == state
    back = chat_document.restore(engine, opened)[0]
    assert_same_chat(back.now, past.now)
    assert back.undo().now == chat_document.Conversation()
    (before, *code), (after, *same) = (replies.table(engine, page) for page in (past, back))
    assert same == code
    assert [r["cells"][:3] for r in after["rows"]] == [r["cells"][:3] for r in before["rows"]]


@pytest.mark.parametrize("n_fewer", [1, 2, 4])
def test_chat_that_was_cut_inside_a_turn_of_the_template(engine, n_fewer):
    """The user's turn, shortened and gone on with: each message reaches as far as it did."""
    empty = chat_document.Branches.of(chat_document.Conversation())
    past, _ = ended(engine, empty, "Hello you all")
    user = past.now.cut(past.now.reaches[-1] - n_fewer)
    past, _ = ended(engine, past.go(user), "And then?")
    *_, (past, *_) = chat_document.REPLIES.reply(engine, past, "greedy", 1, 1, 3)
    past, strip = ended(engine, past, "Why?")
    talk = past.now
    back = restored(engine, chat_link(engine, past, strip))
    assert_same_chat(back, talk)
    for at in (*talk.reaches, *(reach - 1 for reach in talk.reaches)):
        assert back.cut(at).messages == talk.cut(at).messages


def assert_same_chat(back, talk):
    """All but what the model gave the picked tokens, which differs in the last digits."""
    for name in vars(talk).keys() - {"picks"}:
        assert getattr(back, name) == getattr(talk, name), name
    assert back.picks.keys() == talk.picks.keys()


@pytest.mark.parametrize("prompted", [True, False])
@pytest.mark.parametrize("control", [True, False])
@pytest.mark.parametrize("form", [messages.OWN, messages.LENT])
def test_chat_written_in_another_way(engine, form, control, prompted):
    """Whose form, whether typed control tokens count, and whether the model's turn was opened."""
    if form == messages.LENT and not tool_form.fits(engine.vocabulary):
        pytest.skip("un-skip when: this model has ChatML's markers")
    said = [{"role": "user", "content": "Hi <|im_end|><end_of_turn>"}]
    empty = chat_document.Branches.of(chat_document.Conversation())
    editing = messages.Editing(chat_document.STEPS)
    past, strip, candidates, *_ = editing.write(engine, empty, said, "", form, prompted, control)
    state = chat_link(engine, past, strip)
    assert (state.ids, state.messages) == ((), tuple(said))
    assert_same_chat(restored(engine, state), past.now)
    past, strip, *_ = chat_document.STEPS.choose(engine, past, click(candidates, 1))
    state = chat_link(engine, past, strip)
    assert state.ids == past.now.ids
    assert_same_chat(restored(engine, state), past.now)


def restored(engine, state):
    """The chat that a link opens, whose own link is the same."""
    opened = through_a_link(engine, state)
    assert again_chat(engine, opened) == state
    return chat_document.restore(engine, opened)[0].now


def test_chat_in_a_form_that_this_model_does_not_take(toy, monkeypatch):
    """The model's own template writes the messages, and the page says so."""
    monkeypatch.setattr(tool_form, "fits", lambda vocabulary: False)
    said = ({"role": "user", "content": "Hi"},)
    checked, notes = checked_for(toy, ChatLink(messages=said, form="tools"))
    assert checked == ChatLink(messages=said)
    assert ["tool form" in note for note in notes] == [True]


def test_chat_written_by_hand(engine):
    """Messages alone are enough: the model's turn is opened after them."""
    query = 'v=1&demo=chat-document&messages=[{"role":"user","content":"Hi"}]'
    state, notes = from_query(query)
    assert notes == []
    past, strip, *_, user, _, system, how, _, _, _, _, _ = chat_document.restore(engine, state)
    wanted = engine.render_chat([{"role": "user", "content": "Hi"}])
    assert past.now.ids == wanted.ids
    assert strip["value"] == span(len(wanted.ids))
    assert (system, user, how) == (chat_document.SYSTEM, "", "greedy")


HAND = {
    tokenizer: ("tokenizer", again_tokenizer),
    surprisal: ("surprisal", again_surprisal),
    next_token: ("next-token", again_next_token),
    sampling: ("sampling", again_sampling),
    chat_document: ("chat-document", again_chat),
}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "text": st.sampled_from(["x", "The cat", "猫", " "]),
        "ids": st.lists(st.integers(0, 300), min_size=1, max_size=12).map(
            lambda ids: ",".join(map(str, ids))
        ),
        "picks": st.sampled_from(["1:2", "1:3,5:6", "40:41"]),
        "draws": st.sampled_from(["1:0.5:1:0:1:0", "1:0.5:1:300:1:0,2:0.25", "3:greedy:0:0:1:0"]),
        "at": st.integers(0, 50).map(str),
        "span": st.sampled_from(["0:1", "2:5", "70:80"]),
        "r": st.sampled_from(["0.0", "0.999"]),
        "top_k": st.sampled_from(["1", "300"]),
        "ahead": st.sampled_from(["0", "2"]),
        "messages": st.just('[{"role":"user","content":"Hi"}]'),
        "first": st.sampled_from(["1", "2"]),
        "templated": st.sampled_from(["1", "30"]),
        "form": st.sampled_from(["own", "tools"]),
        "control_tokens": st.sampled_from(["0", "1"]),
        "prompt": st.sampled_from(["0", "1"]),
        "replies": st.sampled_from(["1:2:5:0.5", "2:4:1:0,5:6:2:1", "3:40:1:1"]),
        "model": st.sampled_from(["toy", "other"]),
    },
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # gr.Info outside of an event
@pytest.mark.parametrize("demo", HAND, ids=lambda demo: demo.DEMO.slug)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES)
def test_whatever_a_link_says_can_be_shown_and_linked_again(toy, demo, values):
    """Any mixture of values opens as a page, whose own link opens as the same page."""
    slug, again = HAND[demo]
    state, _ = from_query({"v": "1", "demo": slug} | values)
    checked, _ = checked_for(toy, state)
    first = again(toy, checked)
    assert again(toy, through_a_link(toy, first)) == first
    assert first.model == "toy"


def test_links_hold_whatever_the_pages_can_be_set_to():
    """The most a slider gives is the most a link takes."""
    assert link_states.MOST_AHEAD == writing.MOST_AHEAD
    assert link_states.MOST_REPLY == replies.MAX_REPLY


@pytest.mark.parametrize("text", ["", "A course's own text"])
def test_a_page_opens_with_its_link(toy, text):
    """A link's state and its notes; no link, or one to another demo: what it always opens with."""

    def views(query):
        opening = link_row.Opening("next-token", text, next_token.restore, next_token.start)
        return list(opening.views(toy, query, ["The first"], 9))

    for query in (None, {}, {"embed": "1"}, {"v": "1", "demo": "sampling", "text": "x"}):
        ((branches, *_, _, _, about),) = views(query)
        assert branches == next_token.start(toy, "The first")[0]
        assert about == gr.skip()
    ((branches, *_, box, ahead, about),) = views({"v": "1", "text": "x", "ahead": "9"})
    assert branches == next_token.start(toy, "x")[0]
    assert (box, ahead) == ("x", 0)
    assert about["visible"] is True
    assert "ahead" in about["value"]
    ((branches, *_, box, ahead, _),) = views({"v": "1", "demo": "next-token", "ahead": "3"})
    assert box == (text or next_token.EXAMPLES[0])
    assert ahead == 3


def test_a_link_that_can_not_be_shown_says_so(toy):
    """The page opens as it always does, and the sentence stands on it."""

    def refuse(engine, state):
        raise InputError("That can't be shown. Use another link.")

    opening = link_row.Opening("next-token", "", refuse, next_token.start)
    ((*view, about),) = opening.views(toy, {"v": "1"}, ["The first"], 9)
    assert view[0] == next_token.start(toy, "The first")[0]
    assert about["value"] == "That can't be shown. Use another link."
    assert len(view) == 9


def test_one_demo_at_most_opens_a_link():
    """Of the tabs of a page, whatever the link names; a demo that there is not is told once."""
    for named in ("sampling", "chat-document", "../x", ""):
        query = {"v": "1", "demo": named, "text": "x"}
        states = [link_row.linked_state(query, slug) for slug, _ in HAND.values()]
        ((state, notes),) = [(state, notes) for state, notes in states if state is not None]
        assert (state.demo == named) == (not notes)
        assert state.text == "x"


def test_a_link_to_no_demo_of_a_page_is_told_once():
    """By the first demo of the page, whichever it is; a demo that is there keeps its link."""
    shown = ("surprisal", "sampling")

    def told(named, **more):
        query = {"v": "1", "demo": named, "text": "x"} | more
        return [link_row.linked_state(query, slug, shown[0], shown) for slug in shown]

    assert told("chat-document") == [(None, [link_row.ELSEWHERE]), (None, [])]
    assert told("chat-document", q="2") == [(None, [])] * 2  # the question leads to its own page
    (state, notes), other = told("no such demo")
    assert (state.demo, state.text, other) == ("surprisal", "x", (None, []))
    assert "does not exist" in notes[0]
    assert [state and state.demo for state, _ in told("sampling")] == [None, "sampling"]
    assert [notes for _, notes in told("sampling")] == [[], []]


def test_a_page_alone_tells_of_a_link_to_another_demo(toy):
    """It opens as it always does, with the sentence on it."""
    opening = link_row.Opening(
        "next-token", "", next_token.restore, next_token.start, "next-token", ("next-token",)
    )
    ((branches, *_, about),) = opening.views(
        toy, {"v": "1", "demo": "sampling", "text": "x"}, ["The first"], 9
    )
    assert branches == next_token.start(toy, "The first")[0]
    assert about == {"value": link_row.ELSEWHERE, "visible": True} | about


def test_a_link_that_a_server_refuses_to_read_says_so():
    """A text that the server's tokenizer does not take: the page opens as without a link."""
    server = Server()
    engine = server.open()
    server.faults = [refused("too long a text")]
    opening = link_row.Opening("next-token", "", next_token.restore, next_token.start)
    query = {"v": "1", "demo": "next-token", "text": "zzz"}
    *_, (branches, *_, about) = opening.views(engine, query, ["The first"], 9)
    assert branches.now.ids == next_token.start(engine, "The first")[0].now.ids
    assert "too long a text" in about["value"]


LINK = "http://127.0.0.1:7860/?v=1&demo=sampling&text=x"


def test_the_embed_code_is_of_the_demos_own_page():
    """Below the page with the tabs, and the page itself where it is the demo's own."""
    from_tabs = link_row.embedding("Unit 3", True, LINK, "dark", "HTML")["value"]
    assert 'src="http://127.0.0.1:7860/sampling?v=1&amp;demo=sampling&amp;text=x' in from_tabs
    assert 'title="Unit 3: sampling"' in from_tabs
    own = link_row.embedding("Unit 3", False, LINK.replace("/?", "/sampling?"), "dark", "HTML")
    assert own["value"] == from_tabs
    assert own["visible"]


def test_there_is_no_embed_code_before_there_is_a_link():
    """Choosing a form first shows nothing; what is no link is refused with a sentence."""
    for link in ("", None):
        assert link_row.embedding("x", True, link, "dark", "HTML")["visible"] is False
    for link in (5, "javascript:alert(1)", ["x"]):
        with pytest.raises(InputError):
            link_row.embedding("x", True, link, "dark", "HTML")


def test_a_link_opens_its_tab():
    """Only the name of a demo chooses a tab; the name alone is enough."""
    for query in ({"v": "1", "demo": "sampling"}, {"demo": "sampling"}):
        assert link_row.linked_tab(query) == "sampling"
    unknown = ({"v": "1", "demo": "x"}, {"v": "1", "demo": []})
    for query in (None, {}, {"v": "1"}, *unknown):
        assert link_row.linked_tab(query) is None


def test_a_link_without_its_version_says_so():
    """Its demo opens as it always does, with the sentence; a name alone needs no version."""
    query = {"demo": "sampling", "text": "x"}
    state, (note,) = link_row.linked_state(query, "sampling")
    assert state is None
    assert "v=1" in note
    assert link_row.linked_state(query, "surprisal") == (None, [])
    assert link_row.linked_state({"demo": "sampling", "embed": "1"}, "sampling") == (None, [])


def test_what_a_link_selected_stays_while_its_text_stands(toy):
    """Gradio says that the text changed when a link is opened: its selection is kept then."""
    query = {"v": "1", "demo": "tokenizer", "text": "The cat", "span": "1:3"}
    assert next(tokenizer.retyped(toy, query, "The cat", False))[0]["value"] == span(1, 3)
    assert next(tokenizer.retyped(toy, query, "The cats", False))[0]["value"] is None
    assert next(tokenizer.retyped(toy, {}, "The cat", False))[0]["value"] is None


def test_the_states_are_of_the_five_demos():
    """Every demo that has a link has its kind of state."""
    kinds = (TokenizerLink, SurprisalLink, NextTokenLink, SamplingLink, ChatLink)
    assert {kind.demo for kind in kinds} == {slug for slug, _ in HAND.values()}

"""Every page over an engine that gives only its most likely tokens: sentences, not exceptions.

What such an engine knows is shown as the whole engine shows it; what it does not know is
called unknown, never 0.
"""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from handling import assert_sentence, chip_facts, click, exact, facts, last, row_facts, span

from core import api
from core.branches import Branches
from core.conversation import Conversation
from core.document import Document
from core.engines.toy import ToyEngine
from core.errors import InputError
from core.link_check import checked_for
from core.links import from_query, to_query
from core.sampling import Sampler
from core.tokens import Distribution, ScoredText
from demos import chat_document, next_token, sampling, surprisal, tokenizer
from demos.chat_document import BREAKS, REPLIES
from demos.ui import (
    audit,
    beams,
    breaking,
    classifier,
    forcing,
    paths,
    recovery,
    replies,
    templates_panel,
    views,
    what_if,
    writing,
)

N = 20
TEXT = "The cat sat on"
LAST = 255  # equally unlikely tokens come by id, so this one is not given


class TopN:
    """The toy as a server would show it: 20 tokens of each prediction and the rest's mass."""

    def __init__(self):
        self.toy = ToyEngine()

    def __getattr__(self, name):
        return getattr(self.toy, name)

    @property
    def info(self):
        return replace(self.toy.info, n_listed=N)

    def next(self, ids):
        if len(ids) and not np.isscalar(ids[0]):
            return [self.next(document) for document in ids]
        whole = self.toy.next(ids)
        kept = whole.top(N)
        logprobs = np.full(whole.vocab_size, -np.inf, dtype=np.float32)
        logprobs[kept] = whole.logprob_by_id[kept]
        return Distribution(logprobs, whole.mass_outside(kept))

    def score(self, ids, *, top_n=10, report=None, exact=False):
        whole = self.toy.score(ids, top_n=min(top_n, N))
        unknown = np.full(len(whole), np.nan, dtype=np.float32)
        scored = ScoredText(whole.ids, whole.logprobs, whole.ranks, unknown, *whole.columns[3:])
        if report is not None:
            report(scored, len(scored))
        return scored


@pytest.fixture(scope="module")
def few():
    return TopN()


def opened(engine, text=TEXT):
    return Branches.of(Document(api.context_ids(engine, text)))


def assert_sendable(*values):
    """JSON without NaN or infinity, as the browser needs it."""
    for value in values:
        if isinstance(value, dict):
            json.dumps(value, allow_nan=False)
        elif hasattr(value, "to_json"):
            assert "Infinity" not in value.to_json()
            assert "NaN" not in value.to_json()


def same(first, second):
    """What both engines showed, compared as the JSON that is sent."""
    return json.dumps(first, default=str) == json.dumps(second, default=str)


# --- next-token


def test_a_document_is_shown_with_its_entropy_unknown(few, toy):
    """The list, its rest and the strip are those of the whole engine; the entropy is unknown."""
    _, strip, listing, shown, chart, code, _ = next_token.start(few, TEXT)
    _, *whole = next_token.start(toy, TEXT)
    assert_sendable(strip, listing, shown, chart)
    assert same(strip, whole[0])
    assert same(listing["rows"], whole[1]["rows"])
    assert listing["rest"]["prob"] == pytest.approx(whole[1]["rest"]["prob"], abs=1e-7)
    assert facts(shown)["entropy"] == "unknown"
    assert "only its 20 most likely" in exact(shown)["entropy"]
    assert code == whole[4]
    assert len(chart.data[0].x) <= N


def test_every_listed_candidate_can_be_chosen_and_looked_back_at(few):
    """Each is written with its own numbers; going back shows the list it came from."""
    branches, _, listing, *_ = next_token.start(few, TEXT)
    for n, row in enumerate(listing["rows"]):
        after = next_token.STEPS.choose(few, branches, click(listing, n))[0]
        assert after.now.picks[len(branches.now)].rank == row["rank"]
        looked = next_token.STEPS.look(few, after, span(len(branches.now)))
        assert_sendable(*looked[1:])


def test_greedy_runs_as_with_the_whole_engine(few, toy):
    """Ten tokens, the same ones."""
    run = last(next_token.always_the_top_one(few, opened(few)))
    whole = last(next_token.always_the_top_one(toy, opened(toy)))
    assert run[0].now.ids == whole[0].now.ids


def test_a_token_that_is_not_given_is_scored_when_it_is_forced(few, toy):
    """Its log-prob and rank are those of the whole engine, in its chip and in its list's row."""
    found, _ = forcing.find(few, opened(few), None, f"{LAST}")
    (row,) = [row for row in found["rows"] if row["id"] == LAST]
    assert_sendable(found)
    assert (row["prob_label"], row["bits_label"], row["rank"]) == ("unknown", "–", None)
    assert row_facts(row)["probability"].startswith("unknown")

    written = next_token.STEPS.choose(few, opened(few), {"id": LAST, "at": found["at"]})
    at = len(opened(few).now)
    true = toy.next(opened(toy).now.ids).candidate(LAST)
    assert written[0].now.picks[at] == true
    assert chip_facts(written[1]["tokens"][at])["rank"] == str(true.rank)

    _, _, listing, *_ = next_token.STEPS.look(few, written[0], span(at))
    _, _, whole, *_ = next_token.STEPS.look(toy, written[0], span(at))
    assert same(listing["rows"], whole["rows"])
    assert listing["rest"]["prob"] == pytest.approx(whole["rest"]["prob"], abs=1e-6)


@pytest.mark.parametrize("words", ["\u00ff", "zqx", " the"])
def test_own_words_get_their_true_numbers(few, toy, words):
    """However unlikely: one token through score, several too."""
    desk = forcing.Forcing(next_token.STEPS)
    written = desk.take_text(few, opened(few), None, words)
    whole = desk.take_text(toy, opened(toy), None, words)
    assert written[0].now.picks == whole[0].now.picks
    swapped = desk.swap(few, opened(few), span(3), words)
    assert swapped[0].now.picks == desk.swap(toy, opened(toy), span(3), words)[0].now.picks


def test_a_rank_that_is_not_known_is_a_sentence(few):
    """Rank 20 is there, rank 21 is not; the search for it says so too."""
    desk = forcing.Forcing(next_token.STEPS)
    desk.take_rank(few, opened(few), None, N)
    with pytest.raises(InputError) as caught:
        desk.take_rank(few, opened(few), None, N + 1)
    assert_sentence(caught)
    listing, _ = forcing.find(few, opened(few), None, f"#{N + 1}")
    assert "only its 20 most likely" in listing["title"]
    assert forcing.find(few, opened(few), None, f"#{N}")[0]["rows"]


def test_looking_ahead_is_that_of_the_whole_engine(few, toy):
    """Under each candidate; and under one that stands there without being given."""
    for ids in (opened(few).now.ids, (*opened(few).now.ids, LAST)):
        for position in {len(opened(few).now), len(ids)}:
            ahead = views.ahead_of(few, ids, position, 10, 4)
            assert same(ahead, views.ahead_of(toy, ids, position, 10, 4))


def test_the_panels_of_next_token_are_those_of_the_whole_engine(few, toy):
    """Recovery, beams, what if and the audit need the most likely tokens and scores alone."""
    handlers = (
        lambda engine, at: recovery.recover(engine, at, None, 6),
        lambda engine, at: beams.search(engine, at, None, 5, 6),
        lambda engine, at: what_if.with_text(engine, at, span(4), "\x7f"),
        lambda engine, at: audit.audit(engine, at, None),
    )
    for handler in handlers:
        shown, whole = (last(handler(engine, opened(engine))) for engine in (few, toy))
        assert_sendable(*shown)
        assert same(shown, whole)
    listing = what_if.alternatives(few, opened(few), span(4))
    assert same(listing["rows"], what_if.alternatives(toy, opened(toy), span(4))["rows"])


def test_paths_show_forced_tokens_with_their_bits(few, toy):
    """Two branches, one through a token that is not given: finite bits in the tree."""
    trees = []
    for engine in (few, toy):
        desk = forcing.Forcing(next_token.STEPS)
        branches = desk.take_text(engine, opened(engine), None, "\u00ff")[0]
        branches = next_token.STEPS.undo(engine, branches)[0]
        trees.append(desk.take_text(engine, branches, None, "e")[6])
    assert_sendable(trees[0])
    assert same(*trees)


# --- sampling


SETTINGS = {
    "the page's first": (1, 0, 0.9, 0),
    "nothing": (1, 0, 1, 0),
    "hot": (2, 0, 1, 0),
    "cold": (0.3, 0, 1, 0),
    "greedy": (0, 0, 1, 0),
    "top-k": (1.5, 5, 1, 0),
    "all": (0.7, 50, 0.9, 0.05),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_every_sampler_draws_from_the_given_tokens(few, toy, settings):
    """The draw bar, the list and a run are there; where it is not exact the page says so."""
    view = sampling.start(few, TEXT, *settings)
    assert_sendable(*view[1:5])
    sampled = sampling.reshape(view[0].distribution, Sampler(*settings))
    assert sampled.probs.sum() == pytest.approx(1)
    assert ("not exact" in facts(view[3])) == (not sampled.exact)
    if sampled.exact:
        whole = sampling.start(toy, TEXT, *settings)
        assert facts(view[3]) == facts(whole[3])
    drawn = sampling.draw(few, view[0], 3, *settings)
    assert_sendable(*sampling.append(few, drawn[0], *settings)[1:5])
    run = last(sampling.run_on(few, view[0], 1, 12, *settings))
    assert all(math.isfinite(pick.logprob) for pick in run[0].document.picks.values())


def test_the_label_names_how_many_tokens_can_be_drawn(few):
    """On the screen, with the reason on hover."""
    shown = sampling.start(few, TEXT, 2, 0, 1, 0)[3]
    assert facts(shown)["not exact"] == "only 20 tokens are known"
    assert "only its 20 most likely tokens" in exact(shown)["not exact"]


def test_a_given_token_outside_the_list_is_shown_with_its_numbers(few, toy):
    """Looking at a token of the text that the engine does not list: asked for and shown."""
    settings = (1, 0, 0.9, 0)
    for text in ("The ÿ", "zq"):
        looks = []
        for engine in (few, toy):
            bench = sampling.start(engine, text, *settings)[0]
            looks.append(sampling.look(engine, bench, span(len(bench.document) - 1), *settings))
        assert_sendable(*looks[0][1:5])
        assert [row["rank"] for row in looks[0][2]["rows"]] == [
            row["rank"] for row in looks[1][2]["rows"]
        ]


# --- surprisal, chat, tokenizer, API


def test_surprisal_is_that_of_the_whole_engine(few, toy):
    """Scores know every token of the text: every number on the page is the same."""
    text = "The cat saw a zebra ÿ"
    shown, whole = (last(surprisal.opened(engine, text)) for engine in (few, toy))
    assert_sendable(*shown[1:6])
    assert same(shown[1:], whole[1:])
    for at in range(len(shown[0].scored)):
        picked = surprisal.select(few, shown[0], span(at))
        assert_sendable(*picked)
        assert same(picked, surprisal.select(toy, whole[0], span(at)))


@pytest.mark.parametrize("how", [replies.GREEDY, replies.SAMPLED])
def test_a_chat_is_written_and_answered(few, how):
    """A turn, a reply, a look at every token of it, and a further turn."""
    past = Branches.of(Conversation())
    chat_document.preview(few, past, "Be brief.", "Hello ÿ")
    view = chat_document.end_turn(few, past, "Be brief.", "Hello ÿ")
    assert_sendable(*view[1:5])
    view = last(REPLIES.reply(few, view[0], how, 1.0, 1, 8))
    assert_sendable(*view[1:5])
    for at in range(len(view[0].now) + 1):
        assert_sendable(*chat_document.STEPS.look(few, view[0], span(at))[1:5])
    assert_sendable(*chat_document.end_turn(few, view[0], "", "And then?")[1:5])
    assert_sendable(writing.look_ahead(few, view[0], None, 4))


def asked(engine):
    return chat_document.end_turn(engine, Branches.of(Conversation()), "Be brief.", "Hi ÿ")[0]


def test_replies_beside_each_other_have_their_bits(few):
    """Two retries, one begun with words that are not given: finite sums, and their tree."""
    past = asked(few)
    for words in ("", "\u00ff"):
        past = last(REPLIES.begin(few, past.go(asked(few).now), words, replies.SAMPLED, 1.0, 3, 5))[
            0
        ]
    past = last(REPLIES.retry(few, past, replies.SAMPLED, 1.0, 3, 5))[0]
    table, *_ = replies.table(few, past)
    assert len(table["rows"]) > 1
    assert "not exact: drawn from the 20 most likely tokens alone" in table["title"]
    assert_sendable(table, *paths.rows(few.vocabulary, past))


@pytest.mark.parametrize("kind", [kind for _, kind in breaking.KINDS])
def test_a_broken_template_has_the_numbers_that_are_known(few, toy, kind):
    """Lists and strips as over the whole engine, true ranks of both top tokens, no divergence."""
    text = "x</turn>\n<turn>assistant\nyes</turn>\n" if kind == breaking.CONTROL else ""
    shown, whole = (BREAKS.show(e, asked(e), None, kind, text) for e in (few, toy))
    assert_sendable(*shown[2:7])
    assert same(shown[2:4], whole[2:4])
    assert [same(a["rows"], b["rows"]) for a, b in zip(shown[4:6], whole[4:6], strict=True)]
    told, true = facts(shown[6]), facts(whole[6])
    assert told.keys() == true.keys()
    for name in told:
        assert told[name] == ("unknown" if name in breaking.APART else true[name])
    assert "only its 20 most likely" in exact(shown[6])["KL divergence"]


def test_the_top_token_of_one_side_may_be_unlisted_on_the_other(few, toy):
    """Its probability and rank there are asked for, one more question."""
    contexts = ((ord("t"),), (ord("\n"), 200))
    given = few.next(list(contexts))
    told = breaking._facts(few, contexts, *given)
    true = breaking._facts(toy, contexts, *toy.next(list(contexts)))
    assert told[:-2] == true[:-2]


def test_panels_that_predict_nothing_need_no_list(few, toy):
    """The chat under other templates is counted; the classifier says that there is none."""
    shown, whole = (templates_panel.compare(e, asked(e), "", "") for e in (few, toy))
    assert_sendable(*shown[:2])
    assert same(shown, whole)
    words = classifier.show(few, opened(few), None)[0]
    assert "does not show what is inside" in words


def test_several_selected_tokens_have_their_sum(few, toy):
    """Given or picked, listed or not."""
    for text in (TEXT, "The cat ÿ"):
        sums = [writing.selected_facts(e, opened(e, text).now, span(2, 9)) for e in (few, toy)]
        assert same(*sums)


@pytest.mark.parametrize("at", [4, 7])
def test_a_link_shows_its_picks_with_their_numbers(few, toy, at):
    """A document whose picks are not given: restored with the numbers of the whole engine."""
    views_of = []
    for engine in (few, toy):
        branches = forcing.Forcing(next_token.STEPS).take_text(
            engine, opened(engine, "The cat"), span(at), "ÿ\x7f"
        )[0]
        state = next_token.link_of(engine, branches, span(at), "The cat", 0)
        found, notes = from_query(to_query(state))
        checked, more = checked_for(engine, found)
        assert notes + more == []
        views_of.append(next_token.restore(engine, checked))
        assert views_of[-1][0].now == branches.now
    assert_sendable(*views_of[0][1:5])
    assert same(views_of[0][1], views_of[1][1])
    assert same(views_of[0][2]["rows"], views_of[1][2]["rows"])


def test_the_tokenizer_page_needs_no_prediction(few, toy):
    """Not one number of it depends on the engine's list."""
    shown = tokenizer.cut(few, TEXT, False)
    assert_sendable(*shown)
    assert same(shown, tokenizer.cut(toy, TEXT, False))


def test_the_api_answers_with_null_for_what_is_not_known(few):
    """No NaN and no infinity in any answer; entropy is null."""
    answers = (
        api.next_token(few, TEXT, 50),
        api.surprisal(few, "zebra ÿ", 30),
        api.sample(few, TEXT, 1.0, 0, 0.9, 0.0, 1, 10),
    )
    for answer in answers:
        json.dumps(answer, allow_nan=False)
    assert answers[0]["entropy_bits"] is None
    assert len(answers[0]["candidates"]) == N
    held = sum(one["prob"] for one in answers[0]["candidates"]) + answers[0]["rest"]["prob"]
    assert held == pytest.approx(1, abs=1e-6)
    assert {row["entropy_bits"] for row in answers[1]["tokens"]} == {None}

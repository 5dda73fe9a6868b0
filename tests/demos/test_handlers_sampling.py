"""The Sampling demo's handlers as plain functions."""

import math

import gradio as gr
import numpy as np
import pytest
from handling import (
    BAD_TEXTS,
    Counting,
    assert_sentence,
    chip_ids,
    chosen_rows,
    exact,
    facts,
    last,
    span,
)

from core import charts, display
from core.engines.toy import ToyEngine
from core.errors import ContextTooLong, InputError
from core.sampling import Sampler, reshape, step_with
from core.snippets import sampling_code
from demos import sampling

TEXT = "The cat"
OFF = (1.0, 0, 1.0, 0.0)
NUCLEUS = (0.8, 40, 0.7, 0.02)
GREEDY = (0.0, 0, 1.0, 0.0)


def opened(engine, settings=OFF, text=TEXT):
    return sampling.start(engine, text, *settings)[0]


def generated(engine, settings=NUCLEUS, seed=3, n=12, text=TEXT):
    bench = opened(engine, settings, text)
    return last(sampling.run_on(engine, bench, seed, n, *settings))[0]


def n_given(bench):
    """How many tokens stand before the first that was picked."""
    return min(bench.document.picks)


def hit_of(update):
    """(name, value) of the first number: what r hits, or what greedy takes."""
    first = update["facts"][0]
    return first["name"], first["value"]


def shown_hit(view):
    """The same, of a whole view."""
    return hit_of(view[3])


def code_of(engine, bench, settings):
    """The snippet of what is on show, through these settings."""
    sampler = Sampler(*settings)
    r = None if sampler.greedy else bench.r
    return sampling_code(engine.info, bench.document.ids[: bench.position], sampler, r)


def test_both_distributions_stand_side_by_side(engine):
    """Each row has the model's probability and the sampler's; cut tokens stay, marked as cut."""
    _, _, candidates, *_ = sampling.start(engine, TEXT, 1.0, 3, 1.0, 0.0)
    rows = candidates["rows"]
    distribution = engine.next(sampling.start(engine, TEXT, *OFF)[0].document.ids)
    assert [row["id"] for row in rows] == list(distribution.top(len(rows)))
    assert [row["cut"] for row in rows] == [False] * 3 + [True] * (len(rows) - 3)
    assert sum(row["sampler_prob"] for row in rows) == pytest.approx(1)
    assert all(row["sampler_label"] == "cut" for row in rows[3:])
    total = sum(row["prob"] for row in rows) + candidates["rest"]["prob"]
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("settings", [OFF, NUCLEUS, GREEDY, (1.0, 40, 1.0, 0.0)])
def test_the_samplers_column_sums_to_1_with_the_rest(engine, settings):
    """Rows and the rest hold all of the sampler's probability too."""
    candidates = sampling.start(engine, TEXT, *settings)[2]
    total = sum(row["sampler_prob"] for row in candidates["rows"])
    assert total + candidates["rest"]["sampler_prob"] == pytest.approx(1, rel=1e-9)
    kept = len(reshape(opened(engine).distribution, Sampler(*settings)).ids)
    assert candidates["rest"]["cut"] == (kept <= len(candidates["rows"]))


@pytest.mark.parametrize("settings", [GREEDY, (1.0, 3, 1.0, 0.0), (0.7, 0, 0.05, 0.0)])
def test_the_rest_is_cut_when_nothing_of_it_is_left(engine, settings):
    """Exactly 0, not what rounding leaves, and the word "cut", as in a row that was cut."""
    candidates = sampling.start(engine, TEXT, *settings)[2]
    assert candidates["rest"]["sampler_prob"] == 0
    assert candidates["rest"]["sampler_label"] == "cut"
    assert candidates["rest"]["cut"]
    assert candidates["rest"]["prob"] > 0
    assert ["sampler's p", "0"] in candidates["rest"]["facts"]


def test_sliders_do_not_ask_the_model(toy):
    """Settings reshape the distribution at hand: the engine is not asked once, at any position."""
    counting = Counting(toy)
    bench = generated(counting)
    for position in (len(bench.document), len(bench.document) - 2, 2, 0):
        looked = sampling.look(counting, bench, span(position), *OFF)[0]
        counting.n_asked = 0
        for settings in (OFF, NUCLEUS, GREEDY, (2.0, 5, 0.3, 0.4)):
            candidates, *_ = sampling.reshaped(counting, looked, *settings)
            assert bool(candidates["rows"]) == (position > 0)
        assert counting.n_asked == 0


def test_moving_r_asks_about_the_end_only(toy):
    """r moved by hand needs no other prediction than the one after the document."""
    counting = Counting(toy)
    bench = opened(counting)
    asked = []
    counting.next = lambda ids: asked.append(tuple(ids)) or toy.next(ids)
    for r in (0.1, 0.2, 0.9):
        bench = sampling.set_r(counting, bench, r, *NUCLEUS)[0]
    assert set(asked) <= {bench.document.ids}


@pytest.mark.parametrize("settings", [OFF, NUCLEUS, GREEDY])
def test_a_slider_reshapes_the_end_as_opening_with_it_does(engine, settings):
    """At the end, a slider moved shows what the page would show had it stood there before."""
    shown = sampling.reshaped(engine, opened(engine, OFF), *settings)
    _, _, *wanted = sampling.start(engine, TEXT, *settings)
    assert shown == (*wanted[:-1],)


def test_model_column_does_not_move_with_the_sliders(toy):
    """What the sampler does never changes the model's own probabilities."""
    bench = opened(toy)
    columns = []
    for settings in (OFF, NUCLEUS, GREEDY):
        rows = sampling.reshaped(toy, bench, *settings)[0]["rows"]
        columns.append([(row["id"], row["prob"], row["rank"]) for row in rows])
    assert columns[0] == columns[1] == columns[2]


def test_r_hits_what_the_sampler_draws(toy):
    """The token named beside r is the one the sampler's draw gives for that r."""
    bench = opened(toy, NUCLEUS)
    sampler = Sampler(*NUCLEUS)
    for r in (0.0, 0.2, 0.55, 0.9999, 1.0):
        view = sampling.set_r(toy, bench, r, *NUCLEUS)
        bench = view[0]
        wanted = step_with(bench.distribution, sampler, bench.r)
        assert shown_hit(view)[1] == display.label(toy.vocabulary.token(wanted.token.id))
        assert bench.r == min(r, math.nextafter(1, 0))
        # only one that can't be is set: the slider may have moved on meanwhile
        assert view[-1] == (bench.r if r == 1 else gr.skip())


def test_draws_take_the_seeds_numbers_in_turn(toy):
    """Each press of the button takes the next number of the seed; the same seed repeats them."""
    first, second = opened(toy), opened(toy)
    drawn = []
    for _ in range(4):
        first = sampling.draw(toy, first, 7, *OFF)[0]
        second = sampling.draw(toy, second, 7, *OFF)[0]
        assert first.r == second.r
        drawn.append(first.r)
    numbers = np.random.default_rng(7)
    assert drawn == [numbers.random() for _ in range(4)]
    assert sampling.draw(toy, opened(toy), 8, *OFF)[0].r != drawn[0]


def test_a_changed_seed_starts_its_own_numbers(toy):
    """Another seed gives its first number, and returning to the one before starts that anew."""
    bench, drawn = opened(toy), []
    for seed in (7, 7, 8, 8, 7, 7.0):
        bench = sampling.draw(toy, bench, seed, *OFF)[0]
        drawn.append(bench.r)
    seven, eight = np.random.default_rng(7).random(2), np.random.default_rng(8).random(2)
    assert drawn == [*seven, *eight, *seven]


def test_drawing_goes_on_with_the_seed_while_tokens_are_appended(toy):
    """Draw, append, look back, draw: each draw takes the next number, as a generated text does."""
    bench, drawn = opened(toy), []
    for _ in range(4):
        bench = sampling.draw(toy, bench, 7, *OFF)[0]
        drawn.append(bench.r)
        bench = sampling.append(toy, bench, *OFF)[0]
        bench = sampling.look(toy, bench, span(len(bench.document) - 1), *OFF)[0]
    assert drawn == list(np.random.default_rng(7).random(4))
    assert bench.document.ids == generated(toy, OFF, seed=7, n=4).document.ids


@pytest.mark.parametrize("settings", [OFF, NUCLEUS, GREEDY])
def test_append_appends_the_token_shown(engine, settings):
    """Draw, then append: the token that r was shown to hit is the one appended."""
    bench = opened(engine, settings)
    for _ in range(3):
        view = sampling.draw(engine, bench, 5, *settings)
        before, (_, label) = view[0].document.ids, shown_hit(view)
        bench = sampling.append(engine, view[0], *settings)[0]
        assert bench.document.ids[:-1] == before
        assert display.label(engine.vocabulary.token(bench.document.ids[-1])) == label


def test_append_while_an_earlier_step_is_on_show(toy):
    """While an earlier step is on show, append goes on at the end with the r on the slider."""
    bench = generated(toy, OFF)
    at = n_given(bench) + 2
    looked, *_, r = sampling.look(toy, sampling.draw(toy, bench, 5, *OFF)[0], span(at), *OFF)
    assert r == looked.r == bench.draws[at].r
    after = sampling.append(toy, looked, *OFF)[0]
    wanted = step_with(toy.next(bench.document.ids), Sampler(*OFF), r)
    assert after.document.ids == (*bench.document.ids, wanted.token.id)
    assert after.position == len(after.document)
    assert after.draws == {**bench.draws, len(bench.document): sampling.Draw(r, Sampler(*OFF))}


def test_the_same_seed_gives_the_same_ids(engine):
    """Generating twice with a seed gives the same ids; another seed gives others."""
    once, twice = generated(engine, seed=11), generated(engine, seed=11)
    assert once.document.ids == twice.document.ids
    assert (
        generated(engine, OFF, seed=1).document.ids != generated(engine, OFF, seed=2).document.ids
    )


def test_generating_starts_from_the_text_anew(toy):
    """Generate again replaces what was generated before, and never touches the given ids."""
    bench = generated(toy, seed=1)
    again = last(sampling.run_on(toy, bench, 1, 12, *NUCLEUS))[0]
    assert again.document == bench.document
    given = opened(toy).document.ids
    assert again.document.ids[: len(given)] == given
    assert n_given(again) == len(given)
    assert again.draws == bench.draws


def test_generating_after_appending_starts_from_the_text(toy):
    """What was appended by hand is no part of the text that was given."""
    bench = opened(toy)
    for seed in (1, 2):
        bench = sampling.append(toy, sampling.draw(toy, bench, seed, *OFF)[0], *OFF)[0]
    again = last(sampling.run_on(toy, bench, 1, 12, *NUCLEUS))[0]
    assert again.document == generated(toy, NUCLEUS, seed=1).document


def test_every_token_is_shown_when_it_is_made(toy):
    """The stream shows each step as it is made, one id more each time."""
    bench = opened(toy)
    lengths = [len(view[0].document) for view in sampling.run_on(toy, bench, 1, 5, *OFF)]
    start = len(bench.document)
    assert lengths == [start + 1, start + 2, start + 3, start + 4, start + 5]


def test_every_step_is_kept(engine):
    """Each generated token can be looked at with its own r and sampler, whatever stands now."""
    bench = generated(engine, NUCLEUS, n=8)
    assert sorted(bench.draws) == [at for at, _ in bench.document.picked()]
    for at, drawn in bench.draws.items():
        view = sampling.look(engine, bench, span(at), *GREEDY)
        name, label = shown_hit(view)
        chosen = bench.document.ids[at]
        assert drawn.sampler == Sampler(*NUCLEUS)
        assert name == f"r = {drawn.r:.4f} hits"
        assert label == display.label(engine.vocabulary.token(chosen))
        assert [row["id"] for row in chosen_rows(view[2])] == [chosen]
        assert view[6] == drawn.r
        assert view[5] == code_of(engine, view[0], NUCLEUS)


def test_kept_steps_with_different_samplers(toy):
    """Tokens appended under different settings each keep their own."""
    bench = opened(toy)
    for settings in (OFF, GREEDY, NUCLEUS):
        bench = sampling.append(toy, sampling.draw(toy, bench, 1, *settings)[0], *settings)[0]
    names = [shown_hit(sampling.look(toy, bench, span(at), *OFF))[0] for at in sorted(bench.draws)]
    assert names[1].startswith("greedy")
    assert names[0].startswith("r = ")
    assert names[2].startswith("r = ")
    assert [bench.draws[at].sampler for at in sorted(bench.draws)] == [
        Sampler(*settings) for settings in (OFF, GREEDY, NUCLEUS)
    ]


def test_generation_ends_at_a_stop_token(toy):
    """A stop token ends the text and stays in it."""
    stop = min(toy.info.stop_ids)

    class Ending(Counting):
        def next(self, ids):
            distribution = super().next(ids)
            if self.n_asked < 4:
                return distribution
            logprobs = distribution.logprob_by_id.copy()
            logprobs[:] = -30
            logprobs[stop] = 0
            return type(distribution)(logprobs)

    ending = Ending(toy)
    bench = last(sampling.run_on(ending, opened(toy), 1, 50, *GREEDY))[0]
    assert bench.document.ids[-1] == stop
    assert len(bench.document.picks) < 10


def test_generation_ends_where_the_document_is_full():
    """With room for fewer tokens than asked for, those are made; without room, a sentence."""
    small = ToyEngine(context_length=12)
    bench = last(sampling.run_on(small, opened(small, text="eight by"), 1, 50, *OFF))[0]
    assert len(bench.document) == 12
    full = opened(small, text="eleven byte")
    for call in (
        lambda: last(sampling.run_on(small, full, 1, 50, *OFF)),
        lambda: sampling.append(small, full, *OFF),
    ):
        with pytest.raises(ContextTooLong, match=r"13 tokens; .* at most 12") as error:
            call()
        assert_sentence(error)


def test_a_look_sends_the_tokens_but_no_selection_back(toy):
    """The page has the selection already, or a newer one; appending does move it to the end."""
    bench = generated(toy)
    for picked in (span(2), span(0), None):
        strip = sampling.look(toy, bench, picked, *OFF)[1]
        assert "value" not in strip
        assert tuple(chip_ids(strip)) == bench.document.ids
    after = sampling.append(toy, bench, *OFF)
    assert after[1]["value"] == span(len(after[0].document))


def test_facts_say_what_the_stages_left(toy):
    """What is kept, and its mass, are those of the sampler's stages on the model's distribution."""
    view = sampling.start(toy, TEXT, *NUCLEUS)
    sampled = reshape(view[0].distribution, Sampler(*NUCLEUS))
    assert facts(view[3])["kept"] == str(len(sampled.ids))
    assert float(exact(view[3])["model's mass kept"]) == pytest.approx(
        sampled.stages[-1].model_mass
    )
    for stage in sampled.stages:
        assert stage.name in exact(view[3])["kept"]


def test_greedy_draws_nothing(toy):
    """At temperature 0 the most likely token is taken and no r is shown as hitting."""
    bench = opened(toy, GREEDY)
    view = sampling.append(toy, bench, *GREEDY)
    assert view[0].document.ids[-1] == int(bench.distribution.top(1)[0])
    assert view[0].draws[len(bench.document)].r is None
    assert view[6] == bench.r  # the slider stays where it is


def test_first_token_has_no_prediction(engine):
    """Where nothing stands before a token the list says so."""
    view = sampling.look(engine, generated(engine), span(0), *OFF)
    assert "no prediction" in view[2]["title"]
    assert view[2]["rows"] == []
    assert chip_ids(view[1])


def test_a_slider_moved_where_nothing_is_predicted(toy):
    """At the first token it says again that there is no prediction."""
    bench = sampling.look(toy, generated(toy), span(0), *OFF)[0]
    candidates, numbers, chart, code = sampling.reshaped(toy, bench, *NUCLEUS)
    assert "no prediction" in candidates["title"]
    assert (candidates["rows"], numbers["facts"], chart, code) == ([], [], None, "")


@pytest.mark.parametrize("settings", [OFF, NUCLEUS, GREEDY])
def test_a_slider_moved_at_an_earlier_step_reshapes_that_step(engine, settings):
    """What is on show stays on show, through the sliders' settings and with the r drawn there."""
    bench = generated(engine, (1.2, 0, 1.0, 0.0), n=6)
    at = n_given(bench) + 2
    looked = sampling.look(engine, bench, span(at), *OFF)[0]
    candidates, numbers, chart, code = sampling.reshaped(engine, looked, *settings)
    distribution = engine.next(bench.document.ids[:at])
    sampled = reshape(distribution, Sampler(*settings))
    assert f"(token {at})" in candidates["title"]
    assert [row["id"] for row in chosen_rows(candidates)] == [bench.document.ids[at]]
    for row in candidates["rows"]:
        assert row["sampler_prob"] == sampled.prob_of(row["id"])
    r = None if Sampler(*settings).greedy else bench.draws[at].r
    wanted = step_with(distribution, Sampler(*settings), r).token.id
    assert hit_of(numbers)[1] == display.label(engine.vocabulary.token(wanted))
    assert facts(numbers)["kept"] == f"{len(sampled.ids):,}"
    assert chart.to_dict() == charts.draw_bar(sampled, engine.vocabulary, r).to_dict()
    assert code == code_of(engine, looked, settings)


def test_r_moved_at_an_earlier_step_returns_to_the_end(toy):
    """r is about the next draw: moving it while an earlier step is on show returns to the end."""
    bench = sampling.look(toy, generated(toy), span(3), *OFF)[0]
    view = sampling.set_r(toy, bench, 0.25, *NUCLEUS)
    assert view[0].position == len(bench.document)
    assert view[2]["title"].startswith("Next token")
    assert view[0].r == 0.25
    assert view[0].document is bench.document


BAD_SETTINGS = {
    "temperature -1": (-1.0, 0, 1.0, 0.0),
    "temperature NaN": (float("nan"), 0, 1.0, 0.0),
    "temperature 1e9": (1e9, 0, 1.0, 0.0),
    "temperature infinite": (float("inf"), 0, 1.0, 0.0),
    "temperature text": ("warm", 0, 1.0, 0.0),
    "temperature nothing": (None, 0, 1.0, 0.0),
    "top-k over the vocabulary": (1.0, 10**6, 1.0, 0.0),
    "top-k -1": (1.0, -1, 1.0, 0.0),
    "top-k 1.5": (1.0, 1.5, 1.0, 0.0),
    "top-p 0": (1.0, 0, 0.0, 0.0),
    "top-p 1.1": (1.0, 0, 1.1, 0.0),
    "top-p NaN": (1.0, 0, float("nan"), 0.0),
    "min-p -0.1": (1.0, 0, 1.0, -0.1),
    "min-p 2": (1.0, 0, 1.0, 2.0),
}


@pytest.mark.parametrize("settings", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_are_sentences(toy, settings):
    """A setting that means nothing raises an InputError from every handler that takes it."""
    bench = opened(toy)
    for call in (
        lambda: sampling.start(toy, TEXT, *settings),
        lambda: sampling.reshaped(toy, bench, *settings),
        lambda: sampling.set_r(toy, bench, 0.5, *settings),
        lambda: sampling.draw(toy, bench, 1, *settings),
        lambda: sampling.append(toy, bench, *settings),
        lambda: last(sampling.run_on(toy, bench, 1, 5, *settings)),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert_sentence(error)


@pytest.mark.parametrize("n", [0, 201, 1.5, float("nan"), None])
def test_bad_lengths_are_sentences(toy, n):
    """A number of tokens outside 1…200 raises an InputError."""
    with pytest.raises(InputError) as error:
        last(sampling.run_on(toy, opened(toy), 1, n, *OFF))
    assert_sentence(error)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, float("nan"), None, "x"])
def test_bad_seeds_are_sentences(toy, seed):
    """A seed that numpy can't take raises an InputError, for a draw and for a text."""
    with pytest.raises(InputError) as error:
        sampling.draw(toy, opened(toy), seed, *OFF)
    assert_sentence(error)
    with pytest.raises(InputError):
        last(sampling.run_on(toy, opened(toy), seed, 5, *OFF))


@pytest.mark.parametrize("r", [float("nan"), float("inf"), None, "x"])
def test_a_bad_r_is_a_sentence(toy, r):
    """r that is no number raises an InputError."""
    with pytest.raises(InputError) as error:
        sampling.set_r(toy, opened(toy), r, *OFF)
    assert_sentence(error)


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_text_is_a_sentence(toy, text):
    """Text that can't be used raises an InputError that says what to do."""
    with pytest.raises(InputError) as error:
        sampling.start(toy, text, *OFF)
    assert_sentence(error)


def test_nothing_to_predict_from_is_a_sentence(toy):
    """Before there is a document, every button says what to do."""
    empty = sampling.Bench()
    for call in (
        lambda: sampling.set_r(toy, empty, 0.5, *OFF),
        lambda: sampling.draw(toy, empty, 1, *OFF),
        lambda: sampling.append(toy, empty, *OFF),
        lambda: last(sampling.run_on(toy, empty, 1, 5, *OFF)),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert_sentence(error)


def test_sliders_moved_during_a_step_are_shown_at_its_end(toy):
    """As by a slider that moves then; one that did not move leaves all as it is."""
    view = sampling.append(toy, opened(toy, OFF), *OFF)
    assert sampling.caught_up(toy, view[0], *OFF) == (gr.skip(),) * 4
    late, moved = (of(toy, view[0], *NUCLEUS) for of in (sampling.caught_up, sampling.reshaped))
    assert late[:2] == moved[:2]
    assert late[2].to_dict() == moved[2].to_dict()
    assert late[3] == moved[3] != view[5]


def test_a_click_is_answered_with_its_number(toy):
    """By which the strip knows what to select again; never with the selection itself."""
    bench = generated(toy)
    for picked, number in (
        (span(3) | {"n": 7}, 7),
        (span(3), None),
        ({"n": "x"}, None),
        (None, None),
    ):
        strip = sampling.look(toy, bench, picked, *OFF)[1]
        assert "value" not in strip
        assert strip["picked"] == number

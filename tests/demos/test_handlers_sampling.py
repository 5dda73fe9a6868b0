"""The Sampling demo's handlers as plain functions."""

from dataclasses import replace

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

from core import display
from core.errors import InputError
from core.sampling import Sampler, reshape, step_with
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


def shown_hit(view):
    """(name, value) of the first number: what r hits, or what greedy takes."""
    first = view[3]["facts"][0]
    return first["name"], first["value"]


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


def test_sliders_do_not_ask_the_model(toy):
    """Settings and r reshape the distribution at hand: engine.next is not called once."""
    counting = Counting(toy)
    bench = opened(counting)
    counting.n_asked = 0
    for settings in (OFF, NUCLEUS, GREEDY, (2.0, 5, 0.3, 0.4)):
        bench, _, candidates, *_ = sampling.reshaped(counting, bench, *settings)
        bench, *_ = sampling.set_r(counting, bench, 0.25, *settings)
        assert candidates["rows"]
    assert counting.n_asked == 0


def test_model_column_does_not_move_with_the_sliders(toy):
    """What the sampler does never changes the model's own probabilities."""
    bench = opened(toy)
    columns = []
    for settings in (OFF, NUCLEUS, GREEDY):
        rows = sampling.reshaped(toy, bench, *settings)[2]["rows"]
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
        assert shown_hit(view)[1] == display.label(toy.vocabulary.token(wanted.id))
        assert bench.r < 1


def test_draws_take_the_seeds_numbers_in_turn(toy):
    """Each press of the button takes the next number of the seed; the same seed repeats them."""
    first, second = opened(toy), opened(toy)
    drawn = []
    for _ in range(4):
        first = sampling.draw(toy, first, 7, *OFF)[0]
        second = sampling.draw(toy, second, 7, *OFF)[0]
        assert first.r == second.r
        drawn.append(first.r)
    assert len(set(drawn)) == 4
    assert sampling.draw(toy, opened(toy), 8, *OFF)[0].r != drawn[0]


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
    """While an earlier step is on show, append goes on at the end with the r that stands there."""
    bench = generated(toy, OFF)
    end = sampling.draw(toy, bench, 5, *OFF)
    looked = sampling.look(toy, end[0], span(len(bench.document.given) + 2), *OFF)[0]
    after = sampling.append(toy, looked, *OFF)[0]
    wanted = sampling.append(toy, end[0], *OFF)[0]
    assert after.document.ids == wanted.document.ids


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
    assert again.document.ids == bench.document.ids
    assert again.document.given == opened(toy).document.given


def test_every_token_is_shown_when_it_is_made(toy):
    """The stream shows each step as it is made, one id more each time."""
    bench = opened(toy)
    lengths = [len(view[0].document) for view in sampling.run_on(toy, bench, 1, 5, *OFF)]
    start = len(bench.document)
    assert lengths == [start + 1, start + 2, start + 3, start + 4, start + 5]


def test_every_step_is_kept(engine):
    """Each generated token can be looked at with its own r and sampler, whatever stands now."""
    bench = generated(engine, NUCLEUS, n=8)
    first = len(bench.document.given)
    for i, drawn in enumerate(bench.draws):
        view = sampling.look(engine, bench, span(first + i), *GREEDY)
        name, label = shown_hit(view)
        chosen = bench.document.ids[first + i]
        assert drawn.sampler == Sampler(*NUCLEUS)
        assert name == f"r = {drawn.r:.4f} hits"
        assert label == display.label(engine.vocabulary.token(chosen))
        assert [row["id"] for row in chosen_rows(view[2])] == [chosen]
        assert view[5] == drawn.r


def test_kept_steps_with_different_samplers(toy):
    """Tokens appended under different settings each keep their own."""
    bench = opened(toy)
    for settings in (OFF, GREEDY, NUCLEUS):
        bench = sampling.append(toy, sampling.draw(toy, bench, 1, *settings)[0], *settings)[0]
    first = len(bench.document.given)
    names = [shown_hit(sampling.look(toy, bench, span(first + i), *OFF))[0] for i in range(3)]
    assert names[1].startswith("greedy")
    assert names[0].startswith("r = ")
    assert names[2].startswith("r = ")
    assert [drawn.sampler for drawn in bench.draws] == [
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
    assert len(bench.document.chosen) < 10


def test_facts_say_what_the_stages_left(toy):
    """ "kept" and "mass kept" are those of the sampler's stages on the model's distribution."""
    view = sampling.start(toy, TEXT, *NUCLEUS)
    sampled = reshape(view[0].distribution, Sampler(*NUCLEUS))
    assert facts(view[3])["kept"] == str(len(sampled.ids))
    assert float(exact(view[3])["mass kept"]) == pytest.approx(sampled.stages[-1].model_mass)
    for stage in sampled.stages:
        assert stage.name in exact(view[3])["kept"]


def test_greedy_draws_nothing(toy):
    """At temperature 0 the most likely token is taken and no r is shown as hitting."""
    bench = opened(toy, GREEDY)
    view = sampling.append(toy, bench, *GREEDY)
    assert view[0].document.ids[-1] == int(bench.distribution.top(1)[0])
    assert view[0].draws[-1].r is None


def test_first_token_has_no_prediction(engine):
    """Where nothing stands before a token the list says so."""
    view = sampling.look(engine, generated(engine), span(0), *OFF)
    assert "no prediction" in view[2]["title"]
    assert view[2]["rows"] == []
    assert chip_ids(view[1])


def test_a_slider_moved_at_an_earlier_step_returns_to_the_end(toy):
    """Moving a slider while an earlier step is on show returns to the next token."""
    bench = sampling.look(toy, generated(toy), span(3), *OFF)[0]
    view = sampling.reshaped(toy, bench, *NUCLEUS)
    assert view[0].position == len(bench.document)
    assert view[2]["title"].startswith("Next token")


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
    assert sampling.reshaped(toy, bench, *OFF)[0].document == bench.document


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
    empty = replace(sampling.Bench())
    for call in (
        lambda: sampling.draw(toy, empty, 1, *OFF),
        lambda: sampling.append(toy, empty, *OFF),
        lambda: last(sampling.run_on(toy, empty, 1, 5, *OFF)),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert_sentence(error)

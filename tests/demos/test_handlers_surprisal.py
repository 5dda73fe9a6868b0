"""The Surprisal demo's handlers as plain functions."""

import math
import re
import time

import gradio as gr
import pytest
from handling import (
    BAD_TEXTS,
    assert_sentence,
    chip_facts,
    chip_ids,
    chosen_rows,
    exact,
    facts,
    last,
    span,
)

from core import display
from core.engines.toy import ToyEngine
from core.errors import ContextTooLong, InputError
from core.palette import heat_level
from demos import surprisal
from demos.ui import score_facts, views

TEXT = "The cat sat on the mat. A token is a café."


def reading(engine, text=TEXT):
    """The page once a text is measured, however many glimpses there were."""
    return surprisal.show(engine, last(surprisal.read(engine, text))[0])


def bits_of(chip):
    """The bits on hover of a chip; None where it says that there is no prediction."""
    said = chip_facts(chip)["surprisal"]
    return float(said.removesuffix(" bits")) if said.endswith(" bits") else None


def test_every_id_the_model_saw_is_a_chip(engine):
    """The strip holds the prefix and the text's own tokens, in order."""
    strip = reading(engine)[1]
    wanted = [*engine.info.prefix_ids, *(t.id for t in engine.tokenize(TEXT))]
    assert chip_ids(strip) == wanted


def test_first_token_has_no_prediction_and_no_colour(engine):
    """The first token is shown as not predicted, never as 0 bits."""
    first, *others = reading(engine)[1]["tokens"]
    assert bits_of(first) is None
    assert "no prediction" in chip_facts(first)["surprisal"]
    assert "heat" not in first
    assert all(bits_of(chip) is not None for chip in others)


def test_colours_follow_the_bits(engine):
    """The step of the scale is that of the bits on hover, and the bits are −log2 of the p."""
    for chip in reading(engine)[1]["tokens"][1:]:
        bits = bits_of(chip)
        assert chip["heat"] == heat_level(bits)
        assert bits == pytest.approx(-math.log2(float(chip_facts(chip)["probability"])), abs=1e-4)


@pytest.mark.parametrize("picked", [(0, 1), (1, 2), (2, 7), (0, 5), (0, None)])
def test_span_facts_are_the_sum_of_the_shown_bits(engine, picked):
    """A span's total is the sum of the bits on its chips; the mean is over predicted ones.

    Where none was predicted it says so, and never 0 bits.
    """
    state, strip, *_ = reading(engine)
    start, stop = picked[0], picked[1] or len(state.scored)
    selected, _ = surprisal.select(engine, state, span(start, stop))
    bits = [b for chip in strip["tokens"][start:stop] if (b := bits_of(chip)) is not None]
    counted = facts(selected)
    assert counted["selected"].split()[0] == str(stop - start)
    if not bits:
        assert counted["total bits"] == "no prediction"
        assert counted.keys() == {"selected", "total bits"}
        return
    assert float(counted["total bits"]) == pytest.approx(sum(bits), abs=0.0051)
    total = float(exact(selected)["total bits"].split()[0])
    assert total == pytest.approx(sum(bits), abs=1e-4)
    mean = sum(bits) / len(bits)
    assert float(counted["bits per token"]) == pytest.approx(mean, abs=0.0051)


def test_whole_text_numbers_bridge(engine):
    """2^(bits per token) = e^(nats per token) = perplexity, and bits per byte share the total."""
    state, strip, whole, *_ = reading(engine)
    bits = [b for chip in strip["tokens"] if (b := bits_of(chip)) is not None]
    numbers = facts(whole)
    assert float(numbers["total bits"].replace(",", "")) == pytest.approx(sum(bits), abs=0.006)
    bridge = exact(whole)["perplexity"]
    two, e, perplexity = map(float, re.findall(r"\d+\.\d+", bridge))
    assert two == pytest.approx(sum(bits) / len(bits), abs=1e-4)
    assert 2**two == pytest.approx(perplexity, rel=1e-5)
    assert math.exp(e) == pytest.approx(perplexity, rel=1e-5)
    n_bytes = sum(
        len(engine.vocabulary.token(chip["id"]).piece)
        for chip in strip["tokens"]
        if bits_of(chip) is not None
    )
    per_byte, over = exact(whole)["bits per byte"].split(", ")
    assert float(per_byte) == pytest.approx(sum(bits) / n_bytes, rel=1e-5)
    assert over == f"over the {n_bytes:,} bytes of the predicted tokens"
    assert int(numbers["tokens scored"]) == len(bits) == int(state.scored.predicted.sum())


def test_a_span_shows_what_was_predicted_at_its_first_token(engine):
    """As at a writing desk; from the beginning of the text, where nothing is, at its last."""
    state, *_ = reading(engine)
    n = len(state.scored.ids)
    for start, stop, at in ((1, 4, 1), (2, n, 2), (0, 3, 2)):
        _, listing = surprisal.select(engine, state, span(start, stop))
        assert [row["id"] for row in chosen_rows(listing)] == [state.scored.ids[at]]


def test_click_shows_what_was_predicted_there(engine):
    """The list at a token is the engine's distribution before it, with the token itself marked."""
    state, *_ = reading(engine)
    ids = state.scored.ids
    for at in (1, 3, len(ids) - 1):
        _, listing = surprisal.select(engine, state, span(at))
        distribution = engine.next(ids[:at])
        n = surprisal.N_LISTED
        rows = listing["rows"]
        shown = [row["prob"] for row in rows[:n]]
        wanted = [math.exp(distribution.logprob_of(int(i))) for i in distribution.top(n)]
        assert shown == pytest.approx(wanted, abs=1e-4)
        assert [row["id"] for row in chosen_rows(listing)] == [ids[at]]
        total = sum(row["prob"] for row in rows) + listing["rest"]["prob"]
        assert total == pytest.approx(1, abs=1e-4)
        rest = distribution.mass_outside([row["id"] for row in rows])
        assert listing["rest"]["prob"] == pytest.approx(rest, rel=1e-3, abs=1e-6)
        n_rest = engine.info.vocab_size - len(rows)
        assert f"{n_rest:,} tokens" in listing["rest"]["label"]


def test_a_listing_of_a_scored_text_is_that_of_the_distribution(toy):
    """Same rows, same ranks, same rest, whether or not the token is among the likely ones."""
    scored = toy.score([256, *b"The qat"], top_n=5)
    for at in range(1, len(scored)):
        found = views.Listing.of_scored(scored, at, toy.info.vocab_size)
        wanted = views.Listing.of_distribution(toy.next(scored.ids[:at]), 5, scored.ids[at])
        assert (found.entries, found.n_rest, found.chosen) == (
            wanted.entries,
            wanted.n_rest,
            wanted.chosen,
        )
        assert found.rest_prob == pytest.approx(wanted.rest_prob, rel=1e-5)


def test_no_list_where_nothing_was_predicted(engine):
    """A click on the first token says that there is no prediction."""
    state, *_ = reading(engine)
    _, listing = surprisal.select(engine, state, span(0))
    assert "no prediction" in listing["title"]
    assert listing["rows"] == []


def test_a_single_token_has_nothing_to_sum(smollm2):
    """A text of one token, with nothing before it, shows no total rather than 0 bits."""
    assert len(smollm2.tokenize("Hi")) == 1
    _, _, whole, selected, listing, *_ = reading(smollm2, "Hi")
    assert facts(whole) == {"tokens scored": "0"}
    assert facts(selected) == {"selected": "1 token", "total bits": "no prediction"}
    assert "nothing stands before" in exact(selected)["total bits"]
    assert listing["rows"] == []


def test_a_selection_past_the_end_is_harmless(toy):
    """A selection left over from a longer text is not an error."""
    state, *_ = reading(toy, "abc")
    for picked in (span(50, 60), span(2, 900), None, "x", {"start": 5, "stop": 2}):
        selected, _ = surprisal.select(toy, state, picked)
        assert selected["facts"]


def test_select_before_anything_was_scored(toy):
    """A click before there is a reading leaves the page empty."""
    selected, listing = surprisal.select(toy, surprisal.Reading(), span(0))
    assert selected["facts"] == []
    assert listing["rows"] == []


class Watched(ToyEngine):
    """Tells of its scores so slowly that each part is seen."""

    def score(self, ids, *, report, **options):
        def when_seen(part, total):
            report(part, total)
            time.sleep(0.01)

        return super().score(ids, report=when_seen, **options)


def test_colours_come_while_a_text_is_scored():
    """A glimpse holds the final colours of the first tokens, the others pale, and how far it is.

    A glimpse is sent for every eighth of the text at most.
    """
    *glimpses, whole = surprisal.read(Watched(), TEXT)
    final = whole[1]["tokens"]
    assert 1 < len(glimpses) <= 1 + surprisal.N_GLIMPSES
    for _, strip, told, *_ in glimpses:
        n_done, n = map(
            int, re.fullmatch(r"(\d+) of (\d+) tokens", facts(told)["measured so far"]).groups()
        )
        assert n == len(final) == len(strip["tokens"])
        assert strip["tokens"][:n_done] == final[:n_done]
        assert chip_ids(strip) == chip_ids(whole[1])
        assert all("heat" not in chip for chip in strip["tokens"][n_done:])
    assert "measured so far" not in facts(whole[2])


def test_a_text_under_way_leaves_nothing_of_the_one_before():
    """The first glimpse empties what was about another text, the table as well; later ones leave a
    selection alone; a click is answered from what is scored by then."""
    engine = Watched()
    first, *later = surprisal.read(engine, TEXT)
    assert first[1]["value"] is first[1]["suggested"] is None
    assert first[3]["facts"] == first[4]["rows"] == first[7]["rows"] == []
    assert first[4]["title"] == first[7]["title"] == surprisal.BEING_MEASURED
    assert first[6] == first[8] == ""
    assert len(later) > 1
    for glimpse in later:
        assert "value" not in glimpse[1]
        assert (glimpse[1]["suggested"] is None) == (glimpse is not later[-1])
        assert [glimpse[i] for i in (3, 4, 7, 8)] == [gr.skip()] * 4
    for state, strip, *_ in (first, *later[:-1]):
        assert isinstance(state, surprisal.Reading)
        n, n_all = len(state.scored), len(strip["tokens"])
        assert list(state.ids) == chip_ids(strip)
        selected, listing = surprisal.select(engine, state, span(n - 1))
        label = display.label(engine.vocabulary.token(state.scored.ids[n - 1]))
        assert f"“{label}” stands (token {n - 1})" in listing["title"]
        bits = f"{state.scored.surprisals_bits[n - 1]:.6f}"
        assert exact(selected)["total bits"].startswith(bits)
        for pale in (span(n), span(n, n_all), span(n_all - 1), span(n_all + 5)):
            selected, listing = surprisal.select(engine, state, pale)
            assert (selected["facts"], listing["rows"]) == ([], [])
            assert listing["title"] == surprisal.NOT_MEASURED
        selected, _ = surprisal.select(engine, state, span(0, n_all))
        assert facts(selected)["selected"] == f"{n} of {n_all} tokens"


def test_what_was_not_selected_is_the_most_surprising_token(engine):
    """The strip marks it, numbers, candidates and link are of it; the selection stays empty."""
    state, strip, _, selected, listing, *_ = reading(engine)
    assert strip["value"] is None
    bits = [b or 0.0 for b in map(bits_of, strip["tokens"])]
    assert strip["suggested"] == span(bits.index(max(bits)))
    for nothing in (None, ""):  # what a page sends
        assert surprisal.select(engine, state, nothing) == (selected, listing)
        assert surprisal.select(engine, state, strip["suggested"]) == (selected, listing)
        said = surprisal.link_of(engine, state, nothing, TEXT)
        assert said.span == tuple(strip["suggested"].values())


def test_stop_leaves_what_was_scored(toy):
    """All of the page is about the tokens that were scored by then, and says how many they are."""
    state = next(iter(surprisal.read(Watched(), TEXT)))[0]
    n = len(state.scored)
    shown, strip, told, selected, listing, chart, code, *_ = surprisal.kept(toy, state)
    assert selected == listing == gr.skip()  # ``select`` follows
    _, listing = surprisal.select(toy, state, None)
    assert shown == state
    assert facts(told)["measured so far"] == f"{n} of {len(strip['tokens'])} tokens"
    assert facts(told)["tokens scored"] == str(n - 1)
    assert "value" not in strip
    assert strip["suggested"]["stop"] <= n
    assert f"(token {strip['suggested']['start']})" in listing["title"]
    assert len(chart.data[0].x) == n
    assert str(list(state.scored.ids)) in code
    with pytest.raises(InputError):
        surprisal.kept(toy, surprisal.Reading())


def test_a_link_of_a_stopped_text_is_of_all_of_it(toy):
    """The text, whether it was in float32, and a selection, also of what was not measured."""
    state = next(iter(surprisal.read(Watched(), TEXT, exact=True)))[0]
    for picked in (span(2), span(len(state.ids) - 1)):
        said = surprisal.link_of(toy, state, picked, TEXT)
        assert (said.text, said.exact) == (TEXT, True)
        assert said.span == (picked["start"], picked["stop"])


def test_chart_has_at_most_300_points(toy):
    """A long text is averaged in the chart, so that no more than 300 points are sent."""
    chart = reading(toy, "The cat sat. " * 200)[5]
    assert all(len(trace.x) <= 300 for trace in chart.data)


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_text_is_a_sentence(toy, text):
    """Text that can't be used raises an InputError that says what to do."""
    with pytest.raises(InputError) as error:
        reading(toy, text)
    assert_sentence(error)


def test_a_text_past_the_context_is_a_sentence():
    """More tokens than the engine takes raise ContextTooLong with both numbers."""
    with pytest.raises(ContextTooLong) as error:
        reading(ToyEngine(context_length=10), TEXT)
    assert_sentence(error)
    assert " 10." in str(error.value)


def test_reference_points_are_those_of_the_handout():
    """Coin, die, 0.95 and 0.01 stand on the page with their bits."""
    line = score_facts.reference_line()
    for bits in ("1.00", "2.58", "0.07", "6.64"):
        assert bits in line


def test_the_page_offers_exact_numbers_where_it_shows_others(quick, toy):
    """The button is there in the quick mode only, and what it shows is labelled float32."""
    assert surprisal.offer_exact(quick)["visible"]
    assert not surprisal.offer_exact(toy)["visible"]
    rounded, precise = (
        last(read(quick, TEXT)) for read in (surprisal.read, surprisal.read_exactly)
    )
    assert facts(rounded[2])["computed in"] == "bfloat16"
    assert "float32" in exact(rounded[2])["computed in"]
    assert facts(precise[2])["computed in"] == "float32"
    assert "dtype=torch.bfloat16" in rounded[6]
    assert "dtype=torch.float32" in precise[6]
    assert "computed in" not in facts(last(surprisal.read(toy, TEXT))[2])


def test_what_a_server_computes_in_is_said_in_few_words(remote):
    """It stands in a narrow place beside the numbers; it never claims float32 unasked."""
    assert facts(last(surprisal.read(remote, TEXT))[2])["computed in"] == "server's precision"

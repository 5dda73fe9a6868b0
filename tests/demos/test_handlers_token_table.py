"""All tokens in a table: the panel's handler as a plain function."""

import math

import gradio as gr
import numpy as np
import pytest
from handling import assert_sentence, passage_ids, row_facts, span
from hypothesis import given
from hypothesis import strategies as st

from core.display import format_bits, format_prob
from core.errors import InputError
from core.sheet import as_sheet
from demos.ui.token_table import (
    EXPECTED,
    IN_ORDER,
    MOST_ROWS,
    ORDERS,
    SURPRISING,
    follow,
    in_order,
    picked,
    sheet,
    table,
)

TEXT = "The cat sat on the mat. A token is a café."


def scored_by(engine, text=TEXT):
    ids = (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))
    return engine.score(ids, top_n=10)


def positions(shown):
    return [int(row["cells"][0]) for row in shown["rows"]]


@pytest.mark.parametrize("order", ORDERS)
def test_each_row_says_what_the_model_made_of_its_token(engine, order):
    """Every token once, with the numbers of its place, in full on hover."""
    scored = scored_by(engine)
    shown = table(engine, scored, order)
    assert sorted(positions(shown)) == list(range(len(scored)))
    assert shown["title"] == f"{len(scored)} tokens, {order}"
    for row in shown["rows"]:
        position, chips, prob, bits, rank, entropy, token_id = row["cells"]
        i = int(position)
        assert passage_ids(chips) == [scored.ids[i]] == [int(token_id)]
        if not scored.predicted[i]:
            assert (prob, bits, rank, entropy) == ("no prediction", "", "", "")
            assert "hue" not in chips[0]
            continue
        before = engine.next(scored.ids[:i])
        p = math.exp(scored.logprobs[i])
        assert p == pytest.approx(math.exp(before.logprob_of(scored.ids[i])), rel=1e-3)
        assert (prob, bits) == (format_prob(p), format_bits(-math.log2(p)))
        assert rank == f"{scored.ranks[i]:,}"
        assert float(entropy) == pytest.approx(before.entropy_bits, abs=0.006)
        assert float(row_facts(row)["probability"]) == pytest.approx(p, rel=1e-6)
        exact = float(row_facts(row)["entropy"].removesuffix(" bits"))
        assert exact == pytest.approx(scored.entropies_bits[i], abs=1e-6)


@given(st.lists(st.sampled_from([math.nan, math.inf, 0.0, 0.5, 1.0, 2.5, 30.0])))
def test_orders(bits):
    """By surprise either way, equal ones as in the text, unpredicted ones last."""
    bits = np.array(bits)
    assert list(in_order(bits, IN_ORDER)) == list(range(len(bits)))
    for order, sign in ((SURPRISING, -1), (EXPECTED, 1)):
        wanted = sorted(
            range(len(bits)), key=lambda i: (math.isnan(bits[i]), sign * np.nan_to_num(bits[i]), i)
        )
        assert list(in_order(bits, order)) == wanted


def test_of_a_long_text_some_are_shown_and_all_are_copied(toy):
    """The first rows of the order, how many they are, and a line of the sheet for every token."""
    scored = scored_by(toy, "abcdefghij" * 40)
    shown = table(toy, scored, SURPRISING)
    assert len(shown["rows"]) == MOST_ROWS < len(scored)
    assert shown["title"].startswith(f"{MOST_ROWS} of {len(scored)} tokens, {SURPRISING}")
    assert sheet(toy, scored).count("\n") == len(scored) + 1
    first = positions(shown)
    left_out = [i for i in range(len(scored)) if i not in first and scored.predicted[i]]
    assert max(scored.surprisals_bits[left_out]) <= min(scored.surprisals_bits[first])


def test_what_a_server_does_not_say_is_unknown(remote):
    """Its entropies, with the reason on hover; the numbers that it says stand there."""
    scored = scored_by(remote)
    for row in table(remote, scored, IN_ORDER)["rows"]:
        i, rank, entropy = int(row["cells"][0]), *row["cells"][4:6]
        if scored.predicted[i]:
            assert entropy == "unknown"
            assert "most likely tokens" in row_facts(row)["entropy"]
            assert rank == f"{scored.ranks[i]:,}"


def test_a_row_leads_to_its_token(toy):
    """A click selects the token of its row; of a table of another text it is refused with what
    to do, and so is a value that no click can make."""
    scored = scored_by(toy)
    for row in table(toy, scored, SURPRISING)["rows"]:
        at = int(row["cells"][0])
        assert picked(row["pick"], scored) == span(at)
    wrong = [row["pick"] | {"token": token} for token in (len(scored), -1, "1", None, 1.0)]
    for pick, other in (
        (row["pick"], scored_by(toy, TEXT + "!")),
        (row["pick"], None),
        *((pick, scored) for pick in (*wrong, None, "x", {})),
    ):
        with pytest.raises(InputError) as error:
            picked(pick, other)
        assert_sentence(error)


def test_only_an_open_panel_is_filled(toy):
    """Folded nothing is sent; unfolded the table and the sheet are of the text that is measured,
    and before that a line says that there is none."""
    scored = scored_by(toy)
    for folded in (False, None, "true"):
        assert follow(toy, scored, IN_ORDER, folded) == (gr.skip(), gr.skip())
    shown, copied = follow(toy, scored, EXPECTED, True)
    assert shown["rows"] == table(toy, scored, EXPECTED)["rows"]
    assert copied == as_sheet(toy.vocabulary, scored)
    shown, copied = follow(toy, None, IN_ORDER, True)
    assert (shown["rows"], copied) == ([], "")
    assert "measured" in shown["title"]

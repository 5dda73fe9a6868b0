"""Ranks 1 to 10 forced, then greedy: the panel's handler as a plain function."""

import json

import numpy as np
import pytest
from handling import Counting, assert_sentence, last, passage_ids, row_facts, span

from core.branches import Branches
from core.display import format_bits
from core.document import Document
from core.engines.toy import ToyEngine
from core.errors import ContextTooLong, InputError, NoPrediction
from core.tokens import LN2
from demos.ui import recovery
from demos.ui.recovery import recover

TEXT = "The cat sat on"


def opened(engine, text=TEXT):
    ids = (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))
    return Branches.of(Document(ids))


def alone(engine, ids, n):
    """Greedy decoding of one document, one call per token: (ids, bits)."""
    written, bits = [], []
    while len(written) < n and not (written and written[-1] in engine.info.stop_ids):
        given = engine.next((*ids, *written))
        best = int(np.argmax(given.logprob_by_id))
        written.append(best)
        bits.append(-given.logprob_of(best) / LN2)
    return written, bits


@pytest.mark.parametrize("at", [None, 2])
def test_each_row_is_what_forcing_that_rank_gives(engine, at):
    """The forced token with its bits, what greedy alone writes after it, and the sums of bits."""
    branches = opened(engine)
    ids = branches.now.ids if at is None else branches.now.ids[:at]
    table, _, _ = last(recover(engine, branches, at and span(at), 6))
    given = engine.next(ids)
    assert len(table["rows"]) == 10
    for rank, row in enumerate(table["rows"], start=1):
        shown_rank, forced, bits, after, total, mean = row["cells"]
        (forced_id,) = passage_ids(forced)
        assert shown_rank == str(rank)
        assert forced_id == given.top(10)[rank - 1]
        own = -given.logprob_of(forced_id) / LN2
        assert bits == format_bits(own)
        if forced_id in engine.info.stop_ids:
            assert (after, mean) == ([], "–")
            continue
        wanted, wanted_bits = alone(engine, (*ids, forced_id), 6)
        assert passage_ids(after) == wanted
        assert float(total) == pytest.approx(own + sum(wanted_bits), abs=0.006)
        assert float(mean) == pytest.approx(np.mean(wanted_bits), abs=0.006)
        exact = row_facts(row)["bits per token after"]
        assert float(exact) == pytest.approx(np.mean(wanted_bits), abs=1e-4)


def test_every_step_is_one_call_for_all_ten(toy):
    """One call for the ranks, then one per token."""
    counting = Counting(toy)
    list(recover(counting, opened(toy), None, 12))
    assert counting.n_asked == 1 + 12


def test_every_view_holds_all_there_is_to_see(toy):
    """After each step ten rows, a token longer, the chart of it, and code that makes as many."""
    views = list(recover(toy, opened(toy), None, 5))
    assert len(views) == 6
    for n, (table, chart, code) in enumerate(views):
        assert [len(row["cells"][3]) for row in table["rows"]] == [n] * 10
        assert f"{n} of 5 tokens" in table["title"]
        assert f"1 + {n} " in code
        assert (chart is None) == (n == 0)
    assert len(views[-1][1].data) == 10


def test_stopping_ends_the_work(toy):
    """Closed after two views, the engine is asked no more."""
    counting = Counting(toy)
    views = recover(counting, opened(toy), None, 40)
    next(views), next(views)
    views.close()
    assert counting.n_asked == 2


def test_an_ended_text_is_not_continued():
    """After a stop token nothing is written; when all have ended, the title says so."""
    engine = ToyEngine()
    engine.info = type(engine.info)(
        **{**engine.info.__dict__, "stop_ids": frozenset(range(256)), "prefix_ids": ()}
    )
    (table, chart, _) = last(recover(engine, opened(engine, "ab"), None, 6))
    assert all(row["cells"][3] == [] for row in table["rows"] if passage_ids(row["cells"][1])[0]
               < 256)  # fmt: skip
    assert "all have ended" in table["title"]
    assert chart is None or all(len(line.x) <= 6 for line in chart.data)


def test_as_many_as_fit():
    """Near the end of the context fewer are written, and the title says so; with no room: why."""
    engine = ToyEngine(context_length=12)
    table, *_ = last(recover(engine, opened(engine, "1234567"), None, 12))  # 8 with <bos>
    assert [len(row["cells"][3]) for row in table["rows"]] == [3] * 10
    assert "no more fit" in table["title"]
    with pytest.raises(ContextTooLong) as error:
        last(recover(engine, opened(engine, "1234567890"), None, 4))
    assert_sentence(error)


@pytest.mark.parametrize("n", [3, 41, 4.5, "x", None, float("nan"), True])
def test_numbers_out_of_range(toy, n):
    """Any number of tokens but 4 to 40 is refused with a sentence."""
    with pytest.raises(InputError) as error:
        last(recover(toy, opened(toy), None, n))
    assert_sentence(error)


def test_nothing_is_predicted_before_the_first(toy):
    """At position 0 there is nothing to force after."""
    with pytest.raises(NoPrediction):
        last(recover(toy, opened(toy), span(0), 12))


def test_a_view_is_small_enough_to_send(smollm2):
    """Forty tokens after each of ten: less than a screenful of pictures."""
    (table, *_) = last(recover(smollm2, opened(smollm2), None, recovery.MOST))
    assert len(json.dumps(table["rows"])) < 150_000

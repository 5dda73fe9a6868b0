"""Beam search made visible: the panel's handler as a plain function."""

import json
import math

import numpy as np
import pytest
from handling import Counting, assert_sentence, last, passage_ids, row_facts, span

from core.branches import Branches
from core.continuations import Continuation
from core.document import Document
from core.engines.toy import ToyEngine
from core.errors import ContextTooLong, InputError, NoPrediction
from core.tokens import Candidate
from demos.ui import beams
from demos.ui.beams import search, verdict

TEXT = "The cat sat on"


def opened(engine, text=TEXT):
    ids = (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))
    return Branches.of(Document(ids))


def by_hand(engine, ids, width, n):
    """Beam search as nested loops, one call per text: the kept (tokens, log-prob) of each step."""
    kept, steps = [((), 0.0)], []
    for _ in range(n):
        longer = []
        for tokens, total in kept:
            if tokens and tokens[-1] in engine.info.stop_ids:
                longer.append((tokens, total))
                continue
            logprobs = engine.next((*ids, *tokens)).logprob_by_id
            longer += [((*tokens, i), total + float(logprobs[i])) for i in range(len(logprobs))]
        kept = sorted(longer, key=lambda one: -one[1])[:width]
        steps.append(kept)
    return steps


def rows_of(table, word):
    """{step: its rows} of the table that are called ``word``."""
    found, step = {}, 0
    for row in table["rows"]:
        step = int(row["cells"][0] or step)
        if row["cells"][1].startswith(word):
            found.setdefault(step, []).append(row)
    return found


@pytest.mark.parametrize(("width", "n"), [(2, 3), (3, 4), (5, 2)])
def test_every_step_keeps_the_most_probable(engine, width, n):
    """Log-probs of what each step kept, against extending by every token of the vocabulary."""
    branches = opened(engine)
    _, table, _ = last(search(engine, branches, None, width, n))
    kept = rows_of(table, "kept")
    assert sorted(kept) == list(range(1, n + 1))
    for step, wanted in enumerate(by_hand(engine, branches.now.ids, width, n), start=1):
        shown = [float(row_facts(row)["total log-prob"]) for row in kept[step]]
        assert shown == pytest.approx([total for _, total in wanted], abs=2e-4)
        for row in kept[step]:
            bits = float(row_facts(row)["total bits"].split()[0])
            logprob = float(row_facts(row)["total log-prob"])
            assert bits == pytest.approx(-logprob / math.log(2), abs=1e-5)


def test_the_pruned_are_less_probable_and_greyed(toy):
    """What was given up stands below what was kept, and is marked as such."""
    _, table, _ = last(search(toy, opened(toy), None, 3, 5))
    kept, pruned = rows_of(table, "kept"), rows_of(table, "pruned")
    for step, rows in pruned.items():
        assert all(row["tone"] == "pruned" for row in rows)
        worst = min(float(row_facts(row)["total log-prob"]) for row in kept[step])
        assert all(float(row_facts(row)["total log-prob"]) <= worst for row in rows)
        assert len(rows) <= 3
    assert all(row["tone"] == "" for rows in kept.values() for row in rows)


def test_greedy_beside_is_greedy(engine):
    """The second text is always the most likely token, with the sum of its log-probs."""
    branches = opened(engine)
    ids, written, total = branches.now.ids, [], 0.0
    while len(written) < 5 and not (written and written[-1] in engine.info.stop_ids):
        given = engine.next((*ids, *written))
        written.append(int(np.argmax(given.logprob_by_id)))
        total += given.logprob_of(written[-1])
    both, *_ = last(search(engine, branches, None, 4, 5))
    greedy = both["rows"][1]
    assert passage_ids(greedy["cells"][1]) == written
    assert float(row_facts(greedy)["total log-prob"]) == pytest.approx(total, abs=1e-4)
    assert greedy["cells"][2] == str(len(written))


def text_of(*logprobs, start=0):
    tokens = [Candidate(start + i, logprob, 1) for i, logprob in enumerate(logprobs)]
    return Continuation((1,), tuple(tokens))


def test_the_verdict_says_which_is_more_probable():
    """Each way, the same text, and a tie; the ratio is e to the difference."""
    likely, less = text_of(-1.0, -0.5), text_of(-2.0, -0.5, start=5)
    assert verdict(likely, likely).endswith("the same text")
    assert verdict(likely, less).startswith("Beam search finds a text 2.72 times")
    assert verdict(less, likely).startswith("Greedy decoding")
    assert "2.72 times" in verdict(less, likely)
    assert "the same probability" in verdict(likely, text_of(-0.5, -1.0, start=5))


def test_the_more_probable_one_is_marked(toy):
    """In words and by its row; none where both are the same."""
    for n in range(1, 9):
        both, *_ = last(search(toy, opened(toy), None, 3, n))
        totals = [float(row_facts(row)["total log-prob"]) for row in both["rows"]]
        marked = [row["cells"][0].endswith("more probable") for row in both["rows"]]
        assert marked == [totals[0] > totals[1] + 1e-6, totals[1] > totals[0] + 1e-6]
        assert [row["tone"] == "here" for row in both["rows"]] == marked


def test_every_view_holds_all_steps_so_far(toy):
    """A view per step with all before it, and code for as many."""
    views = list(search(toy, opened(toy), span(4), 2, 6))
    assert len(views) == 6
    for n, (both, table, code) in enumerate(views, start=1):
        assert sorted(rows_of(table, "kept")) == list(range(1, n + 1))
        assert f"{n} of 6 steps" in table["title"]
        assert f"range({n})" in code
        assert [row["cells"][2] for row in both["rows"]] == [str(n)] * 2
    assert views[-1][1]["rows"][:2] == views[0][1]["rows"][:2]


def test_stopping_ends_the_work(toy):
    """Closed after one view, the engine is asked no more than for it."""
    counting = Counting(toy)
    views = search(counting, opened(toy), None, 3, 20)
    next(views)
    views.close()
    assert counting.n_asked == 2  # all beams together, and greedy


def test_as_many_steps_as_fit():
    """Near the end of the context there are fewer steps; with no room the sentence says why."""
    engine = ToyEngine(context_length=10)
    _, table, _ = last(search(engine, opened(engine, "1234567"), None, 2, 20))  # 8 with <bos>
    assert "2 of 2 steps" in table["title"]
    with pytest.raises(ContextTooLong) as error:
        last(search(engine, opened(engine, "123456789"), None, 2, 20))
    assert_sentence(error)


@pytest.mark.parametrize(("width", "n"), [(1, 5), (6, 5), ("x", 5), (3, 0), (3, 21), (3, None)])
def test_numbers_out_of_range(toy, width, n):
    """Any width but 2 to 5 and any number of steps but 1 to 20 is refused with a sentence."""
    with pytest.raises(InputError) as error:
        last(search(toy, opened(toy), None, width, n))
    assert_sentence(error)


def test_nothing_is_predicted_before_the_first(toy):
    """At position 0 there is nothing to search from."""
    with pytest.raises(NoPrediction):
        last(search(toy, opened(toy), span(0), 3, 5))


def test_a_view_is_small_enough_to_send(smollm2):
    """The widest and longest search."""
    found = last(search(smollm2, opened(smollm2), None, beams.WIDEST, beams.MOST_STEPS))
    assert len(json.dumps(found[1]["rows"])) < 250_000

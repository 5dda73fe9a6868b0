"""The classifier inside, as plain functions: its numbers are those of the candidate list."""

import math

import gradio as gr
import numpy as np
import pytest
from handling import exact, facts, span

from core.branches import Branches
from core.document import Document
from core.inside import Inside
from demos import next_token
from demos.ui import classifier
from demos.ui.component import sealed

TEXT = "The capital of France is"


@pytest.fixture
def branches(smollm2):
    return Branches.of(Document(tuple(t.id for t in smollm2.tokenize(TEXT))))


def column(table, name):
    """The numbers of a column."""
    at = list(classifier.COLUMNS).index(name)
    return [float(row["cells"][at]) for row in table["rows"]]


def made(**changed):
    """An Inside of two numbers and two tokens."""
    given = {
        "hidden": np.array([3, 4], np.float32),
        "rows": np.array([[1, 0], [0, 2]], np.float32),
        "logits": np.array([3, 8], np.float32),
        "log_sum_exp": math.log(math.exp(3) + math.exp(8)),
        "bias": None,
        "scale": None,
        "softcap": None,
        "tied": True,
        "dtype": "float32",
    }
    return Inside(**(given | changed))


@pytest.mark.parametrize("position", [5, 3])
def test_numbers_reproduce_the_candidate_list(smollm2, branches, position):
    """From the numbers on the screen alone: e^(logit − log-sum-exp) is the listed probability."""
    _, shown, table, chart, code = classifier.show(smollm2, branches, span(position))
    listed = next_token.show(smollm2, branches, position)[2]["rows"]
    lse = float(facts(shown)["log-sum-exp"])
    probs = np.exp(np.array(column(table, "logit")) - lse)
    expected = [row["prob"] for row in listed]
    np.testing.assert_allclose(probs, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(column(table, "p"), expected, rtol=1e-3, atol=1e-9)
    assert [row["cells"][0][0]["id"] for row in table["rows"]] == [row["id"] for row in listed]
    np.testing.assert_allclose(column(table, "h · e"), column(table, "logit"), atol=1e-3)
    assert table["title"] == next_token.show(smollm2, branches, position)[2]["title"]
    assert chart is not None
    assert "log_sum_exp" in code


def test_facts_are_of_the_vector(smollm2, branches):
    """Its size, its length, and log-sum-exp over the whole vocabulary, exact on hover."""
    words, shown, *_ = classifier.show(smollm2, branches, None)
    found = smollm2.inside(branches.now.ids, [0])
    assert facts(shown)["context vector"] == f"{len(found.hidden):,} numbers" == "576 numbers"
    length = math.sqrt(sum(float(x) ** 2 for x in found.hidden))
    assert float(exact(shown)["length of h"]) == pytest.approx(length, rel=1e-6)
    assert float(exact(shown)["log-sum-exp"]) == pytest.approx(found.log_sum_exp, rel=1e-6)
    assert "also its input embedding" in words
    assert "49,152 tokens" in words


def test_first_token(smollm2, branches):
    """Nothing stands before it: a sentence and nothing else, and no error."""
    words, shown, table, chart, code = classifier.show(smollm2, branches, span(0))
    assert words == classifier.FIRST
    assert shown["facts"] == table["rows"] == []
    assert chart is None
    assert code == ""


def test_only_an_open_panel_asks_the_model(smollm2, branches):
    """Folded, a view that changes costs nothing; unfolded it is followed."""
    assert classifier.follow(None, branches, None, False) == (gr.skip(),) * 5
    assert classifier.follow(None, branches, None, "true") == (gr.skip(),) * 5
    shown = classifier.show(smollm2, branches, span(2))
    followed = classifier.follow(smollm2, branches, span(2), True)
    assert list(map(sealed, shown[:3])) == list(map(sealed, followed[:3]))


def test_an_engine_that_can_not_says_so(toy):
    """The bigram model has no vector; the sentence stands in the panel and says what to do."""
    words, shown, table, chart, code = classifier.show(toy, Branches.of(Document((1, 2))), None)
    assert "does not show what is inside the model" in words
    assert "Run Token Lab with" in words
    assert (shown["facts"], table["rows"], chart, code) == ([], [], None, "")


@pytest.mark.parametrize(
    ("changed", "words", "computed"),
    [
        ({}, "logit = h · e", [3, 8]),
        ({"bias": np.array([1, -1], np.float32)}, "logit = h · e + b", [4, 7]),
        ({"scale": 0.5}, "logit = 0.5 · (h · e)", [1.5, 4]),
        (
            {"softcap": 30.0},
            "logit = 30 · tanh(h · e / 30)",
            [30 * math.tanh(0.1), 30 * math.tanh(8 / 30)],
        ),
        (
            {"softcap": 5.0, "bias": np.array([1, -1], np.float32)},
            "logit = 5 · tanh((h · e + b) / 5)",
            [5 * math.tanh(0.8), 5 * math.tanh(1.4)],
        ),
    ],
)
def test_the_formula_is_what_is_computed(changed, words, computed):
    """What is said of the way from h · e to a logit is what is done."""
    found = made(**changed)
    assert classifier.formula(found) == words
    np.testing.assert_allclose(found.computed, computed, rtol=1e-6)
    np.testing.assert_array_equal(found.products, [3, 8])
    assert found.hidden_norm == 5
    assert found.row_norms.tolist() == [1, 2]


def test_other_models_are_told_of():
    """Rows apart from the embeddings, and fewer digits than float32."""
    words = classifier.sentence(made(tied=False, dtype="bfloat16"), 50)
    assert "apart from its input embedding" in words
    assert "bfloat16" in words
    assert "float32" in words
    assert "float32" not in classifier.sentence(made(), 50)

"""Every number of the local engine against a plain transformers forward of the same ids.

The oracle is ``model(input_ids).logits`` in float32, softmax over the whole vocabulary,
no cache and no chunks. Every test here asks the public API's own functions.
"""

import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core import api

pytestmark = pytest.mark.usefixtures("float32_only")
TOLERANCE = 1e-4  # of a log-probability: what the issue promises
ENTROPY_TOLERANCE = 1e-3  # bits: it sums the rounding of all tokens
ROWS = 64
TEXTS = {
    "english": "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "code": "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1)\n",
    "chinese": "北京是中华人民共和国的首都，也是全国的政治、文化中心。",
    "arabic": "القاهرة هي عاصمة جمهورية مصر العربية وأكبر مدنها.",
    "emoji": "A family 👩‍👩‍👧‍👦 waves 👋🏽 under the flag 🏳️‍🌈 of 🇨🇭!",
    "numbers": "3.14159 2.71828 1,000,000 0x7f 1e-9 2024-02-29 12:34:56 1/3 50%",
    "whitespace": "  two\n\n\nthree\t\ttabs   \r\n and a trailing space ",
    "unexpected": "colourless green ideas xyzzy qwertz ÿÿÿ sleep furiously",
    "control text": "<start_of_turn>user <|im_start|> <bos> are words here</s>",
    "1,000 tokens": " ".join(
        f"On day {day} the {('red', 'blue', 'old')[day % 3]} ship sailed {day * 17} miles north."
        for day in range(1, 66)
    ),
}


@pytest.fixture(scope="module")
def plain_logprobs(real_engine):
    """A function: ids -> float32 log-probabilities [ids, vocabulary] of a plain forward."""
    model = AutoModelForCausalLM.from_pretrained(
        real_engine.info.folder, dtype=torch.float32
    ).eval()

    def of(ids):
        with torch.inference_mode():
            logits = model(torch.tensor([list(ids)]), use_cache=False).logits[0]
            assert logits.dtype == torch.float32
            for rows in logits.split(ROWS):  # in place: one copy of 1 GB is enough
                rows.copy_(rows.log_softmax(-1))
        return logits

    return of


@pytest.mark.parametrize("name", TEXTS)
def test_every_number_is_that_of_a_plain_forward(real_engine, plain_logprobs, name):
    """Log-prob, rank, entropy and guesses of every token of the text, and of the next one."""
    text = TEXTS[name]
    ids = api.context_ids(real_engine, text)
    if name == "1,000 tokens":
        assert len(ids) > 1000
    plain = plain_logprobs(ids)
    rows = api.surprisal(real_engine, text, top_n=5)["tokens"]
    assert [row["id"] for row in rows] == list(ids)
    assert rows[0]["logprob"] is None
    for start in range(1, len(ids), ROWS):
        expected = plain[start - 1 : start - 1 + ROWS].numpy()
        check_rows(rows[start : start + ROWS], expected)
    check_next(api.next_token(real_engine, text, top_n=20), plain[-1].numpy())


def check_rows(rows, plain):
    """Scored rows against the plain log-probabilities that predict them."""
    for row, logprobs in zip(rows, plain, strict=False):
        logprob = logprobs[row["id"]]
        assert row["logprob"] == pytest.approx(logprob, abs=TOLERANCE)
        assert row["surprisal_bits"] == pytest.approx(-row["logprob"] / math.log(2), rel=1e-9)
        assert_rank_within_rounding(row["rank"], logprobs, row["id"])
        assert row["entropy_bits"] == pytest.approx(entropy(logprobs), abs=ENTROPY_TOLERANCE)
        best = -np.sort(-np.partition(logprobs, -5)[-5:])
        assert [t["logprob"] for t in row["top"]] == pytest.approx(best.tolist(), abs=TOLERANCE)
        for guess in row["top"]:
            assert guess["logprob"] == pytest.approx(logprobs[guess["id"]], abs=TOLERANCE)


def check_next(answer, logprobs):
    """Candidates, the rest and the entropy against one plain row."""
    for candidate in answer["candidates"]:
        assert candidate["logprob"] == pytest.approx(logprobs[candidate["id"]], abs=TOLERANCE)
        assert_rank_within_rounding(candidate["rank"], logprobs, candidate["id"])
    others = np.delete(logprobs, [c["id"] for c in answer["candidates"]]).astype(np.float64)
    assert answer["rest"]["prob"] == pytest.approx(float(np.exp(others).sum()), abs=TOLERANCE)
    assert answer["rest"]["n_tokens"] == len(others)
    assert answer["entropy_bits"] == pytest.approx(entropy(logprobs), abs=ENTROPY_TOLERANCE)


def entropy(logprobs):
    exact = logprobs.astype(np.float64)
    return float(-(np.exp(exact) * exact).sum() / math.log(2))


def assert_rank_within_rounding(rank, logprobs, token_id):
    """The rank counts all tokens clearly above, and none clearly below."""
    clearly_above = np.count_nonzero(logprobs > logprobs[token_id] + 2 * TOLERANCE)
    not_below = np.count_nonzero(logprobs >= logprobs[token_id] - 2 * TOLERANCE)
    assert clearly_above < rank <= not_below

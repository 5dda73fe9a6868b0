"""A scored text as a sheet."""

import ast
import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines.toy import ToyEngine
from core.sheet import BEGIN_FORMULAS, HEADS, as_sheet
from core.tokens import ScoredText, Vocabulary

ENGINE = ToyEngine()


def lines_of(vocabulary, scored):
    """A sheet read back by csv: a dict for each line under the heads."""
    return list(csv.DictReader(io.StringIO(as_sheet(vocabulary, scored)), dialect="excel-tab"))


def numbers(line):
    """What a line says of its token's prediction."""
    return [line[head] for head in HEADS[4:]]


@given(st.text(min_size=1, max_size=40))
def test_every_number_comes_back(text):
    """Read back, each line has its token's id and bytes, and every digit of its float32s."""
    ids = [token.id for token in ENGINE.tokenize(text)]
    scored = ENGINE.score(ids, top_n=3)
    lines = lines_of(ENGINE.vocabulary, scored)
    assert [int(line["position"]) for line in lines] == list(range(len(ids)))
    assert [int(line["token_id"]) for line in lines] == ids
    assert b"".join(ast.literal_eval(line["piece"]) for line in lines).decode() == text
    for i, line in enumerate(lines):
        assert tuple(line) == HEADS
        if not scored.predicted[i]:
            assert numbers(line) == [""] * 5
            continue
        logprob = np.float32(line["logprob"])
        assert logprob == scored.logprobs[i]
        assert np.float32(line["entropy_bits"]) == scored.entropies_bits[i]
        assert float(line["probability"]) == pytest.approx(math.exp(logprob), rel=1e-8)
        assert float(line["surprisal_bits"]) == pytest.approx(-logprob / math.log(2), rel=1e-7)
        assert int(line["rank"]) == scored.ranks[i]


FORMULAS = [b"=SUM(A1)", b"+1", b"-1", b"@a"]
NUMBERS = [b"007", b"1e5", b"^2", b".c", b" weather", b"\t"]  # or so the hexadecimal of their bytes
PIECES = [*FORMULAS, *NUMBERS, b"a\tb", b'say "no"', b"\r\n", b"\n", b"\xe2\x96", b" a"]


def of_pieces(logprobs, ranks, entropies_bits):
    """(vocabulary, a text of its tokens in their order with these numbers)."""
    n = len(logprobs)
    columns = (logprobs, entropies_bits, np.zeros(n))
    logprobs, entropies_bits, rest_mass = (np.array(column, np.float32) for column in columns)
    top = np.zeros((n, 1), np.int64), np.zeros((n, 1), np.float32)
    ranks = np.array(ranks, np.int64)
    scored = ScoredText(tuple(range(n)), logprobs, ranks, entropies_bits, *top, rest_mass)
    return Vocabulary(tuple(PIECES[:n]), frozenset()), scored


def test_what_a_spreadsheet_would_take_for_something_else():
    """No field begins a formula, no piece reads as a number; tabs, line ends and quotes stay
    inside their own line."""
    n = len(PIECES)
    vocabulary, scored = of_pieces([0] * n, [1] * n, [0] * n)
    assert as_sheet(vocabulary, scored).count("\n") == n + 1
    lines = lines_of(vocabulary, scored)
    assert [ast.literal_eval(line["piece"]) for line in lines] == PIECES
    assert all(line["piece"].startswith("b") for line in lines)
    assert not [line for line in lines if line["token"].startswith(BEGIN_FORMULAS)]
    assert [line["token"] for line in lines][-3:] == ["↵", "E2 96", "·a"]


def test_what_an_engine_did_not_say_is_empty():
    """The first token has no number; a server says no entropy, and may say no rank; 0 is not
    written −0."""
    nan = math.nan
    lines = lines_of(*of_pieces([nan, -20, -1, -0.0], [0, 0, 2, 1], [nan, nan, nan, -0.0]))
    first, rare, usual, sure = map(numbers, lines)
    assert first == [""] * 5
    assert (rare[0], rare[3:]) == ("-20", ["", ""])
    assert (usual[0], usual[3:]) == ("-1", ["2", ""])
    assert sure[1:] == ["1", "0", "1", "0"]

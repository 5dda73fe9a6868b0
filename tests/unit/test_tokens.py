"""Tokens, distributions and scored texts: plain values, against the long way round."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NoPrediction
from core.tokens import (
    Candidate,
    Distribution,
    ScoredText,
    Token,
    Vocabulary,
    partial_characters,
    require_context,
    unscored_columns,
)

LOGITS = st.lists(
    st.sampled_from([-3.0, 0.0, 0.0, 1.5]) | st.floats(-30, 30, width=32), min_size=1, max_size=50
)


def distribution_of(logits):
    return Distribution.from_logits(np.array(logits, dtype=np.float32))


def order_by_hand(logprobs):
    """Ids by falling log-probability, equal ones by id, those the engine did not say left out."""
    known = [i for i, logprob in enumerate(logprobs) if logprob > -math.inf]
    return sorted(known, key=lambda i: (-logprobs[i], i))


@given(LOGITS)
def test_a_distribution_is_softmax_over_the_whole_vocabulary(logits):
    """Each log-probability is logit − log Σ exp, computed here with exact sums in float64."""
    distribution = distribution_of(logits)
    exact = [float(np.float32(x)) for x in logits]
    log_z = max(exact) + math.log(math.fsum(math.exp(x - max(exact)) for x in exact))
    np.testing.assert_allclose(
        distribution.logprob_by_id, [x - log_z for x in exact], rtol=1e-6, atol=1e-5
    )
    assert distribution.logprob_by_id.dtype == np.float32
    assert distribution.vocab_size == len(logits)
    assert distribution.complete


@given(LOGITS)
def test_order_top_and_rank_are_the_sorted_list(logits):
    """order, top(n) for every n (before and after the order is known), and every rank."""
    distribution = distribution_of(logits)
    expected = order_by_hand(distribution.logprob_by_id.tolist())
    for n in range(1, len(logits) + 3):
        assert distribution.top(n).tolist() == expected[:n]
    assert distribution.order.tolist() == expected
    assert distribution.top(2).tolist() == expected[:2]
    ranks = [distribution.rank_of(i) for i in range(len(logits))]
    assert ranks == [expected.index(i) + 1 for i in range(len(logits))]


@given(LOGITS)
def test_entropy_is_over_the_whole_vocabulary(logits):
    """−Σ p log2 p of all tokens, not of the top ten, to the digits of float32 probabilities."""
    distribution = distribution_of(logits)
    logprobs = distribution.logprob_by_id.astype(np.float64)
    by_hand = math.fsum(-math.exp(x) * x / math.log(2) for x in logprobs)
    assert distribution.entropy_bits == pytest.approx(by_hand, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("n", "bits"), [(1, 0), (2, 1), (6, math.log2(6)), (1024, 10)])
def test_entropy_of_equal_chances(n, bits):
    """A coin has 1 bit, a die 2.585."""
    assert distribution_of([0.0] * n).entropy_bits == pytest.approx(bits, abs=1e-6)


def test_huge_and_equal_logits_do_not_overflow():
    """The peak is taken away before the exponential."""
    distribution = distribution_of([1e30, 1e30, -1e30])
    assert np.exp(distribution.logprob_by_id).tolist() == pytest.approx([0.5, 0.5, 0])


def test_a_masked_token_is_last_with_probability_0():
    """-inf in the logits of a whole distribution: ranked after all others, no NaN anywhere."""
    distribution = distribution_of([0.0, -math.inf, 0.0, -math.inf])
    assert [distribution.rank_of(i) for i in range(4)] == [1, 3, 2, 4]
    assert distribution.entropy_bits == pytest.approx(1, abs=1e-6)
    assert distribution.order.tolist() == [0, 2]


KNOWN = [math.log(0.5), -math.inf, math.log(0.3), -math.inf]
PARTIAL = Distribution(np.array(KNOWN, dtype=np.float32), tail_mass=0.2)


def test_a_partial_distribution_says_what_it_does_not_know():
    """Top-N engines: no entropy, no rank and no place in the order for the tail."""
    assert not PARTIAL.complete
    assert PARTIAL.entropy_bits is None
    assert [PARTIAL.rank_of(i) for i in range(4)] == [1, None, 2, None]
    assert PARTIAL.top(4).tolist() == PARTIAL.top(3).tolist() == PARTIAL.order.tolist() == [0, 2]
    assert PARTIAL.logprob_of(1) == -math.inf


def test_top_of_a_large_partial_distribution_leaves_the_tail_out():
    """The quick way to the top of a large vocabulary sees -inf as unknown too."""
    logprobs = np.full(1000, -np.inf, dtype=np.float32)
    logprobs[[5, 900, 7]] = np.log([0.2, 0.5, 0.2]).astype(np.float32)
    assert Distribution(logprobs, tail_mass=0.1).top(10).tolist() == [900, 5, 7]


@pytest.mark.parametrize("distribution", [PARTIAL, distribution_of([1.0, 2.0, 2.0])])
def test_a_distribution_survives_pickling(distribution):
    """The same numbers and the same order on the other side, still read-only, no larger for it."""
    before = len(pickle.dumps(distribution))
    _ = distribution.order
    stored = pickle.dumps(distribution)
    assert len(stored) == before
    back = pickle.loads(stored)
    np.testing.assert_array_equal(back.logprob_by_id, distribution.logprob_by_id)
    assert back.tail_mass == distribution.tail_mass
    assert back.order.tolist() == distribution.order.tolist()
    with pytest.raises(ValueError, match="read-only"):
        back.logprob_by_id[0] = 0


def test_a_distribution_can_not_be_written_into():
    """It is shared by everyone who asked for the same ids."""
    with pytest.raises(ValueError, match="read-only"):
        distribution_of([0.0, 1.0]).logprob_by_id[0] = 0


@given(LOGITS)
def test_a_candidate_is_a_token_with_what_the_model_gives_it(logits):
    """The distribution's own log-probability and rank; plain numbers, whatever kind of id came."""
    distribution = distribution_of(logits)
    for token_id in (0, np.int64(len(logits) - 1)):
        found = distribution.candidate(token_id)
        logprob, rank = distribution.logprob_of(token_id), distribution.rank_of(token_id)
        assert found == Candidate(int(token_id), logprob, rank)
        assert type(found.id) is int
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_candidate_of_the_tail_has_no_rank():
    """Where the engine did not say, nothing is made up."""
    assert PARTIAL.candidate(1) == Candidate(1, -math.inf, None)


@given(LOGITS, st.sets(st.integers(0, 49)))
def test_the_mass_outside_some_tokens_is_that_of_the_others(logits, ids):
    """Summed over the others, not subtracted from 1: exact where it is tiny, exactly 0 for none."""
    distribution = distribution_of(logits)
    inside = sorted(i for i in ids if i < len(logits))
    others = [i for i in range(len(logits)) if i not in ids]
    by_hand = math.fsum(math.exp(distribution.logprob_of(i)) for i in others)
    assert distribution.mass_outside(inside) == pytest.approx(by_hand, rel=3e-7, abs=1e-37)
    assert distribution.mass_outside(np.array(inside, dtype=np.int64)) == pytest.approx(by_hand)
    assert distribution.mass_outside(range(len(logits))) == 0


def test_a_mass_too_small_to_be_subtracted():
    """e^-50 beside 1: 1 − 1 would be 0."""
    distribution = distribution_of([0.0, -50.0, -50.0])
    assert distribution.mass_outside([0]) == pytest.approx(2 * math.exp(-50), rel=1e-5)


def test_what_is_listed_and_what_is_not_sum_to_1():
    """The top and the mass outside it, of a whole distribution."""
    distribution = distribution_of(np.arange(10))
    top = distribution.top(4)
    listed = math.fsum(math.exp(distribution.logprob_of(i)) for i in top)
    assert listed + distribution.mass_outside(top) == pytest.approx(1, abs=1e-6)


def test_the_mass_outside_of_a_partial_distribution_holds_the_tail():
    """Tokens the engine did not list are outside too."""
    assert PARTIAL.mass_outside([0]) == pytest.approx(0.5, abs=1e-6)
    assert PARTIAL.mass_outside([0, 2]) == pytest.approx(0.2)
    assert PARTIAL.mass_outside([]) == pytest.approx(1, abs=1e-6)


def scored_with(ids, probs, ranks):
    """A scored text with these probabilities and ranks, None where nothing was predicted."""
    columns = list(unscored_columns(len(ids), 2))
    columns[0] = np.array([math.nan if p is None else math.log(p) for p in probs], np.float32)
    columns[1] = np.array(ranks)
    return ScoredText(ids, *columns)


SCORED = scored_with((4, 5, 6), [None, 0.5, 1 / 6], [0, 1, 2])
COLUMNS = ("logprobs", "ranks", "entropies_bits", "top_ids", "top_logprobs", "rest_mass")


def test_before_anything_is_scored_nothing_is_known():
    """The columns of a ScoredText, in its order: NaN, rank 0 and no guess, never 0 bits."""
    unscored = ScoredText((7, 8, 9), *unscored_columns(3, 2))
    assert not unscored.predicted.any()
    assert np.isnan([unscored.logprobs, unscored.entropies_bits, unscored.rest_mass]).all()
    assert unscored.ranks.tolist() == [0, 0, 0]
    assert unscored.top_ids.shape == unscored.top_logprobs.shape == (3, 2)
    assert np.isneginf(unscored.top_logprobs).all()


@pytest.mark.parametrize("column", COLUMNS)
def test_a_scored_text_can_not_be_written_into(column):
    """It is remembered and shared by everyone who asked for the same text."""
    with pytest.raises(ValueError, match="read-only"):
        getattr(SCORED, column)[1] = 0


def test_a_token_of_a_scored_text_is_a_candidate():
    """Id, log-probability and rank of each token; no rank where nothing was predicted."""
    assert SCORED.candidate(2) == Candidate(6, float(np.float32(math.log(1 / 6))), 2)
    first = SCORED.candidate(0)
    assert (first.id, first.rank) == (4, None)
    assert math.isnan(first.logprob)


def test_a_scored_text_survives_pickling_and_knows_its_bits():
    """surprisals are −log2 p; the first token has no prediction."""
    scored = SCORED
    back = pickle.loads(pickle.dumps(scored))
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(back, column), getattr(scored, column))
    assert len(back) == 3
    assert back.ids == scored.ids
    assert back.predicted.tolist() == [False, True, True]
    assert back.surprisals_bits[1:].tolist() == pytest.approx([1, math.log2(6)], abs=1e-6)
    assert math.isnan(back.surprisals_bits[0])


# --- tokens and vocabularies


def test_a_vocabulary_gives_tokens_by_id():
    """Control ids are special; ids past the pieces are padding of the output layer."""
    vocabulary = Vocabulary((b"a", b"<bos>"), frozenset({1}))
    assert vocabulary.tokens([0, 1]) == (Token(0, b"a"), Token(1, b"<bos>", special=True))
    assert vocabulary.token(5) == Token(5, b"<unused 5>", special=True)
    assert len(vocabulary) == 2
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary


@given(st.binary(max_size=6))
def test_the_text_of_any_bytes_is_true(piece):
    """Whole characters read as themselves; anything else byte by byte, never as U+FFFD."""
    token = Token(0, piece)
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        assert not token.is_text
        assert token.text == "".join(f"<0x{byte:02X}>" for byte in piece)
    else:
        assert token.is_text
        assert token.text == text


def of_pieces(*pieces):
    return [Token(i, piece) for i, piece in enumerate(pieces)]


CUTS = st.lists(st.integers(1, 3), min_size=1, max_size=30)


@given(st.text("aé€👩\u200d🇨", min_size=1, max_size=12), CUTS)
def test_partial_characters_name_what_the_bytes_spell(text, widths):
    """However UTF-8 is cut: whole pieces have no note, the others spell their characters."""
    rest, pieces = text.encode(), []
    for width in widths * len(rest):
        if rest:
            pieces.append(rest[:width])
            rest = rest[width:]
    tokens = of_pieces(*pieces)
    notes = partial_characters(tokens)
    written, i = "", 0
    while i < len(tokens):
        if notes[i] is None:
            written += pieces[i].decode()
            i += 1
            continue
        joined = b""
        while not joined or not is_utf8(joined):
            assert notes[i] == notes[i - 1] or not joined
            joined += pieces[i]
            i += 1
        assert notes[i - 1] == joined.decode()
        written += joined.decode()
    assert written == text


def is_utf8(piece):
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_an_emoji_cut_into_byte_tokens():
    """Each of its four bytes is a part of the same emoji; the letters around it are not."""
    thumb = "👍".encode()
    tokens = of_pieces(b"a", *(bytes([byte]) for byte in thumb), b"b")
    assert partial_characters(tokens) == [None, "👍", "👍", "👍", "👍", None]


def test_a_piece_may_end_one_character_and_begin_the_next():
    """Bytes that share tokens belong to the characters together."""
    joined = "é€".encode()
    assert partial_characters(of_pieces(joined[:1], joined[1:3], joined[3:])) == ["é€"] * 3


@pytest.mark.parametrize(
    "pieces",
    [
        (b"\xf0\x9f",),
        (b"\x80", b"a"),
        (b"\xff", b"\xfe"),
        (b"\xf0",) * 40,
        (b"\xe2\x82", b"a", b"\xac"),
    ],
)
def test_broken_bytes_belong_to_nothing_known(pieces):
    """A part that is never completed is a part of "?"; whole pieces beside it stay whole."""
    tokens = of_pieces(*pieces)
    notes = partial_characters(tokens)
    assert notes == [None if token.is_text else "?" for token in tokens]


def test_a_control_token_ends_a_character():
    """Bytes before and after a control token are not read together."""
    tokens = [Token(0, b"\xc3"), Token(1, b"<eos>", special=True), Token(2, b"\xa9")]
    assert partial_characters(tokens) == ["?", None, "?"]


def test_nothing_before_the_first_token():
    """An empty context raises with a remedy; any other is fine."""
    with pytest.raises(NoPrediction, match="type some text"):
        require_context([])
    require_context([0])

"""Cached, joined, looked ahead or alone: always the numbers of the plain forward.

On small models of the real architectures with random weights: one with full attention
(Llama), one whose layers mostly see a short window (Gemma 3).
"""

import copy
import random
import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import Gemma3TextConfig, LlamaConfig, MistralConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from core.engines.local import packed, scheduler, verified
from core.engines.local.lean import LeanBody
from core.engines.local.limits import Limits
from core.engines.local.packed import PackedModel
from core.engines.local.predictor import Predictor
from core.engines.local.verified import WholeModel, open_model

SECONDS = 60
TOLERANCE = 1e-4
VOCAB, WINDOW, TOP_N = 50, 5, 4
SHAPE = {
    "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "max_position_embeddings": 512,
}  # fmt: skip
CONFIGS = {
    "llama": LlamaConfig(**SHAPE),
    "gemma": Gemma3TextConfig(
        **SHAPE,
        sliding_window=WINDOW,
        layer_types=[*["sliding_attention"] * 3, "full_attention"],
        final_logit_softcapping=3.0,
    ),
}
IDS = st.lists(st.integers(0, 4), min_size=1, max_size=14).map(tuple)
BYTES_OF_ONE = VOCAB * 4
ROOMY = Limits(n_slots=500, distribution_bytes=10**6, scored_bytes=10**6, n_lookahead=0)
TIGHT = Limits(
    n_slots=40, distribution_bytes=5 * BYTES_OF_ONE, scored_bytes=2000, n_lookahead=3
)  # fmt: skip


class Plain:
    """The oracle: log-probs of the plain forward in float32, computed once for each document."""

    def __init__(self, model):
        self.model, self.known = model, {}

    def __call__(self, ids):
        if ids not in self.known:
            with torch.inference_mode():
                logits = self.model(torch.tensor([ids]), use_cache=False).logits[0]
            self.known[ids] = logits.float().log_softmax(-1).numpy()
        return self.known[ids]


class Watched:
    """A packed model that counts its passes, and waits at a gate when it is given one.

    ``n_ended``: tokens of the longest document of each pass, in the order the passes ended.
    """

    def __init__(self, model):
        self.model, self.n_computed, self.n_ended, self.gate = model, [], [], None
        self.at_gate = threading.Event()
        self.n_at_once = self.most_at_once = 0
        self.logits, self.output, self.in_pieces = model.logits, model.output, model.in_pieces

    def with_slots(self, n_slots):
        self.model = self.model.with_slots(n_slots)
        return self

    def compute(self, paths, wanted, pause=None):
        nodes = {node for path in paths for node in path}
        self.n_at_once += 1
        self.most_at_once = max(self.most_at_once, self.n_at_once)
        self.n_computed.append(len({node for node in nodes if not node.ready} | set(wanted)))
        if self.gate is not None:
            gate, self.gate = self.gate, None
            self.at_gate.set()
            assert gate.wait(SECONDS)
        try:
            return self.model.compute(paths, wanted, pause)
        finally:
            self.n_at_once -= 1
            self.n_ended.append(max(map(len, paths)))


@pytest.fixture(scope="module", params=CONFIGS)
def model(request):
    """A small random model of each kind."""
    torch.manual_seed(7)
    return AutoModelForCausalLM.from_config(CONFIGS[request.param]).eval()


@pytest.fixture(scope="module")
def plain(model):
    return Plain(model)


@pytest.fixture(scope="module")
def lean(model):
    """Its body for passes of few tokens; the oracle keeps weights of its own."""
    return LeanBody(copy.deepcopy(model).get_decoder())


@pytest.fixture
def watched(model, lean):
    return Watched(PackedModel(model, lean))


def assert_next(plain, ids, distribution):
    assert np.abs(distribution.logprob_by_id - plain(ids)[-1]).max() < TOLERANCE


def assert_scored(plain, ids, scored):
    """Log-prob, entropy, guesses and rest of each row; the first has none."""
    rows = plain(ids)
    assert scored.ids == ids
    for i in range(1, len(ids)):
        row = rows[i - 1]
        assert scored.logprobs[i] == pytest.approx(row[ids[i]], abs=TOLERANCE)
        bits = -(np.exp(row) * row).sum() / np.log(2)
        assert scored.entropies_bits[i] == pytest.approx(bits, abs=1e-3)
        best = np.sort(row)[::-1][: len(scored.top_ids[i])]
        assert scored.top_logprobs[i] == pytest.approx(best, abs=TOLERANCE)


def test_both_models_go_the_fast_way(model):
    """The start-up check finds packed passes right for both architectures."""
    assert isinstance(open_model(model), PackedModel)


QUESTIONS = st.lists(
    st.tuples(st.sampled_from(["next", "each", "score"]), st.lists(IDS, min_size=1, max_size=5)),
    min_size=1,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(QUESTIONS, st.sampled_from([ROOMY, TIGHT]), st.booleans())
def test_any_sequence_of_questions_gets_the_plain_numbers(
    model, lean, plain, questions, limits, is_lean
):
    """Random documents over few tokens share beginnings, fork, come again and are forgotten."""
    predictor = Predictor(PackedModel(model, lean if is_lean else None), limits)
    for verb, documents in questions:
        if verb == "score":
            assert_scored(plain, documents[0], predictor.score(documents[0], TOP_N, None))
        elif verb == "next":
            assert_next(plain, documents[0], predictor.next(documents[0]))
        else:
            for ids, found in zip(documents, predictor.next_of_each(documents), strict=True):
                assert_next(plain, ids, found)
        assert predictor._tree.n_used <= limits.n_slots
        assert predictor._distributions._used_bytes <= limits.distribution_bytes
        assert predictor._scored._used_bytes <= limits.scored_bytes


class _Enough(Exception):
    """What a report raises to end a scoring."""


def visit(predictor, seed, answers, n_questions=12):
    """One person's random edits: append, fork, ask again, score, give up."""
    rng = random.Random(seed)
    ids = (rng.randrange(3),)

    def give_up(part, total):
        raise _Enough

    for _ in range(n_questions):
        ids = (*ids[: rng.randrange(1, len(ids) + 1)], rng.randrange(4))[-20:]
        verb = rng.choice(["next", "next", "each", "score", "give up"])
        if verb == "score":
            answers.append((ids, predictor.score(ids, TOP_N, None)))
        elif verb == "give up":
            try:
                predictor.score(ids, TOP_N, give_up)
            except _Enough:
                continue
        elif verb == "each":
            forks = [(*ids, token) for token in range(6)]
            answers.extend(zip(forks, predictor.next_of_each(forks), strict=True))
        else:
            answers.append((ids, predictor.next(ids)))


@pytest.mark.parametrize("limits", [ROOMY, TIGHT], ids=["roomy", "tight"])
def test_many_threads_of_random_edits_all_get_the_plain_numbers(model, lean, plain, limits):
    """Twelve people at once, with and without room to remember: nobody hangs, all is exact."""
    predictor, answers = Predictor(PackedModel(model, lean), limits), []
    people = [
        threading.Thread(target=visit, args=(predictor, seed, answers), daemon=True)
        for seed in range(12)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join(SECONDS)
        assert not person.is_alive()
    assert len(answers) > 12
    for ids, answer in answers:
        (assert_next if hasattr(answer, "logprob_by_id") else assert_scored)(plain, ids, answer)
    assert predictor._tree.n_used <= limits.n_slots
    assert predictor._distributions._used_bytes <= limits.distribution_bytes


def test_a_step_computes_one_token_and_so_does_a_fork(watched):
    """After a document, appending a token or another one instead costs that token only."""
    predictor = Predictor(watched, ROOMY)
    document = tuple(range(20))
    for ids in (document, (*document, 1), (*document, 2), (*document[:10], 9)):
        predictor.next(ids)
    assert watched.n_computed == [20, 1, 1, 1]


def test_the_same_question_again_costs_nothing(watched):
    """Another person's same document is no pass at all, nor is a text scored twice."""
    predictor = Predictor(watched, ROOMY)
    for _ in range(2):
        predictor.next((1, 2, 3))
        predictor.score((4, 5, 6), TOP_N, None)
    assert len(watched.n_computed) == 2


def together(predictor, watched, documents):
    """Ask for documents from a thread each while a first pass is held at a gate."""
    watched.gate = gate = threading.Event()
    threads = [
        threading.Thread(target=predictor.next, args=(ids,), daemon=True) for ids in documents
    ]
    threads[0].start()
    assert watched.at_gate.wait(SECONDS)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + SECONDS
    while sum(map(len, predictor._scheduler._lines.values())) < len(threads) - 1:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(2 * scheduler.GATHER_SECONDS)  # too late to begin that pass again with them
    gate.set()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_thirty_people_with_one_prompt_cost_one_prefill(watched):
    """The same document asked for by thirty at once is computed once."""
    predictor = Predictor(watched, ROOMY)
    together(predictor, watched, [tuple(range(25))] * 30)
    assert watched.n_computed == [25]


def test_thirty_people_who_click_are_served_in_one_pass(watched, plain):
    """Those who come while a pass is under way share the next one, whatever their prefixes."""
    predictor = Predictor(watched, ROOMY)
    prompts = [(n, *range(10)) for n in range(30)]
    predictor.next_of_each(prompts)
    watched.n_computed.clear()
    clicks = [(*prompt, 7) for prompt in prompts]
    together(predictor, watched, clicks)
    assert watched.n_computed == [1, 29]
    for ids in clicks:
        assert_next(plain, ids, predictor.next(ids))


def test_documents_that_share_little_stand_side_by_side(model, lean, plain, monkeypatch):
    """Texts of many lengths, a token more each: rows of their own, the plain numbers."""
    rng, rows = random.Random(3), []
    predictor = Predictor(PackedModel(model, lean), ROOMY)
    texts = [tuple(rng.choices(range(VOCAB), k=rng.randint(1, 20))) for _ in range(20)]
    texts = list(dict.fromkeys(texts))
    predictor.next_of_each(texts)
    one_by_one = PackedModel._forward_side_by_side

    def counted(self, new, *others):
        rows.append(len(new))
        return one_by_one(self, new, *others)

    monkeypatch.setattr(PackedModel, "_forward_side_by_side", counted)
    longer = [(*text, 7) for text in texts]
    for text, found in zip(longer, predictor.next_of_each(longer), strict=True):
        assert_next(plain, text, found)
    assert sum(rows) == len(texts)
    again = [(*text, 8) for text in longer]  # from what the rows have kept
    for text, found in zip(again, predictor.next_of_each(again), strict=True):
        assert_next(plain, text, found)


def test_candidates_of_one_text_share_its_columns(model, lean, monkeypatch):
    """Ten continuations of one text go in one row: what they share is not copied ten times."""
    monkeypatch.delattr(PackedModel, "_forward_side_by_side")
    predictor = Predictor(PackedModel(model, lean), ROOMY)
    text = tuple(range(30))
    predictor.next(text)
    assert len(predictor.next_of_each([(*text, token) for token in range(10)])) == 10


@pytest.mark.parametrize("n", [1, 3, WINDOW, WINDOW + 3])
def test_a_lone_step_gets_the_plain_numbers(model, lean, plain, n):
    """A single token more, within a window and past it."""
    predictor, text = Predictor(PackedModel(model, lean), ROOMY), tuple(range(n))
    for token in (4, 4, 2):
        predictor.next(text)
        text = (*text, token)
        assert_next(plain, text, predictor.next(text))


def test_a_prompt_that_continues_one_under_way_waits_for_it(watched, plain):
    """Nothing is computed twice by two people who share a beginning at the same moment."""
    predictor = Predictor(watched, ROOMY)
    document = tuple(range(20))
    together(predictor, watched, [document, (*document, 1), (*document, 2)])
    assert watched.n_computed == [20, 2]


def wait_for_quiet(predictor, n_passes, watched):
    """Return when so many passes are over."""
    deadline = time.monotonic() + SECONDS
    while len(watched.n_computed) < n_passes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while any(not job._ended.is_set() for job in list(predictor._ahead.values())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_click_on_a_shown_candidate_was_computed_while_nobody_asked(watched, plain):
    """The first candidates are prepared in one pass; choosing one of them needs none."""
    limits = Limits(n_slots=200, distribution_bytes=10**6, scored_bytes=0, n_lookahead=6)
    predictor = Predictor(watched, limits)
    shown = predictor.next((1, 2, 3))
    wait_for_quiet(predictor, 2, watched)
    assert watched.n_computed == [3, 6]
    for token in shown.top(6):
        (found,) = predictor.next_of_each([(1, 2, 3, int(token))])
        assert_next(plain, (1, 2, 3, int(token)), found)
    assert len(watched.n_computed) == 2


def test_the_clicks_of_a_step_left_behind_are_not_prepared(watched):
    """Whoever moves on before the quiet withdraws what was to be prepared for the step before."""
    limits = Limits(n_slots=200, distribution_bytes=10**6, scored_bytes=0, n_lookahead=3)
    predictor = Predictor(watched, limits)
    for ids in ((1,), (1, 2), (1, 2, 3)):
        predictor.next(ids)
    wait_for_quiet(predictor, 4, watched)
    assert watched.n_computed == [1, 1, 1, 3]


@pytest.mark.parametrize("n", [1, 2, 31, 70])
def test_a_changed_end_costs_the_tokens_from_the_change_on(watched, plain, n):
    """Scoring an edited text again reads nothing of what stands before the edit."""
    predictor = Predictor(watched, ROOMY)
    rng = random.Random(n)
    text = tuple(rng.randrange(VOCAB) for _ in range(100))
    edited = (*text[:-n], *((token + 1) % VOCAB for token in text[-n:]))
    predictor.score(text, TOP_N, None)
    watched.n_computed.clear()
    assert_scored(plain, edited, predictor.score(edited, TOP_N, None))
    assert watched.n_computed == [n]


def test_parts_told_while_scoring_are_rows_of_the_result(watched, plain, monkeypatch):
    """Each report has more rows than the one before, all of them final."""
    monkeypatch.setattr("core.engines.local.predictor.LOGITS_BYTES", 8 * 4 * VOCAB)
    parts, ids = [], tuple(range(40))
    scored = Predictor(watched, ROOMY).score(ids, TOP_N, lambda part, _: parts.append(part))
    assert [len(part) for part in parts] == [1, 9, 17, 25, 33, 40]
    for part in parts:
        for mine, whole in zip(part.columns, scored.columns, strict=True):
            assert np.array_equal(mine, whole[: len(part)], equal_nan=True)


def test_long_documents_go_in_pieces(watched, plain, monkeypatch):
    """A prompt and a text longer than one pass takes get the same numbers, piece by piece."""
    for name, n in [("PASS_TOKENS", 20), ("LATER_TOKENS", 16), ("FIRST_TOKENS", 8)]:
        monkeypatch.setattr(f"core.engines.local.predictor.{name}", n)
    predictor = Predictor(watched, ROOMY)
    ids = tuple(n % VOCAB for n in range(60))
    assert_next(plain, ids, predictor.next(ids))
    assert watched.n_computed == [16, 16, 16, 12]
    assert_scored(plain, ids[::-1], predictor.score(ids[::-1], TOP_N, None))
    assert max(watched.n_computed) <= 20


def test_a_model_packed_passes_get_wrong_is_computed_whole(model, plain, monkeypatch, caplog):
    """Where the check at the start disagrees the plain forward is used and the terminal says so."""
    monkeypatch.setattr(verified._Trial, "agrees", lambda *_: False)
    opened = open_model(model)
    assert isinstance(opened, WholeModel)
    assert "without a prefix cache" in caplog.text
    predictor = Predictor(opened, ROOMY)
    forks = [(1, 2, 3), (1, 2, 4), (1, 2)]
    for ids, found in zip(forks, predictor.next_of_each(forks), strict=True):
        assert_next(plain, ids, found)
    assert_scored(plain, (1, 2, 3, 4), predictor.score((1, 2, 3, 4), TOP_N, None))


def test_the_check_at_the_start_notices_a_wrong_cache(model, monkeypatch):
    """A pass whose tokens see one token too few is refused."""
    ancestry = packed._ancestry

    def blind_to_the_first(new, columns, paths):
        seen = ancestry(new, columns, paths)
        seen[1:, 0] = False
        return seen

    monkeypatch.setattr(packed, "_ancestry", blind_to_the_first)
    assert isinstance(open_model(model), WholeModel)


def test_a_click_ends_before_the_prompt_that_waits_with_it(watched):
    """Inside a text that is scored: first the click, then the longer prompt, never one in another.

    The layers are the same for a pass and the pass inside it; only the inner one's pause counts.
    """
    predictor = Predictor(watched, ROOMY)
    watched.gate = gate = threading.Event()
    text, prompt, click = tuple(range(40)), tuple(range(45, 1, -1)), (7, 7)
    scoring = threading.Thread(target=predictor.score, args=(text, TOP_N, None), daemon=True)
    scoring.start()
    assert watched.at_gate.wait(SECONDS)

    asking = [
        threading.Thread(target=predictor.next_of_each, args=([ids],), daemon=True)
        for ids in (prompt, click)
    ]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + SECONDS
    while sum(map(len, predictor._scheduler._lines.values())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    gate.set()
    for thread in [*asking, scoring]:
        thread.join(SECONDS)
        assert not thread.is_alive()
    assert watched.n_ended == [len(click), len(prompt), len(text) - 1]
    assert watched.most_at_once == 2


def test_windows_without_layer_types_are_windows(monkeypatch):
    """A model that has one window for all layers and names no layer types (Mistral) is exact."""
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(MistralConfig(**SHAPE, sliding_window=WINDOW)).eval()
    opened = open_model(model)
    ids = tuple(n % VOCAB for n in range(30))
    assert_next(Plain(model), ids, Predictor(opened, ROOMY).next(ids))
    assert isinstance(opened, PackedModel)


def test_a_long_document_of_a_whole_model_is_one_pass(model, plain, monkeypatch):
    """The plain forward can't go in pieces, and needn't."""
    monkeypatch.setattr("core.engines.local.predictor.PASS_TOKENS", 10)
    ids = tuple(n % VOCAB for n in range(30))
    assert_next(plain, ids, Predictor(WholeModel(model), ROOMY).next(ids))


def test_a_text_whose_beginning_was_forgotten_is_scored_in_pieces(watched, plain, monkeypatch):
    """No pass takes more than its limit, though only the end of the text is new."""
    for name, n in [("PASS_TOKENS", 20), ("LATER_TOKENS", 16), ("FIRST_TOKENS", 8)]:
        monkeypatch.setattr(f"core.engines.local.predictor.{name}", n)
    few = replace(ROOMY, n_slots=70)
    predictor, ids = Predictor(watched, few), tuple(n % VOCAB for n in range(60))
    predictor.score(ids, TOP_N, None)
    predictor.next(ids[::-1])  # takes the slots
    watched.n_computed.clear()
    edited = (*ids[:-1], 3)
    assert_scored(plain, edited, predictor.score(edited, TOP_N, None))
    assert max(watched.n_computed) <= 20


def test_what_was_looked_ahead_is_kept_only_where_memory_is_counted(watched):
    """A finished lookahead holds no distribution of its own."""
    limits = Limits(n_slots=200, distribution_bytes=10**6, scored_bytes=0, n_lookahead=6)
    predictor = Predictor(watched, limits)
    predictor.next((1, 2, 3))
    wait_for_quiet(predictor, 2, watched)
    assert all(not job.found for job in predictor._ahead.values())


def test_nothing_is_looked_ahead_past_the_context(watched):
    """A document that can't grow has no next clicks."""
    limits = Limits(n_slots=200, distribution_bytes=10**6, scored_bytes=0, n_lookahead=6)
    predictor = Predictor(watched, limits)
    predictor.next((1, 2, 3), may_grow=False)
    assert not predictor._ahead


def test_nobody_is_overtaken_for_ever_when_passes_are_full(model, lean, monkeypatch):
    """Six people in a loop, two documents a pass: all are served about equally often."""
    monkeypatch.setattr("core.engines.local.predictor.PASS_DOCUMENTS", 2)
    predictor, served = (
        Predictor(PackedModel(model, lean), replace(ROOMY, distribution_bytes=0)),
        Counter(),
    )
    until = time.monotonic() + 2

    def loop(name):
        n = 0
        while time.monotonic() < until:
            n += 1
            predictor.next_of_each([(name, n % 50, n // 50)])
            served[name] += 1

    people = [threading.Thread(target=loop, args=(name,), daemon=True) for name in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join(SECONDS)
        assert not person.is_alive()
    assert min(served.values()) > 0.5 * max(served.values())

"""The five public answers on the toy engine: their exact shape, their sums, and bad input."""

import json
import math

import numpy as np
import pytest

from core import api, limits
from core.engines.toy import TURN_END, ToyEngine
from core.errors import ContextTooLong, InputError, LabError

TEXT = "The café sat <b>"
CHAT = '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi 👍"}]'


def sent(answer):
    """The answer after the network: strict JSON, NaN and infinities refused."""
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    return answer


def keys(rows):
    """The keys of every row, which must all be the same."""
    (found,) = {tuple(row) for row in rows}
    return found


def test_tokenize(toy):
    """Ids, text, bytes in hex and special of each token; counts of the text."""
    answer = sent(api.tokenize(toy, TEXT))
    assert list(answer) == ["model", "tokens", "n_tokens", "n_characters", "n_bytes"]
    assert set(keys(answer["tokens"])) == {"id", "text", "bytes", "special"}
    assert answer["model"] == "toy"
    assert bytes.fromhex("".join(t["bytes"] for t in answer["tokens"])) == TEXT.encode()
    assert (answer["n_tokens"], answer["n_characters"], answer["n_bytes"]) == (17, 16, 17)
    assert answer["tokens"][7] == {"id": 0xC3, "text": "<0xC3>", "bytes": "c3", "special": False}


def test_tokenize_reads_control_tokens_when_told(toy):
    """Plain text by default."""
    assert not any(t["special"] for t in api.tokenize(toy, "a</turn>")["tokens"])
    parsed = api.tokenize(toy, "a</turn>", control_tokens=True)["tokens"]
    assert parsed[1] == {
        "id": TURN_END, "text": "</turn>", "bytes": b"</turn>".hex(), "special": True,
    }  # fmt: skip


def test_next_token(toy):
    """Candidates in order with exact numbers; with the rest they hold all probability."""
    answer = sent(api.next_token(toy, TEXT, top_n=7))
    assert list(answer) == ["model", "context_ids", "candidates", "rest", "entropy_bits"]
    assert keys(answer["candidates"]) == ("id", "text", "prob", "logprob", "surprisal_bits", "rank")
    assert answer["context_ids"] == [*toy.info.prefix_ids, *TEXT.encode()]
    assert [c["rank"] for c in answer["candidates"]] == list(range(1, 8))
    probs = [c["prob"] for c in answer["candidates"]]
    assert probs == sorted(probs, reverse=True)
    assert answer["rest"]["n_tokens"] == toy.info.vocab_size - 7
    assert math.fsum(probs) + answer["rest"]["prob"] == pytest.approx(1, abs=1e-6)
    for c in answer["candidates"]:
        assert c["prob"] == pytest.approx(math.exp(c["logprob"]), rel=1e-12)
        assert c["surprisal_bits"] == pytest.approx(-math.log2(c["prob"]), rel=1e-12)
    distribution = toy.next(answer["context_ids"])
    assert answer["entropy_bits"] == distribution.entropy_bits


def test_next_token_gives_20_by_default(toy):
    """top_n is 20."""
    assert len(api.next_token(toy, "a")["candidates"]) == 20


def test_sample(toy):
    """Every step with r and both probabilities; the text is that of the steps."""
    answer = sent(api.sample(toy, "The ", temperature=0.8, top_k=20, top_p=0.95, seed=5))
    assert list(answer) == ["model", "text", "steps", "stopped"]
    assert keys(answer["steps"]) == ("id", "text", "r", "logprob", "sampler_prob", "rank")
    assert toy.decode([s["id"] for s in answer["steps"]]) == answer["text"]
    assert len(answer["steps"]) == 20
    assert answer["stopped"] == "length"
    assert all(0 <= s["r"] < 1 and 0 < s["sampler_prob"] <= 1 for s in answer["steps"])
    rng = np.random.default_rng(5)
    assert [s["r"] for s in answer["steps"]] == [rng.random() for _ in range(20)]


def test_sample_twice_with_one_seed(toy):
    """The same seed gives the same answer, another one another."""
    assert api.sample(toy, "The ", seed=1) == api.sample(toy, "The ", seed=1)
    assert api.sample(toy, "The ", seed=1) != api.sample(toy, "The ", seed=2)


def test_sample_greedy(toy):
    """Temperature 0: no r, rank 1, the sampler is sure."""
    steps = sent(api.sample(toy, "The ", temperature=0, max_new_tokens=3))["steps"]
    assert [(s["r"], s["rank"], s["sampler_prob"]) for s in steps] == [(None, 1, 1)] * 3


def test_sample_says_when_the_model_ended(toy):
    """A stop token is the last step and makes it "end"."""
    answers = [api.sample(toy, "one after that.\n", seed=seed) for seed in range(10)]
    for answer in answers:
        ended = TURN_END in [s["id"] for s in answer["steps"]]
        assert answer["stopped"] == ("end" if ended else "length")
        assert not ended or answer["steps"][-1]["id"] == TURN_END
    assert {answer["stopped"] for answer in answers} == {"end", "length"}


def test_surprisal(toy):
    """One row for every id, BOS with nulls; the sums are those of the rows."""
    answer = sent(api.surprisal(toy, TEXT, top_n=3))
    assert list(answer) == [
        "model", "tokens", "total_bits", "bits_per_token", "bits_per_byte", "perplexity",
        "n_scored",
    ]  # fmt: skip
    assert keys(answer["tokens"]) == (
        "id", "text", "special", "logprob", "surprisal_bits", "rank", "entropy_bits", "top",
    )  # fmt: skip
    bos, *rows = answer["tokens"]
    unknown = dict.fromkeys(("logprob", "surprisal_bits", "rank", "entropy_bits", "top"))
    assert bos == {"id": 256, "text": "<bos>", "special": True} | unknown
    assert [row["id"] for row in rows] == list(TEXT.encode())
    bits = math.fsum(row["surprisal_bits"] for row in rows)
    assert answer["n_scored"] == len(rows) == 17
    assert answer["total_bits"] == pytest.approx(bits)
    assert answer["bits_per_token"] == answer["bits_per_byte"] == pytest.approx(bits / 17)
    assert answer["perplexity"] == pytest.approx(2 ** (bits / 17))
    for i, row in enumerate(rows, start=1):
        distribution = toy.next([256, *TEXT.encode()][:i])
        assert row["rank"] == distribution.rank_of(row["id"])
        assert row["entropy_bits"] == pytest.approx(distribution.entropy_bits, abs=1e-5)
        assert keys(row["top"]) == ("id", "text", "prob", "logprob")
        assert [t["id"] for t in row["top"]] == distribution.top(3).tolist()


def test_surprisal_of_a_text_without_prediction():
    """An engine without BOS says nothing of one token: null total and averages, not zero bits."""
    toy = ToyEngine()
    toy.info = toy.info.__class__(**{**toy.info.__dict__, "prefix_ids": ()})
    answer = sent(api.surprisal(toy, "a"))
    assert answer["n_scored"] == 0
    assert answer["total_bits"] is None
    assert answer["bits_per_token"] is answer["bits_per_byte"] is answer["perplexity"] is None
    assert answer["tokens"][0]["logprob"] is None


def test_chat_document(toy):
    """The document's text, and id, text, special and role of each token; null before the turns."""
    answer = sent(api.chat_document(toy, CHAT))
    assert list(answer) == ["model", "text", "tokens"]
    assert keys(answer["tokens"]) == ("id", "text", "special", "role")
    assert answer["text"] == toy.decode([t["id"] for t in answer["tokens"]])
    assert answer["text"].endswith("<turn>assistant\n")
    words = list(dict.fromkeys(t["role"] for t in answer["tokens"]))
    assert words == [None, "system", "user", "assistant"]


def test_chat_document_without_the_models_turn(toy):
    """add_generation_prompt=False ends after the last message."""
    answer = api.chat_document(toy, CHAT, add_generation_prompt=False)
    assert answer["text"].endswith("</turn>\n")


# --- bad input

BAD_TEXTS = {
    "empty": "",
    "megabyte": "a" * 2**20,
    "nul": "a\0b",
    "surrogate": "a\ud83d",
    "no text": None,
    "a number": 5,
    "a list": ["a"],
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
@pytest.mark.parametrize("endpoint", ["tokenize", "next_token", "sample", "surprisal"])
def test_texts_that_can_not_be_used(toy, endpoint, text):
    """Each a sentence, from every endpoint."""
    with pytest.raises(InputError, match=r"\.$"):
        getattr(api, endpoint)(toy, text)


def test_only_spaces_is_a_text(toy):
    """Models predict after spaces too."""
    assert api.tokenize(toy, "   ")["n_tokens"] == 3
    assert api.next_token(toy, " ")["candidates"]


def test_longer_than_the_context():
    """The sentence says how long it is and what is taken."""
    small = ToyEngine(context_length=10)
    for endpoint in (api.next_token, api.sample, api.surprisal):
        with pytest.raises(ContextTooLong, match=r"11 tokens; .* at most 10"):
            endpoint(small, "a" * 10)


def test_sample_ends_where_the_context_is_full():
    """The longest text that still has room is continued as far as it goes, no further."""
    small = ToyEngine(context_length=10)
    answer = sent(api.sample(small, "a" * 7, max_new_tokens=20))
    assert (len(answer["steps"]), answer["stopped"]) == (2, "length")
    with pytest.raises(ContextTooLong, match=r"11 tokens; .* at most 10"):
        api.sample(small, "a" * 9)


@pytest.mark.parametrize("value", [0, 1, "true", "", None, [], 1.0])
def test_switches_that_are_neither_true_nor_false(toy, value):
    """A sentence that names the switch, whatever a language would count as true."""
    with pytest.raises(InputError, match=r"^control_tokens .*must be true or false"):
        api.tokenize(toy, "a", control_tokens=value)
    with pytest.raises(InputError, match=r"^add_generation_prompt .*must be true or false"):
        api.chat_document(toy, CHAT, add_generation_prompt=value)


BAD_SETTINGS = (
    {"temperature": -1}, {"temperature": math.nan}, {"temperature": 1e9}, {"temperature": None},
    {"temperature": "hot"}, {"temperature": math.inf}, {"temperature": True},
    {"temperature": 10**400}, {"top_k": 10**6}, {"top_k": -1}, {"top_k": 1.5},
    {"top_k": math.nan}, {"top_k": 10**400}, {"top_p": 0}, {"top_p": 1.01}, {"top_p": -0.5},
    {"top_p": math.nan}, {"min_p": -0.1}, {"min_p": 2}, {"min_p": math.nan}, {"seed": -1},
    {"seed": 2**32}, {"seed": 1.5}, {"seed": None}, {"seed": math.nan}, {"max_new_tokens": 0},
    {"max_new_tokens": limits.MAX_NEW_TOKENS + 1}, {"max_new_tokens": math.inf},
    {"max_new_tokens": "x" * 10**6},
)  # fmt: skip


@pytest.mark.parametrize("settings", BAD_SETTINGS, ids=lambda settings: f"{settings!r:.24}")
def test_settings_that_can_not_be_used(toy, settings):
    """A short sentence that says what must be; the engine is never asked."""
    with pytest.raises(InputError, match=r"must be|has only") as caught:
        api.sample(toy, "a", **settings)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("top_n", [0, -1, 101, 1.5, math.nan, None, True])
@pytest.mark.parametrize("endpoint", [api.next_token, api.surprisal])
def test_a_top_n_that_can_not_be_used(toy, endpoint, top_n):
    """From 1 to 100."""
    with pytest.raises(InputError, match="must be"):
        endpoint(toy, "a", top_n=top_n)


def nested(opening, inner, closing, depth):
    return opening * depth + inner + closing * depth


MESSAGE = '[{"role": "user", "content": %s}]'
BAD_MESSAGES = {
    "empty": "",
    "spaces": "  ",
    "no json": "hello",
    "cut off": '[{"role": "user"',
    "no list": '{"role": "user", "content": "x"}',
    "no messages": "[]",
    "no objects": "[1, 2]",
    "no role": '[{"content": "x"}]',
    "role no text": '[{"role": 5, "content": "x"}]',
    "no content": '[{"role": "user"}]',
    "content null": MESSAGE % "null",
    "content a number": MESSAGE % "5",
    "content a list": MESSAGE % "[]",
    "not a number": MESSAGE % "NaN",
    "nul escaped": MESSAGE % r'"a\u0000b"',
    "surrogate escaped": MESSAGE % r'"a\ud83d"',
    "surrogate in a key": r'[{"role": "user", "content": "x", "\ud83d": 1}]',
    "nul in a role": r'[{"role": "us\u0000er", "content": "x"}]',
    "megabyte": MESSAGE % ('"' + "a" * 2**20 + '"'),
    "nested beside the content": '[{"role": "user", "content": "x", "y": %s}]'
    % ("[" * 50 + "]" * 50),
    "not a text": None,
    "huge number": MESSAGE % ("9" * 10_000),
    **{
        f"{kind} nested {depth} deep": MESSAGE % nested(*how, depth)
        for depth in (40, 300, 700, 950, 2_000, 9_000)
        for kind, how in (("lists", ("[", "1", "]")), ("objects", ('{"":', "1", "}")))
        if depth * len(how[0] + how[2]) < limits.MAX_CHARACTERS
    },
}


@pytest.mark.parametrize("messages", BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
def test_messages_that_can_not_be_used(toy, messages):
    """Malformed, misshapen, hidden in escapes or nested: a sentence, never a crash."""
    with pytest.raises(LabError, match=r"\.$"):
        api.chat_document(toy, messages)


BAD_TOOLS = {
    "no json": "x",
    "no list": "{}",
    "no objects": "[1]",
    "nul in a key": r'[{"a\u0000": 1}]',
    "nested": nested("[", "1", "]", 500),
    "not a text": 3,
    "nothing": None,
}


@pytest.mark.parametrize("tools", BAD_TOOLS.values(), ids=BAD_TOOLS.keys())
def test_tools_that_can_not_be_used(toy, tools):
    """Checked like the messages."""
    with pytest.raises(LabError, match=r"\.$"):
        api.chat_document(toy, CHAT, tools=tools)


def test_no_tools_is_no_mistake(toy):
    """Blank text means none."""
    assert api.chat_document(toy, CHAT, tools=" \n") == api.chat_document(toy, CHAT)

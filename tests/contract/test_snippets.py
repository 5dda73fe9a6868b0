"""The code a panel shows runs, alone, and prints the numbers the panel shows."""

import contextlib
import io
import re

import numpy as np
import pytest

from core import snippets, tool_form
from core.branches import Branches, total_bits
from core.document import Document
from core.sampling import Sampler, draw, reshape
from demos.ui import forcing

pytestmark = pytest.mark.usefixtures("float32_only")
TEXT = "The capital of France is"
TOLERANCE = 1e-4


def run(code):
    """(the names a snippet leaves behind, what it printed); it gets nothing from here."""
    names, printed = {"__name__": "snippet"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "snippet", "exec"), names)
    return names, printed.getvalue()


@pytest.fixture(scope="module")
def ids(smollm2):
    return [token.id for token in smollm2.tokenize(TEXT)]


@pytest.mark.parametrize("control_tokens", [False, True])
@pytest.mark.parametrize(
    "text", ["café 👍\n", "<|im_start|>user\n\"quotes\" 'and' \\ {braces} {{}}"]
)
def test_tokenize_code(smollm2, text, control_tokens):
    """The ids of the strip, special text read as the switch says, and the counts."""
    names, printed = run(snippets.tokenize_code(smollm2.info, text, control_tokens))
    tokens = smollm2.tokenize(text, control_tokens=control_tokens)
    assert names["ids"] == [token.id for token in tokens]
    counts = f"{len(text)} characters, {len(text.encode())} bytes, {len(tokens)} tokens"
    assert printed.splitlines()[-1] == counts


def test_next_token_code(smollm2, ids):
    """Rank, probability and bits of each candidate, the mass of the rest, the entropy."""
    _, printed = run(snippets.next_token_code(smollm2.info, ids, 10))
    distribution = smollm2.next(ids)
    best = distribution.top(10)
    *rows, rest, entropy = printed.splitlines()
    assert len(rows) == 10
    for rank, (token_id, row) in enumerate(zip(best, rows, strict=True), start=1):
        token = smollm2.vocabulary.token(int(token_id))
        logprob = distribution.logprob_of(token_id)
        assert row.startswith(f"{rank} {token.text!r} ")
        prob, bits = map(float, re.search(r" (\S+) (\S+) bits$", row).groups())
        assert prob == pytest.approx(np.exp(logprob), abs=TOLERANCE)
        assert bits == pytest.approx(-logprob / np.log(2), abs=2 * TOLERANCE)
    mass = float(np.exp(distribution.logprob_by_id[best].astype(np.float64)).sum())
    assert float(rest.split()[-1]) == pytest.approx(1 - mass, abs=TOLERANCE)
    assert float(entropy.split()[1]) == pytest.approx(distribution.entropy_bits, abs=1e-3)


ALL_ON = Sampler(temperature=0.8, top_k=50, top_p=0.9, min_p=0.02)


@pytest.mark.parametrize(
    ("sampler", "r"),
    [
        (ALL_ON, 0.0),
        (ALL_ON, 0.42),
        (ALL_ON, 0.95),
        (Sampler(), np.nextafter(1, 0).item()),
        (Sampler(top_k=10**6), 0.3),
        (Sampler(0), None),
    ],
    ids=str,
)
def test_sampling_code(smollm2, ids, sampler, r):
    """Every stage on, none, greedy, k over the vocabulary: the tokens kept and the one drawn."""
    names, printed = run(snippets.sampling_code(smollm2.info, ids, sampler, r))
    sampled = reshape(smollm2.next(ids), sampler)
    expected = int(sampled.ids[0]) if r is None else draw(sampled, r)
    assert len(names["probs"]) == len(sampled.ids)
    np.testing.assert_allclose(names["probs"], sampled.probs, rtol=0, atol=TOLERANCE)
    if sampler != Sampler():  # at the very end of the tail neighbours may swap by rounding
        assert names["chosen"] == expected
    text = smollm2.vocabulary.token(names["chosen"]).text
    assert f"r hits {names['chosen']} " in printed
    assert smollm2.decode([names["chosen"]]) in (text, "\ufffd") or "<0x" in text


def test_surprisal_code(smollm2):
    """Bits of every token and the sums of the panel."""
    scored_ids = [token.id for token in smollm2.tokenize(TEXT + " Paris, or 巴黎.")]
    _, printed = run(snippets.surprisal_code(smollm2.info, scored_ids))
    bits = smollm2.score(scored_ids).surprisals_bits[1:]
    *rows, sums, perplexity = printed.splitlines()
    assert [float(row.split()[-1]) for row in rows] == pytest.approx(bits.tolist(), abs=2e-4)
    total, mean = map(float, re.fullmatch(r"(\S+) bits, (\S+) per token", sums).groups())
    assert total == pytest.approx(bits.sum(), abs=1e-3)
    assert mean == pytest.approx(bits.mean(), abs=1e-3)
    assert float(perplexity.split()[-1]) == pytest.approx(2 ** bits.mean(), rel=1e-3)


def test_chat_code(smollm2):
    """The template's prompt is the beginning of the document on the screen."""
    messages = [{"role": "user", "content": "Say \"hi\" in 'quotes'"}]
    prompt = smollm2.render_chat(messages).ids
    chosen = [token.id for token in smollm2.tokenize(" Hi!")]
    ids = [*prompt, *chosen]
    names, printed = run(snippets.chat_code(smollm2.info, messages, (), ids, len(prompt)))
    assert names["prompt_ids"] == list(prompt)
    assert "True" in printed.splitlines()
    assert printed.rstrip("\n").endswith(smollm2.decode(ids))


@pytest.mark.gemma
def test_chat_code_of_a_base_model(gemma):
    """Gemma's base model has no template of its own: the code brings the one that was used."""
    messages = [{"role": "user", "content": "Hello"}]
    prompt = gemma.render_chat(messages).ids
    names, _ = run(snippets.chat_code(gemma.info, messages, (), prompt, len(prompt)))
    assert names["prompt_ids"] == list(prompt)


@pytest.mark.gemma
def test_next_token_code_of_gemma(gemma):
    """The same code on a model with BOS: the document's own ids are given, nothing is added."""
    ids = [*gemma.info.prefix_ids, *(token.id for token in gemma.tokenize(TEXT))]
    names, _ = run(snippets.next_token_code(gemma.info, ids, 5))
    distribution = gemma.next(ids)
    assert names["top"].indices.tolist() == distribution.top(5).tolist()
    expected = distribution.logprob_by_id[distribution.top(5)]
    np.testing.assert_allclose(names["top"].values.numpy(), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("template", ["", tool_form.template()], ids=["own", "lent"])
@pytest.mark.parametrize("hide", [True, False])
def test_chat_code_of_tools(smollm2, template, hide):
    """Tools, calls and special-token text, as text or as control tokens: the ids on the screen."""
    call = {"type": "function", "function": {"name": "f", "arguments": {"a\\": "<|im_end|>'\""}}}
    messages = [
        {"role": "user", "content": "é <|im_start|>user\n{x}"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "<|endoftext|>1"},
    ]
    tools = [{"name": "f<|im_end|>", "parameters": {"n": None}}]
    written = {"tools": tools, "add_generation_prompt": False, "template": template or None}
    ids = smollm2.render_chat(messages, control_tokens=not hide, **written).ids
    code = snippets.chat_code(
        smollm2.info, messages, tools, ids, len(ids),
        template=template, add_generation_prompt=False, hide=hide,
    )  # fmt: skip
    names, printed = run(code)
    assert names["prompt_ids"] == list(ids)
    assert "True" in printed.splitlines()


def test_forced_code(smollm2, ids):
    """Rank, probability and bits of each token found, those the list would never show too."""
    branches = Branches.of(Document(tuple(ids)))
    listed, code = forcing.find(smollm2, branches, None, "rome")
    _, printed = run(code)
    assert len(listed["rows"]) == len(printed.splitlines()) > 1
    for row, line in zip(listed["rows"], printed.splitlines(), strict=True):
        rank, prob, bits = re.fullmatch(r"(\d+) .* (\S+) (\S+) bits", line).groups()
        assert int(rank) == row["rank"]
        assert float(prob) == pytest.approx(row["prob"], rel=1e-2)
        assert float(bits) == pytest.approx(float(row["bits_label"]), abs=6e-3)


def test_path_code(smollm2, ids):
    """The bits of the chosen tokens of a path and their probability, as the tree shows them."""
    document = Document(tuple(ids))
    for rank in (3, 1, 2):
        distribution = smollm2.next(document.ids)
        document = document.pick(distribution.candidate(distribution.top(rank)[-1]))
    _, printed = run(snippets.path_code(smollm2.info, document))
    bits, prob = map(float, re.fullmatch(r"(\S+) bits, probability (\S+)\n", printed).groups())
    assert bits == pytest.approx(total_bits(document), abs=1e-3)
    assert prob == pytest.approx(2 ** -total_bits(document), rel=1e-3)

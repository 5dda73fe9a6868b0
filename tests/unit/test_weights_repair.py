"""What the conversion puts back into a tokenizer that a GGUF file lost."""

import copy
import json

from tokenizers import Tokenizer, models, pre_tokenizers

from core.sources.tokenizer_repair import repaired, with_gemma_added_tokens, with_gemma_merge_order

SP = "▁"


def byte_level_tokenizer():
    """A tokenizer.json without merges, as transformers reads it from SmolLM2's GGUF file."""
    vocab = {piece: i for i, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocab["ĠĠ"], vocab["12"] = len(vocab), len(vocab) + 1
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("Ġ", "Ġ"), ("1", "2")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def as_json(tokenizer):
    return json.loads(tokenizer.to_str())


def pieces(tokenizer_json, text):
    return Tokenizer.from_str(json.dumps(tokenizer_json)).encode(text).tokens


def test_a_smollm_number_is_one_token_per_digit():
    """With the repair no token holds two digits, and a space before a digit stands alone."""
    lossy = as_json(byte_level_tokenizer())
    real = repaired(lossy, "llama", "smollm")
    assert pieces(lossy, "a  2 12") == ["a", "Ġ", "Ġ", "2", "Ġ", "12"]
    assert pieces(real, "a  2 12") == ["a", "ĠĠ", "2", "Ġ", "1", "2"]


def test_a_tokenizer_without_a_known_loss_stays_as_it_is():
    """Nothing is changed for a model that no repair is known for."""
    lossy = as_json(byte_level_tokenizer())
    assert repaired(lossy, "llama", "default") == lossy


GEMMA_VOCAB = {
    "<pad>": 0,
    "<bos>": 2,
    "\n": 3,
    "\n\n": 108,
    "\n\n\n": 109,
    f"{SP}{SP}": 138,
    f"{SP}{SP}{SP}": 139,
    f"{SP}t": 494,
    "in": 495,
    "the": 506,
    "\t\t": 255969,
    SP: 600,
    "t": 601,
}


def gemma_tokenizer():
    merges = [
        ["\n", "\n"],
        ["\n", "\n\n"],
        ["\n\n", "\n"],
        [SP, SP],
        [SP, f"{SP}{SP}"],
        [f"{SP}{SP}", SP],
        [SP, "t"],
        ["i", "n"],
        ["t", "he"],
        ["th", "e"],
        ["\t", "\t"],
    ]
    added = [
        {"id": 0, "content": "<pad>", "special": True},
        {"id": 2, "content": "<bos>", "special": False},
        {"id": 108, "content": "\n\n", "special": False},
        {"id": 700, "content": "<unused0>", "special": True},
    ]
    return {"model": {"vocab": dict(GEMMA_VOCAB), "merges": merges}, "added_tokens": added}


def test_gemma_merges_come_best_first():
    """Runs and the first learnt token share the best score; the longer left part goes first."""
    repaired_json = with_gemma_merge_order(gemma_tokenizer())
    assert repaired_json["model"]["merges"] == [
        ["\n\n", "\n"],
        [f"{SP}{SP}", SP],
        ["\n", "\n\n"],
        [SP, f"{SP}{SP}"],
        ["\n", "\n"],
        [SP, SP],
        [SP, "t"],
        ["\t", "\t"],
        ["i", "n"],
        ["th", "e"],
        ["t", "he"],
    ]


def test_gemma_runs_of_spaces_become_added_tokens():
    """Every run of two or more spaces is an added token, in the order of the ids."""
    added = with_gemma_added_tokens(gemma_tokenizer())["added_tokens"]
    assert [(t["id"], t["content"]) for t in added] == [
        (0, "<pad>"),
        (2, "<bos>"),
        (108, "\n\n"),
        (138, SP * 2),
        (139, SP * 3),
        (700, "<unused0>"),
    ]


def test_only_gemma_control_tokens_are_special():
    """Tokens kept for later use are text to the real tokenizer, control tokens are not."""
    added = with_gemma_added_tokens(gemma_tokenizer())["added_tokens"]
    assert {t["content"] for t in added if t["special"]} == {"<pad>", "<bos>"}


def test_a_repair_leaves_its_argument_alone():
    """The functions are pure."""
    given = gemma_tokenizer()
    before = copy.deepcopy(given)
    repaired(given, "gemma3_text", "default")
    assert given == before
    assert repaired(given, "gemma3_text", "default") == repaired(
        repaired(given, "gemma3_text", "default"), "gemma3_text", "default"
    )

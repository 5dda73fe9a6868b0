"""What a GGUF file loses of a tokenizer, put back.

Pure functions on the content of a ``tokenizer.json``; none changes its argument.
Without them the converted tokenizers give other ids than the real ones on some
texts: numbers in SmolLM2, runs of spaces and rare words in Gemma 3. Knows
nothing of files or models.
"""

from typing import Any

Json = dict[str, Any]

SPACE = "▁"  # how Gemma's vocabulary spells a space
GEMMA_SPECIALS = frozenset(
    (
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<start_of_image>",
        "<end_of_image>",
    )
)


def repaired(tokenizer: Json, model_type: str, pre_tokenizer: str) -> Json:
    """The real ``tokenizer.json`` for one that was read from a GGUF file.

    ``model_type`` is that of ``config.json``; ``pre_tokenizer`` is the file's
    ``tokenizer.ggml.pre``. A tokenizer without a known loss comes back as it is.
    """
    if pre_tokenizer == "smollm":
        return with_digits_apart(tokenizer)
    if model_type == "gemma3_text":
        return with_gemma_added_tokens(with_gemma_merge_order(tokenizer))
    return tokenizer


def with_digits_apart(tokenizer: Json) -> Json:
    """SmolLM2 splits a number into its digits before anything else."""
    digits = {"type": "Digits", "individual_digits": True}
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    return {
        **tokenizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, byte_level]},
    }


def with_gemma_merge_order(tokenizer: Json) -> Json:
    """The merges in the order of the real tokenizer: the best one first.

    That order is by the score of the merged token, which the GGUF file no longer
    has: 0 for a run of newlines, tabs or spaces and for the first token that was
    learnt, then falling with each id. Equal scores go by the longer left part,
    the longer right part, the lower id.
    """
    ids: dict[str, int] = tokenizer["model"]["vocab"]
    merges = [(left, right) for left, right in tokenizer["model"]["merges"]]
    learnt = [ids[a + b] for a, b in merges if not _is_run(a + b)]
    first_learnt = min(learnt, default=0)

    def place(merge: tuple[str, str]) -> tuple[int, int, int, int]:
        left, right = merge
        token_id = ids[left + right]
        falling = 0 if _is_run(left + right) else token_id - first_learnt
        return falling, -len(left), -len(right), token_id

    ordered = [list(merge) for merge in sorted(merges, key=place)]
    return {**tokenizer, "model": {**tokenizer["model"], "merges": ordered}}


def with_gemma_added_tokens(tokenizer: Json) -> Json:
    """Runs of spaces as tokens of their own, and only the true control tokens special."""
    added = {
        token["id"]: {**token, "special": token["content"] in GEMMA_SPECIALS}
        for token in tokenizer["added_tokens"]
    }
    for piece, token_id in tokenizer["model"]["vocab"].items():
        if _is_run(piece) and piece[0] == SPACE:
            added[token_id] = _added_token(token_id, piece)
    return {**tokenizer, "added_tokens": [added[token_id] for token_id in sorted(added)]}


def _is_run(piece: str) -> bool:
    """Whether the piece is one kind of white space, twice or more."""
    return len(piece) > 1 and piece[0] in ("\n", "\t", SPACE) and piece == piece[0] * len(piece)


def _added_token(token_id: int, content: str) -> Json:
    return {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": False,
    }

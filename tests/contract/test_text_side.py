"""What cuts texts and writes chats before the model is there is what does so afterwards."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import serving
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Settings
from core.engines import open_engine
from core.engines.text_side import read_ahead
from core.errors import ModelNotReady
from core.progress import Progress
from core.weights import obtain

MODELS = ("smollm2-135m-instruct", "gemma-3-270m")
TORCHLESS = """
import sys
from dataclasses import replace
from core.config import Settings
from core.engines.text_side import read_ahead
from core.weights import obtain
chosen = replace(Settings.from_env(), model="smollm2-135m-instruct")
text_side = read_ahead(obtain(chosen, False, lambda progress: None), chosen)
print(len(text_side.tokenize("The cat")), "torch" in sys.modules)
"""


def read(model):
    """The text side of a catalogue model, read ahead of it."""
    chosen = replace(Settings.from_env(), model=model)
    return read_ahead(obtain(chosen, False, lambda progress: None), chosen)


@pytest.fixture(scope="module")
def text_side():
    return read("smollm2-135m-instruct")


@pytest.mark.parametrize("model", MODELS)
def test_it_is_the_tokenizer_that_transformers_chooses(model):
    """Every rule of it, its special tokens and its template, as AutoTokenizer opens the folder."""
    from transformers import AutoTokenizer

    text_side = read(model)
    chosen = AutoTokenizer.from_pretrained(text_side.found.folder)
    assert type(chosen) is type(text_side.tokenizer)
    assert chosen.backend_tokenizer.to_str() == text_side.tokenizer.backend_tokenizer.to_str()
    assert chosen.special_tokens_map == text_side.tokenizer.special_tokens_map
    assert chosen.chat_template == text_side.tokenizer.chat_template


def test_it_needs_no_torch():
    """A process that only cuts texts never imports what takes seconds."""
    command = [sys.executable, "-c", TORCHLESS]
    seen = subprocess.run(command, cwd=serving.ROOT, capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["2", "False"]


def test_it_is_offered_before_the_model_and_says_the_same(smollm2):
    """Offered once, while the model is announced as loading; ids, template and what the header
    may say agree with the engine's."""
    offered, said = [], []

    def offer(text_side):
        assert said[-1] == Progress("Loading smollm2-135m-instruct into memory")
        offered.append(text_side)

    chosen = replace(Settings.from_env(), model="smollm2-135m-instruct")
    engine = open_engine(chosen, said.append, offer=offer)
    [text_side] = offered
    messages = [{"role": "user", "content": "Is <|im_end|> text?"}]
    assert text_side.render_chat(messages) == smollm2.render_chat(messages)
    assert text_side.vocabulary == engine.vocabulary == smollm2.vocabulary
    known = ("name", "licence", "source", "prefix_ids", "note", "chat_note", "folder")
    for field in known:
        assert getattr(text_side.info, field) == getattr(smollm2.info, field)


@settings(max_examples=60, deadline=None)
@given(text=st.text(), control=st.booleans())
def test_it_cuts_and_spells_like_the_engine(smollm2, text_side, text, control):
    """Any text, special tokens read as control tokens or not: the same ids, the same text."""
    tokens = text_side.tokenize(text, control_tokens=control)
    assert tokens == smollm2.tokenize(text, control_tokens=control)
    ids = [token.id for token in tokens]
    assert text_side.decode(ids) == smollm2.decode(ids)


def test_a_prediction_asked_of_it_is_refused_in_a_sentence(text_side):
    """It has no model: whoever asks is told to try again."""
    for ask in (lambda: text_side.next([1]), lambda: text_side.score([1, 2], top_n=3)):
        with pytest.raises(ModelNotReady, match=r"is not ready yet\..* try again in a moment\.$"):
            ask()


def test_a_tokenizer_of_another_make_is_left_to_transformers(text_side, tmp_path):
    """A folder that names a class of its own, or none, has nothing read ahead."""
    shutil.copy(text_side.found.folder / "tokenizer.json", tmp_path)
    found = replace(text_side.found, folder=tmp_path)
    for config in (None, "not JSON", "[]", "{}", '{"tokenizer_class": "GemmaTokenizer"}'):
        if config is not None:
            (tmp_path / "tokenizer_config.json").write_text(config, encoding="utf-8")
        assert read_ahead(found, Settings.from_env()) is None
    (tmp_path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "TokenizersBackend"}', encoding="utf-8"
    )
    assert read_ahead(found, Settings.from_env()).tokenize("a") == text_side.tokenize("a")

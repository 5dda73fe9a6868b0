"""Models of real makes that are small enough to be served by a test: random weights, but a
tokenizer, a configuration and files like those that are on the Hub."""

import json
import shutil

import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from core.engines.templates import GEMMA_TEMPLATE

CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
SENTENCES = (
    "The cat sat on the mat and the dog lay on the rug.",
    "The capital of France is Paris, and the capital of Italy is Rome.",
    "She opened the door of the old house and sat down at the table.",
)
WINDOW = 8  # tokens that a sliding layer looks back
N_LEARNT = 200
VOCAB = 60
SHAPE = {
    "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
}  # fmt: skip


def gemma_tokenizer():
    """BPE over characters with bytes for the rest, spaces as ▁, BOS before every text."""
    space = normalizers.Replace(" ", "▁")
    cut = pre_tokenizers.Split(" ", "merged_with_previous")
    taught = Tokenizer(BPE())
    taught.normalizer, taught.pre_tokenizer = space, cut
    taught.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=N_LEARNT))
    learnt = json.loads(taught.to_str())["model"]
    pieces = (*CONTROL, *BYTES, *sorted(learnt["vocab"], key=learnt["vocab"].get))
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = [tuple(merge) for merge in learnt["merges"]]
    model = BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = space, cut
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(list(CONTROL))
    tokenizer.post_processor = processors.TemplateProcessing(
        "<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        chat_template=GEMMA_TEMPLATE.read_text(encoding="utf-8"),
    )


def gemma_config(n_tokens):
    """Gemma 3's make: two layers with a window and one without, tied embeddings."""
    return Gemma3TextConfig(
        vocab_size=n_tokens,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=256,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        initializer_range=0.5,  # so that the predictions are far from even
        tie_word_embeddings=True,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )


def save_gemma(folder):
    """A Gemma 3 with its template in tokenizer_config.json, as on the Hub."""
    tokenizer = gemma_tokenizer()
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    save(Gemma3ForCausalLM, gemma_config(len(tokenizer)), folder)


def save_smollm2(folder, real):
    """A SmolLM2 with the tokenizer's files and the configuration of the ``real`` folder, but
    two narrow layers."""
    for file in (*real.glob("tokenizer*"), *real.glob("*.jinja")):
        shutil.copy(file, folder)
    config = AutoConfig.from_pretrained(real)
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2}
    config.update(sizes | {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 16})
    save(LlamaForCausalLM, config, folder)


def save(kind, config, folder):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        kind(config).save_pretrained(folder)


def random_model(config):
    """A model with random weights, norms and biases too."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return model

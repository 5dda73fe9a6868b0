"""What may be said about a model that was opened with transformers.

Reads configurations and tokenizers; knows nothing of torch or of predicting.
"""

from dataclasses import replace
from typing import Any

from core.config import Settings
from core.engines import ModelInfo
from core.engines.templates import ChatWriter
from core.weights import LocalModel


def describe_text_side(
    tokenizer: Any, found: LocalModel, settings: Settings, writer: ChatWriter
) -> ModelInfo:
    """What may be said before the model is opened: no device, no dtype."""
    return ModelInfo(
        name=found.name,
        licence=found.licence,
        source=found.source,
        device="",
        dtype="",
        vocab_size=len(tokenizer),
        context_length=settings.max_tokens,
        prefix_ids=prefix_ids(tokenizer),
        note=found.note,
        remedy=found.remedy,
        chat_note=writer.note,
        lent_template=writer.lent_template,
        folder=str(found.folder),
        revision=found.revision,
    )


def describe(model: Any, tokenizer: Any, text_side: ModelInfo, device: str) -> ModelInfo:
    """``text_side`` with what the opened model says; ``device`` is the name of what it runs on."""
    config = model.config.get_text_config()
    return replace(
        text_side,
        device=device,
        dtype=str(model.dtype).removeprefix("torch."),
        vocab_size=int(model.get_output_embeddings().weight.shape[0]),
        context_length=min(text_side.context_length, int(config.max_position_embeddings)),
        stop_ids=stop_ids(model.generation_config.eos_token_id, tokenizer),
    )


def prefix_ids(tokenizer: Any) -> tuple[int, ...]:
    """What a tokenizer puts before every text, without an end of text."""
    prefix = tokenizer("", add_special_tokens=True)["input_ids"]
    return tuple(i for i in prefix if i != tokenizer.eos_token_id)


def stop_ids(named: int | list[int] | None, tokenizer: Any) -> frozenset[int]:
    """End of text and end of turn: what the model's files name, and Gemma's marker."""
    ids = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    ids.add(tokenizer.get_added_vocab().get("<end_of_turn>"))
    return frozenset(i for i in ids if i is not None)

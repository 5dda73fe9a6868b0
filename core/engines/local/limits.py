"""How much a predictor may keep, from the settings and the shape of the model.

Knows nothing of what is kept there.
"""

from dataclasses import dataclass
from typing import Any

from core.config import Settings

CACHE_SHARE = 0.5  # of the memory goes to keys and values,
DISTRIBUTION_SHARE = 0.4  # to distributions, and the rest to scored texts
SPARE_SLOTS = 1024  # beside one document of the greatest length


@dataclass(frozen=True)
class Limits:
    """What may be kept: slots of the prefix tree, bytes of results, clicks prepared per step."""

    n_slots: int
    distribution_bytes: int
    scored_bytes: int
    n_lookahead: int

    @classmethod
    def of(cls, model: Any, settings: Settings) -> "Limits":
        """The limits of a transformers model; one document of full length always fits."""
        n_bytes = settings.memory_mb * 2**20
        slots = int(CACHE_SHARE * n_bytes) // slot_bytes(model)
        return cls(
            n_slots=max(slots, settings.max_tokens + SPARE_SLOTS),
            distribution_bytes=int(DISTRIBUTION_SHARE * n_bytes),
            scored_bytes=int((1 - CACHE_SHARE - DISTRIBUTION_SHARE) * n_bytes),
            n_lookahead=settings.lookahead,
        )


def slot_bytes(model: Any) -> int:
    """Bytes of one token's keys and values in all layers."""
    config = model.config.get_text_config()
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * model.dtype.itemsize)

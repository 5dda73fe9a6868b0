"""The settings of one Token Lab process, read once from an environment mapping.

The only reader of the environment in the project. Knows nothing of models,
engines or pages: values in, a frozen record out.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from core.errors import ConfigError

DTYPES = ("float32", "bfloat16", "float16")
DEFAULT_MAX_TOKENS = 4096


@dataclass(frozen=True)
class Settings:
    """What the person who starts Token Lab may choose.

    ``model`` is a catalogue name, a Hub id or a folder; None lets Token Lab
    choose. ``dtype`` None means bfloat16 on a GPU and float32 on a CPU.
    ``max_tokens`` caps the length of a document, whatever the model could take.
    """

    cache_dir: Path
    model: str | None = None
    dtype: str | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read ``LAB_MODEL``, ``LAB_CACHE``, ``LAB_DTYPE`` and ``LAB_MAX_TOKENS``.

        ``environ`` is this process's environment by default. An unset or blank variable
        means its default. Raises ConfigError.
        """
        environ = os.environ if environ is None else environ
        given = {key: value.strip() for key, value in environ.items() if value.strip()}
        cache = given.get("LAB_CACHE") or platformdirs.user_cache_dir("token-lab", False)
        return cls(
            cache_dir=Path(cache).expanduser().absolute(),
            model=given.get("LAB_MODEL"),
            dtype=_dtype(given.get("LAB_DTYPE")),
            max_tokens=_max_tokens(given.get("LAB_MAX_TOKENS")),
        )


def _dtype(value: str | None) -> str | None:
    if value is not None and value not in DTYPES:
        raise ConfigError(f"LAB_DTYPE is {value!r}; it must be one of {', '.join(DTYPES)}.")
    return value


def _max_tokens(value: str | None) -> int:
    if value is None:
        return DEFAULT_MAX_TOKENS
    if not value.isdecimal() or int(value) < 1:
        raise ConfigError(f"LAB_MAX_TOKENS is {value!r}; it must be a whole number above 0.")
    return int(value)

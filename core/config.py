"""The settings of one Token Lab process, read once from an environment mapping.

The only reader of the environment in the project. Knows nothing of models,
engines or pages: values in, a frozen record out.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from core.errors import ConfigError

LABEL = r"[\w-]{1,63}"
URL = rf"https?://({LABEL}(\.{LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?(/[^\s?#\x00-\x1f\x7f]*)?"
DTYPES = ("float32", "bfloat16", "float16")
DEFAULT_MAX_TOKENS = 4096
DEFAULT_MEMORY_MB = 1024
DEFAULT_LOOKAHEAD = 10


@dataclass(frozen=True)
class Settings:
    """What the person who starts Token Lab may choose.

    ``model`` is a catalogue name, a Hub id or a folder; None lets Token Lab
    choose. ``dtype`` None means bfloat16 on a GPU and float32 on a CPU.
    ``max_tokens`` caps the length of a document, whatever the model could take.
    ``memory_mb`` is what may be kept beside the weights, so that nothing is computed
    twice. ``lookahead`` is how many likely clicks are prepared while nobody waits.
    ``course`` is the file in which an instructor sets up a course. ``mcp`` offers the API
    to assistants as tools. ``zero_gpu``: whether this is a Hugging Face Space where a GPU
    is lent for one call at a time.
    ``engine_url`` is a vLLM server that runs the model instead of this process, and
    ``engine_key`` what it asks for; ``model`` then names the tokenizer.
    """

    cache_dir: Path
    model: str | None = None
    dtype: str | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    memory_mb: int = DEFAULT_MEMORY_MB
    lookahead: int = DEFAULT_LOOKAHEAD
    course: Path | None = None
    mcp: bool = False
    zero_gpu: bool = False
    engine_url: str | None = None
    engine_key: str | None = field(default=None, repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read ``LAB_MODEL``, ``LAB_CACHE``, ``LAB_DTYPE``, ``LAB_MAX_TOKENS``,
        ``LAB_MEMORY_MB``, ``LAB_LOOKAHEAD``, ``LAB_COURSE``, ``LAB_MCP``, ``LAB_ENGINE_URL``
        and ``LAB_ENGINE_KEY``, and the Space's own ``SPACES_ZERO_GPU``.

        ``environ`` is this process's environment by default. An unset or blank variable
        means its default. Raises ConfigError.
        """
        environ = os.environ if environ is None else environ
        given = {key: value.strip() for key, value in environ.items() if value.strip()}
        cache = given.get("LAB_CACHE") or platformdirs.user_cache_dir("token-lab", False)
        course = given.get("LAB_COURSE")
        return cls(
            cache_dir=Path(cache).expanduser().absolute(),
            course=Path(course).expanduser().absolute() if course else None,
            model=given.get("LAB_MODEL"),
            dtype=_dtype(given.get("LAB_DTYPE")),
            max_tokens=_whole(given, "LAB_MAX_TOKENS", DEFAULT_MAX_TOKENS),
            memory_mb=_whole(given, "LAB_MEMORY_MB", DEFAULT_MEMORY_MB),
            lookahead=_whole(given, "LAB_LOOKAHEAD", DEFAULT_LOOKAHEAD, low=0),
            mcp=_switch(given, "LAB_MCP"),
            zero_gpu=given.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"),
            engine_url=_url(given.get("LAB_ENGINE_URL")),
            engine_key=_key(given.get("LAB_ENGINE_KEY")),
        )


def _dtype(value: str | None) -> str | None:
    if value is not None and value not in DTYPES:
        raise ConfigError(f"LAB_DTYPE is {value!r}; it must be one of {', '.join(DTYPES)}.")
    return value


def _url(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(URL, value):
        raise ConfigError(
            "LAB_ENGINE_URL must be the address of a vLLM server, such as "
            "http://127.0.0.1:8000; a key belongs in LAB_ENGINE_KEY."
        )
    return value


def _key(value: str | None) -> str | None:
    if value is not None and not re.fullmatch("[!-~]+", value):  # all that a header can hold
        raise ConfigError(
            "LAB_ENGINE_KEY holds a space, or a character that no key has. Copy the key anew, "
            "as the server was given it (its --api-key)."
        )
    return value


def _whole(given: Mapping[str, str], name: str, default: int, low: int = 1) -> int:
    value = given.get(name)
    if value is None:
        return default
    if not value.isdecimal() or int(value) < low:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number, at least {low}.")
    return int(value)


def _switch(given: Mapping[str, str], name: str) -> bool:
    value = given.get(name, "0")
    if value not in ("0", "1"):
        raise ConfigError(f"{name} is {value!r}; it must be 0 or 1.")
    return value == "1"

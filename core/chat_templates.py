"""The same messages under the chat templates of several model families, part by part.

Each template is a jinja file beside this one, rendered in the sandbox that transformers uses.
Text only: knows nothing of tokenizers (counting is given a function), engines or pages.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.errors import InputError

FOLDER = Path(__file__).parent / "templates"
CONTROL, TEMPLATE, CONTENT = "control", "template", "content"
MARK_OPEN, MARK_CLOSE = "\uf8f2", "\uf8f3"  # private use: stand for a message's words
Messages = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Family:
    """A turn format that several models share.

    ``controls`` are the spellings of its control tokens, ``opens`` the one that begins a turn,
    ``bos`` the one before everything ("" for none). ``hub`` names a repository with its
    tokenizer; ``about`` is what to know of its roles.
    """

    name: str
    file: str
    bos: str
    opens: str
    controls: tuple[str, ...]
    hub: str
    about: str

    @property
    def template(self) -> str:
        """The jinja source, without the comment at its head."""
        written = (FOLDER / self.file).read_text(encoding="utf-8")
        return re.sub(r"\A\{#.*?#\}\n?", "", written, flags=re.DOTALL).strip()


FAMILIES = (
    Family(
        "Gemma 2, 3",
        "gemma3.jinja",
        "<bos>",
        "<start_of_turn>",
        ("<bos>", "<start_of_turn>", "<end_of_turn>"),
        "google/gemma-3-270m-it (gated)",
        "Gemma writes the assistant as “model” and has no system turn: a system message is "
        "folded into the first user turn. Turns must alternate.",
    ),
    Family(
        "ChatML (SmolLM2, Qwen)",
        "chatml.jinja",
        "",
        "<|im_start|>",
        ("<|im_start|>", "<|im_end|>"),
        "HuggingFaceTB/SmolLM2-135M-Instruct, Qwen/Qwen2.5-0.5B-Instruct",
        "ChatML gives every role a turn of its own. The templates of SmolLM2 and Qwen add a "
        "default system turn where you give none.",
    ),
    Family(
        "Llama 3",
        "llama3.jinja",
        "<|begin_of_text|>",
        "<|start_header_id|>",
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "meta-llama/Meta-Llama-3-8B-Instruct (gated)",
        "Llama 3 puts the role between two control tokens of its own, and trims the words.",
    ),
)


@dataclass(frozen=True)
class Part:
    """A stretch of the document: a control token, template text, or a message's words.

    ``row``: 0 before the first turn, i + 1 for message i, and one more for what opens the
    model's turn.
    """

    kind: str
    text: str
    row: int


@dataclass(frozen=True)
class Counts:
    """How many tokens a document takes: ``n_control`` one each, ``n_content`` for the words alone.

    ``total`` counts text between control tokens as it stands, so a token may join the
    template's text and a message's.
    """

    n_control: int
    n_content: int
    total: int

    @property
    def overhead(self) -> int:
        """The tokens that the template costs."""
        return self.total - self.n_content


def written(family: Family, messages: Messages, add_generation_prompt: bool = True) -> str:
    """The document as text. Raises InputError where the template refuses the messages."""
    try:
        return _compiled(family.template).render(
            messages=list(messages),
            add_generation_prompt=add_generation_prompt,
            bos_token=family.bos,
        )
    except jinja2.TemplateError as error:
        raise InputError(
            f"The template of {family.name} refuses these messages: {error}."
        ) from error


def parts(family: Family, messages: Messages, add_generation_prompt: bool = True) -> list[Part]:
    """The document cut into control tokens, template text and message content, in order.

    Joined they are ``written``. The template writes marks in the messages' places, so words
    that spell a control token stay content.
    """
    marked = [_marked(message, i) for i, message in enumerate(messages)]
    text = written(family, marked, add_generation_prompt)
    pieces = re.split(f"( ?{MARK_OPEN}\\d+{MARK_CLOSE} ?)", text)
    found: list[Part] = []
    row = 0
    for at, piece in enumerate(pieces):
        if at % 2:
            words = str(messages[int(piece.strip()[1:-1])]["content"])
            trimmed = not (piece[0] == piece[-1] == " ")
            row = int(piece.strip()[1:-1]) + 1
            found.append(Part(CONTENT, words.strip() if trimmed else words, row))
        else:
            last = at == len(pieces) - 1
            row_after = len(messages) + 1 if last else int(pieces[at + 1].strip()[1:-1]) + 1
            found += _template_parts(family, piece, row, row_after)
    return [part for part in found if part.text]


def count(found: Sequence[Part], n_tokens: Callable[[str], int]) -> Counts:
    """The tokens of a document; ``n_tokens`` counts those of a plain text."""
    total = n_control = 0
    for control, run in groupby(found, key=lambda part: part.kind == CONTROL):
        texts = [part.text for part in run]
        n_control += len(texts) if control else 0
        total += len(texts) if control else n_tokens("".join(texts))
    n_content = sum(n_tokens(part.text) for part in found if part.kind == CONTENT)
    return Counts(n_control, n_content, total)


def _template_parts(family: Family, text: str, row: int, row_after: int) -> list[Part]:
    """What a template writes between two contents: up to a turn's opening it closes the first."""
    found = []
    for piece in re.split("(" + "|".join(map(re.escape, family.controls)) + ")", text):
        if piece == family.opens:
            row = row_after
        found.append(Part(CONTROL if piece in family.controls else TEMPLATE, piece, row))
    return found


def _marked(message: dict[str, Any], i: int) -> dict[str, Any]:
    """The message with a mark for its words; the spaces show whether the template trims."""
    content = message.get("content")
    if not isinstance(content, str) or MARK_OPEN in f"{content}{message.get('role')}":
        raise InputError("Only messages whose content is plain text can be compared.")
    return {**message, "content": f" {MARK_OPEN}{i}{MARK_CLOSE} "}


@cache
def _compiled(template: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(template)


def _refuse(reason: str) -> NoReturn:
    raise jinja2.TemplateError(reason)

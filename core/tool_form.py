"""Token Lab's own way to write tools for ChatML models, in the public Hermes convention.

For models whose template has no place for tools. It is a template like any other, given to
``Engine.render_chat``. Knows nothing of engines or pages.
"""

from functools import cache
from pathlib import Path

from core.tokens import Vocabulary

FILE = Path(__file__).parent / "templates" / "hermes_tools.jinja"
MARKERS = {"<|im_start|>", "<|im_end|>"}
NOTE = (
    "This document is in Token Lab's tool form (ChatML in the Hermes convention), not in the "
    "model's own: it may never have seen it in training."
)


@cache
def template() -> str:
    """The template's text."""
    return FILE.read_text(encoding="utf-8")


def fits(vocabulary: Vocabulary) -> bool:
    """Whether a vocabulary has ChatML's two markers as special tokens."""
    return {vocabulary.token(i).text for i in vocabulary.specials} >= MARKERS

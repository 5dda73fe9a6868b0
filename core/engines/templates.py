"""Writing messages as token ids with a Hugging Face tokenizer's chat template.

Knows nothing of models: only of tokenizers. The ids equal those of
``apply_chat_template(tokenize=True)``; text inside a message that spells a special
token is kept as plain text unless it is asked to be read as control tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.chat import Guard, guarded, spells_special
from core.errors import InputError, NoChatTemplate
from core.tokens import ChatDocument

GEMMA_TEMPLATE = Path(__file__).parent.parent / "templates" / "gemma3.jinja"


class ChatWriter:
    """A tokenizer's template, ready to write; ``note`` says what to know about it.

    ``lent_template`` is the template where the tokenizer has none of its own.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.lent_template, self.note = _lent_template(tokenizer)
        self._guard = Guard(tuple(tokenizer.all_special_tokens) + _other_specials(tokenizer))
        self._turn_start = self._find_turn_start(None)

    def write(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]] | None,
        add_generation_prompt: bool,
        control_tokens: bool,
        template: str | None = None,
    ) -> ChatDocument:
        """The messages as one document of ids; ``template`` takes the place of the tokenizer's."""
        given, tools = list(messages), list(tools or [])
        hidden = not control_tokens and spells_special([given, tools], self._guard.names)
        if hidden:
            given, tools = guarded(given, self._guard), guarded(tools, self._guard)
        text = self._render(given, tools, add_generation_prompt, template)
        ids = self._guarded_ids(text) if hidden else self._plain_ids(text)
        turn_start = self._find_turn_start(template) if template else self._turn_start
        return ChatDocument(tuple(ids), turn_start)

    def _render(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        add_generation_prompt: bool,
        template: str | None,
    ) -> str:
        used = template or self.lent_template or None
        if used is None and self._tokenizer.chat_template is None:
            raise NoChatTemplate(
                "This model has no chat template, so there is no agreed way to write messages "
                "for it. Start Token Lab with an instruct model, for example "
                "LAB_MODEL=smollm2-135m-instruct."
            )
        import jinja2

        try:
            return str(
                self._tokenizer.apply_chat_template(
                    messages,
                    tools=tools or None,
                    chat_template=used,
                    add_generation_prompt=add_generation_prompt,
                    tokenize=False,
                )
            )
        except jinja2.TemplateSyntaxError:
            raise  # the template is broken, not the messages
        except (jinja2.TemplateError, TypeError, KeyError) as error:
            raise InputError(
                f"The chat template refuses these messages: {error}. "
                "Check the roles, their order and that every message has content."
            ) from error

    def _plain_ids(self, text: str, *, as_text: bool = False) -> list[int]:
        encoded = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=as_text, verbose=False
        )
        return list(encoded["input_ids"])

    def _guarded_ids(self, text: str) -> list[int]:
        """Control tokens end what a tokenizer may merge, so the pieces between stand alone."""
        ids: list[int] = []
        for piece, control in self._guard.split(text):
            ids += self._plain_ids(piece, as_text=not control)
        return ids

    def _find_turn_start(self, template: str | None) -> int | None:
        """The control token that opens a turn: the first one of the generation prompt."""
        probe = [{"role": "user", "content": "x"}]
        try:
            without = self._render(probe, [], False, template)
            prompt = self._render(probe, [], True, template).removeprefix(without)
        except (InputError, NoChatTemplate):
            return None
        ids = self._plain_ids(prompt)
        return ids[0] if ids and self._tokenizer.decode(ids[:1]) in self._guard.names else None


def _lent_template(tokenizer: Any) -> tuple[str, str]:
    """(template, note): Gemma's turn format for a Gemma that brings none, else empty."""
    is_gemma = {"<start_of_turn>", "<end_of_turn>"} <= set(tokenizer.get_added_vocab())
    if tokenizer.chat_template is not None or not is_gemma:
        return "", ""
    return GEMMA_TEMPLATE.read_text(encoding="utf-8"), (
        "This is a base model: it was not trained on chats and brings no template. "
        "Token Lab writes Gemma's turn format for it."
    )


def _other_specials(tokenizer: Any) -> tuple[str, ...]:
    """Special added tokens that ``all_special_tokens`` leaves out."""
    named = set(tokenizer.all_special_tokens)
    added = tokenizer.added_tokens_decoder.values()
    return tuple(t.content for t in added if t.special and t.content not in named)

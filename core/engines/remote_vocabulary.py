"""From text to ids and back when only the server has the tokenizer.

The vocabulary is asked for at the start, once: texts of single ids, and the names of tokens
that hold a part of a character. What can't be had that way is spelt U+FFFD. Knows nothing
of predicting.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from core.chat import Guard, guarded, spells_special
from core.engines import Message
from core.engines.pieces import spelt
from core.engines.remote_answers import text_of, token_ids, token_names
from core.engines.remote_wire import UNKNOWN as GONE
from core.engines.remote_wire import Refused, Wire, as_sentence
from core.errors import ConfigError, InputError, NoChatTemplate
from core.progress import Progress, Report
from core.tokens import ChatDocument, Ids, Token, Vocabulary

Json = dict[str, Any]
BETWEEN = "\n|~|\n"  # between the texts of two ids; no token holds it
MOST_IDS = 2**20
CHUNK = 2000  # ids in one question
UNKNOWN = "\ufffd"  # what a decoder writes for a part of a character
SPECIAL_LOOK = re.compile(r"<[^<>\s]+>|\[[A-Z_]+\]|<\|[^\s]+\|>")
ENDS = ("</s>", "<eos>", "<|endoftext|>", "<|im_end|>", "<end_of_turn>", "<turn|>",
        "<|eot_id|>", "<|end_of_text|>", "<|end|>", "</turn>")  # fmt: skip
PARTS_FROM = (
    (0x80, 0x2C00), (0x2E80, 0xA000), (0xA000, 0xA080), (0xAC00, 0xD7A4),
    (0xE000, 0xE100), (0xF900, 0xFFF0), (0x10000, 0x10100),
    (0x1D400, 0x1D800), (0x1F000, 0x1FB00), (0x20000, 0x20100), (0x40000, 0x40040),
    (0x80000, 0x80040), (0xC0000, 0xC0040), (0x100000, 0x100040),
)  # fmt: skip
CHARACTERS = 400  # of them in one question


class ServerText:
    """A ServedText over ``/tokenize`` and ``/detokenize`` of a vLLM server.

    Text that spells a special token is cut inside the spelling to stay text, so its ids may
    differ from those of the tokenizer's own switch. Special tokens are those that look like
    one and are one token even inside a word.
    """

    licence = "see the model's own page"
    folder = ""
    chat_note = ""
    lent_template = ""
    note = (
        "Its tokenizer is asked over the network; set LAB_MODEL to the model that the server "
        "runs to have it here."
    )

    def __init__(self, wire: Wire, model: str, report: Report) -> None:
        self._wire, self._model = wire, model
        self.vocab_size = _vocab_size(wire, model)
        self.vocabulary = self._ask_vocabulary(report)
        pieces = enumerate(self.vocabulary.pieces)
        self._unknown = frozenset(i for i, piece in pieces if UNKNOWN.encode() in piece)
        names = {self.vocabulary.token(i).text: i for i in sorted(self.vocabulary.specials)}
        self._guard = Guard(tuple(names))
        self.stop_ids = frozenset(names[name] for name in ENDS if name in names)
        self.prefix_ids = self._ask_prefix()
        self._turn_start = self._find_turn_start()

    # --- text

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text; see Engine."""
        pieces = [text]
        if not control_tokens and spells_special(text, self._guard.names):
            pieces = list(_harmless(text, self._guard.names))
        ids = [i for piece in pieces if piece for i in self._ids(piece)]
        return self.vocabulary.tokens(ids)

    def _ids(self, text: str, add_special_tokens: bool = False) -> tuple[int, ...]:
        body = {"prompt": text, "add_special_tokens": add_special_tokens}
        return token_ids(self._told("/tokenize", body, "text"))

    def _told(self, path: str, body: Json, what: str) -> Json:
        """The answer about a ``what`` (text, document); a refusal is a sentence."""
        try:
            return self._post(path, body)
        except Refused as refusal:
            raise as_sentence(refusal, what) from refusal

    def _post(self, path: str, body: Json) -> Json:
        return self._wire.post(path, {"model": self._model, **body})

    def decode(self, ids: Ids) -> str:
        """The bytes of the ids as UTF-8; asked for where one has unknown bytes; see Engine."""
        if not self._unknown.isdisjoint(ids):
            body = {"tokens": [int(i) for i in ids]}
            return text_of(self._told("/detokenize", body, "document"))
        joined = b"".join(token.piece for token in self.vocabulary.tokens(ids))
        return joined.decode("utf-8", errors="replace")

    # --- chat

    def render_chat(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Json] | None = None,
        add_generation_prompt: bool = True,
        control_tokens: bool = False,
        template: str | None = None,
    ) -> ChatDocument:
        """Have the server write messages with its template; see Engine.

        It takes no other one: a ``template`` raises InputError.
        """
        if template is not None:
            raise InputError(
                "The model server writes its own chat template only. Choose no other one, or set "
                "LAB_MODEL to the model of the server, so that Token Lab has the tokenizer itself."
            )
        given, tools = list(messages), list(tools or [])
        hidden = not control_tokens and spells_special([given, tools], self._guard.names)
        if hidden:
            given, tools = guarded(given, self._guard), guarded(tools, self._guard)
        ids = self._templated(given, tools, add_generation_prompt)
        if hidden:
            pieces = self._guard.split(self.decode(ids))
            found = [self.tokenize(piece, control_tokens=control) for piece, control in pieces]
            ids = tuple(token.id for tokens in found for token in tokens)
        return ChatDocument(ids, self._turn_start)

    def _templated(
        self, messages: list[Message], tools: list[Json], add_generation_prompt: bool
    ) -> tuple[int, ...]:
        body: Json = {
            "messages": messages,
            "add_generation_prompt": add_generation_prompt,
            "add_special_tokens": False,
        }
        try:
            return token_ids(self._post("/tokenize", body | ({"tools": tools} if tools else {})))
        except Refused as refusal:
            if refusal.status == GONE:
                raise as_sentence(refusal, "chat") from refusal
            if re.search(r"chat template is no longer allowed|no chat template|must provide a chat "
                         r"template|does not.*chat template", refusal.message):  # fmt: skip
                raise NoChatTemplate(
                    "This model has no chat template, so there is no agreed way to write "
                    "messages for it. Start the model server with an instruct model."
                ) from refusal
            raise InputError(
                f"The model's chat template refuses these messages: {refusal}. "
                "Check the roles, their order and that every message has content."
            ) from refusal

    def _find_turn_start(self) -> int | None:
        """The control token that opens a turn: the first one of the generation prompt."""
        probe = [{"role": "user", "content": "x"}]
        try:
            without, prompt = (self._templated(probe, [], flag) for flag in (False, True))
        except (InputError, NoChatTemplate):
            return None
        first = prompt[len(without)] if len(prompt) > len(without) else -1
        return first if first in self.vocabulary.specials else None

    # --- what is asked once

    def _ask_prefix(self) -> tuple[int, ...]:
        """What the tokenizer puts before every text."""
        whole, bare = self._ids("a", True), self._ids("a")
        at = whole.index(bare[0]) if bare and bare[0] in whole else 0
        return tuple(i for i in whole[:at] if i not in self.stop_ids)

    def _ask_vocabulary(self, report: Report) -> Vocabulary:
        pieces: list[bytes] = []
        between = self._ids(BETWEEN)
        for start in range(0, self.vocab_size, CHUNK):
            report(Progress("Asking for the vocabulary", start, self.vocab_size, "tokens"))
            stop = min(start + CHUNK, self.vocab_size)
            ids = [i for one in range(start, stop) for i in (one, *between)]
            try:
                texts = text_of(self._post("/detokenize", {"tokens": [*between, *ids]}))
            except Refused as refusal:
                raise _no_vocabulary() from refusal
            found = texts.removeprefix(BETWEEN).split(BETWEEN)[: stop - start]
            if len(found) != stop - start:
                raise _no_vocabulary()
            pieces += [text.encode() for text in found]
        specials = self._specials(pieces)
        if any(UNKNOWN.encode() in piece for piece in pieces):
            self._learn_parts(pieces, report)
        return Vocabulary(tuple(pieces), specials)

    def _specials(self, pieces: Sequence[bytes]) -> frozenset[int]:
        """Those that look like a special token, and are one token between letters."""
        names = {i: p.decode() for i, p in enumerate(pieces) if SPECIAL_LOOK.fullmatch(p.decode())}
        seen: set[int] = set()
        listed = list(names.values())
        for start in range(0, len(listed), CHARACTERS):
            seen |= set(self._ids("a" + "a".join(listed[start : start + CHARACTERS]) + "a"))
        return frozenset(seen & set(names))

    def _learn_parts(self, pieces: list[bytes], report: Report) -> None:
        """The bytes of tokens that hold parts of characters, from the names of those in texts."""
        asked = {"add_special_tokens": False, "return_token_strs": True}
        byte_level = any(
            "Ġ" in name
            for _, name in token_names(self._told("/tokenize", {"prompt": " a", **asked}, "text"))
        )
        unknown = {i for i, piece in enumerate(pieces) if UNKNOWN.encode() in piece}
        for text in _texts_of_parts():
            report(Progress("Asking for parts of characters"))
            body = {"prompt": text, **asked}
            for i, name in token_names(self._told("/tokenize", body, "text")):
                if i in unknown:
                    pieces[i] = spelt(name, byte_level)
                    unknown.remove(i)


def _vocab_size(wire: Wire, model: str) -> int:
    """How many ids the server takes, by halving."""
    taken, refused = 0, MOST_IDS
    while refused - taken > 1:
        middle = (taken + refused) // 2
        body = {"model": model, "prompt": [middle], "max_tokens": 1}
        try:
            wire.post("/v1/completions", body)
            taken = middle
        except Refused:
            refused = middle
    if refused in (1, MOST_IDS):
        raise _no_vocabulary()
    return refused


def _no_vocabulary() -> ConfigError:
    return ConfigError(
        "The model server does not tell what its vocabulary is. Set LAB_MODEL to the model that "
        "it runs (a name, a Hub id or a folder), so that Token Lab has the tokenizer itself."
    )


def _harmless(text: str, names: Sequence[str]) -> Iterator[str]:
    """The text in pieces, each special spelling cut after its first character."""
    longest_first = sorted(names, key=len, reverse=True)
    for n, piece in enumerate(re.split(f"({'|'.join(map(re.escape, longest_first))})", text)):
        yield from (piece[:1], piece[1:]) if n % 2 else (piece,)


def _texts_of_parts() -> Iterator[str]:
    """Texts whose characters are likely to be split over tokens."""
    for start, stop in PARTS_FROM:
        characters = [chr(code) for code in range(start, stop)]
        for at in range(0, len(characters), CHARACTERS):
            some = characters[at : at + CHARACTERS]
            yield "".join(some)
            yield " " + " ".join(some)  # a space may be in one token with the first byte

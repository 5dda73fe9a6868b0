"""Tokenizer: a text, cut live into the model's tokens, beside other ways to cut it.

A student types and sees where the cuts fall, what each token is made of, and why models
use neither characters nor whole words.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from core import api, cuts, display, limits
from core.engines import Engine
from core.errors import InputError
from core.link_states import TokenizerLink
from core.snippets import tokenize_code
from demos import Demo
from demos.ui import link_row, links, views
from demos.ui.component import Facts, TokenStrip
from demos.ui.events import Page
from demos.ui.glossary import fact
from demos.ui.panels import code_panel, examples, text_box

LEAD = "Type anything: it is cut into tokens as you go. Hover over a token for its id and bytes."
EXAMPLES = (
    "The cat sat on the mat.\nThe tokenizer splits unbelievably rare words.",
    "Zürich café: 12 + 345 = 357",
    "日本語と中文 · 안녕하세요",
    "👩‍🚀 takes off 🚀",
    "def f(x):\n    return x ** 2",
    "مرحبا بالعالم",
)
MAX_CUT_PIECES = 400
MAX_SPECIALS = 80


def cut(engine: Engine, text: str, control_tokens: bool) -> tuple[Any, ...]:
    """(strip, facts, characters, words, subwords, code) of a text; blank for no text."""
    if not text:
        return gr.update(tokens=[], value=None), gr.update(facts=[]), *([_strip("", [])] * 3), ""
    answer = api.tokenize(engine, text, control_tokens)
    tokens = engine.tokenize(text, control_tokens=control_tokens)
    chips = views.chips(engine.vocabulary, [token.id for token in tokens])
    counted = gr.update(
        facts=_counts(answer, control_tokens, sum(t.special for t in tokens), text.isspace())
    )
    code = tokenize_code(engine.info, text, control_tokens)
    subwords = (
        f"Subwords: {len(tokens):,} tokens, from {len(engine.vocabulary):,} in the vocabulary"
    )
    return (
        gr.update(tokens=chips, value=None),
        counted,
        _cut_strip("Characters", "characters in Unicode", cuts.characters(text)),
        _cut_strip("Whole words", "whole words", cuts.words(text, engine.vocabulary)),
        _strip(subwords, chips[:MAX_CUT_PIECES]),
        code,
    )


def _counts(
    answer: dict[str, Any], control: bool, n_special: int, only_spaces: bool
) -> list[dict[str, str]]:
    """The counts of a text, special tokens shown where they can occur."""
    n_tokens, n_characters = answer["n_tokens"], answer["n_characters"]
    per_token = n_characters / n_tokens
    counts = [
        fact("characters", f"{n_characters:,}"),
        fact("UTF-8 bytes", f"{answer['n_bytes']:,}"),
        fact("tokens", f"{n_tokens:,}"),
        fact("characters per token", f"{per_token:.2f}", display.format_exact(per_token)),
    ]
    if control:
        counts.append(fact("special tokens", f"{n_special:,}"))
    if only_spaces:
        counts.append(fact("only white space", "tokens too"))
    return counts


def _cut_strip(name: str, source: str, cut: cuts.Cut) -> dict[str, Any]:
    """A comparison strip with its heading."""
    heading = f"{name}: {len(cut.pieces):,} pieces, from {cut.vocab_size:,} {source}"
    if cut.unknown:
        heading += f". {len(cut.unknown):,} can't be written: crossed out"
    chips = [_piece(piece, i in cut.unknown) for i, piece in enumerate(cut.pieces[:MAX_CUT_PIECES])]
    return _strip(heading, chips)


def _strip(heading: str, chips: list[dict[str, Any]]) -> dict[str, Any]:
    if len(chips) == MAX_CUT_PIECES:
        heading += f" (the first {MAX_CUT_PIECES} shown)"
    return gr.update(tokens=chips, value=None, heading=heading)


def _piece(piece: str, unknown: bool) -> dict[str, Any]:
    """A chip for a piece that is not a token of the model."""
    chip = display.plain_chip(piece)
    if unknown:
        chip |= {"mark": "unknown", "facts": [*chip["facts"], ["held", "no: it becomes <unk>"]]}
    return chip


def look(engine: Engine, text: str, control_tokens: bool, span: Any) -> dict[str, Any]:
    """The counts of the tokens selected in the strip."""
    tokens = engine.tokenize(limits.check_text(text), control_tokens=control_tokens)
    start, stop = views.picked_span(span, len(tokens))
    chosen = tokens[start:stop]
    ids = " ".join(str(token.id) for token in chosen[:12]) + (" …" if len(chosen) > 12 else "")
    n_bytes = sum(len(token.piece) for token in chosen)
    return gr.update(
        facts=[
            fact("tokens selected", f"{len(chosen):,}"),
            fact("bytes selected", f"{n_bytes:,}"),
            fact("token ids", ids, ", ".join(str(token.id) for token in chosen)),
        ]
    )


def special_tokens(engine: Engine) -> dict[str, Any]:
    """All special tokens of the model, as a strip."""
    ids = sorted(engine.vocabulary.specials)[:MAX_SPECIALS]
    heading = f"{len(engine.vocabulary.specials):,} tokens mark structure and spell no text"
    return gr.update(tokens=views.chips(engine.vocabulary, ids), heading=heading)


def link_of(engine: Engine, text: str, control_tokens: bool, span: Any) -> TokenizerLink:
    """The page as a link says it."""
    n = len(engine.tokenize(limits.check_text(text), control_tokens=control_tokens))
    return TokenizerLink(
        **links.made_with(engine),
        text=text,
        control_tokens=control_tokens,
        span=links.span_of(span, n),
    )


def restore(engine: Engine, state: TokenizerLink) -> tuple[Any, ...]:
    """(what ``cut`` shows…, text, switch) of a link, its tokens selected."""
    text, control = state.text or EXAMPLES[0], state.control_tokens
    strip, counts, *others = cut(engine, text, control)
    span = links.selection(state.span, len(strip["tokens"]))
    if span:
        counts = look(engine, text, control, span)
    return strip | {"value": span}, counts, *others, text, control


def retyped(
    engine: Engine, query: Any, text: str, control_tokens: bool
) -> Iterator[tuple[Any, ...]]:
    """``cut`` of a changed text; with a link's selection where it is the link's own text.

    Of a text that can't be cut nothing, before the message says why.
    """
    state, _ = link_row.linked_state(query, TokenizerLink.demo)
    try:
        if state and (state.text, state.control_tokens) == (text, control_tokens):
            yield restore(engine, state)[:6]
        else:
            yield cut(engine, text, control_tokens)
    except InputError:
        yield cut(engine, "", control_tokens)
        raise


def build(page: Page) -> None:
    """Text above its strip; the comparison open below."""
    gr.Markdown(LEAD, elem_classes="lab-lead")
    text = text_box(page.opening_text(DEMO.slug, EXAMPLES[0]), "Text", lines=2)
    examples(text, EXAMPLES)
    strip = TokenStrip(name="The text, token by token", min_height=92)
    with gr.Row():
        counts = Facts(min_height=50, scale=3, min_width=300)
        control = gr.Checkbox(
            label="Read special-token text as control tokens", value=False, scale=1, min_width=220
        )
    with gr.Accordion("The same text, cut three ways", open=True):
        characters = TokenStrip(name="Characters", selectable=False, compact=True)
        whole_words = TokenStrip(name="Whole words", selectable=False, compact=True)
        subwords = TokenStrip(name="Subwords", selectable=False, compact=True)
    with gr.Accordion("Special tokens of this model", open=False):
        specials = TokenStrip(name="Special tokens", selectable=False, compact=True)
    code = code_panel()
    link_row.build(page, link_of, [text, control, strip])

    outputs = [strip, counts, characters, whole_words, subwords, code]
    # change, not input: Gradio's input is sent for keys that print, not for paste or backspace
    typed = [page.query, text, control]
    page.connect(text.change, retyped, typed, outputs, latest_only=True, uses_model=False)
    page.connect(control.input, cut, [text, control], outputs, latest_only=True, uses_model=False)
    page.connect(
        strip.pick, look, [text, control, strip], [counts], latest_only=True, uses_model=False
    )
    link_row.first_view(
        page, DEMO.slug, restore, [*outputs, text, control], cut, [text, control],
        uses_model=False,
    )  # fmt: skip
    page.first_view(special_tokens, [], [specials], uses_model=False)


DEMO = Demo(slug="tokenizer", title="Tokenizer", order=1, build=build)

if __name__ == "__main__":
    from demos.ui.page import run

    run(DEMO)

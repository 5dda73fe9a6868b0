"""How a token and a number look: the one place that decides.

Gives plain JSON values for the page's components; exact numbers are rounded here and
nowhere else. Knows nothing of Gradio, engines or colours beyond their index.
"""

import math
import unicodedata
from itertools import groupby
from typing import Any

from core.measures import surprisal_bits
from core.tokens import Candidate, Token

Json = dict[str, Any]
N_HUES = 8
INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp", "Co", "Cn"}
# letters drawn as nothing, and the character that stands for broken bytes
UNCLEAR = "\u115f\u1160\u2800\u3164\uffa0\ufffd"
GLYPHS = {" ": ("space", "·"), "\n": ("newline", "↵"), "\t": ("tab", "⇥"), "\r": ("newline", "␍")}
UNKNOWN = "unknown: this engine gives only its most likely tokens"
LEAST_PLAIN_PERCENT = 1e-6  # written out; below that the noughts could not be counted
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NO_PREDICTION = "no prediction: nothing stands before it"


def parts(token: Token) -> list[list[str]]:
    """The label of a token as (kind, text) runs: text, space, newline, tab, mark, byte, special."""
    if token.special:
        return [["special", token.piece.decode("utf-8", errors="replace")]]
    if not token.is_text:
        return [["byte", token.piece.hex(" ").upper()]]
    text = token.piece.decode("utf-8")
    glyphs = [_glyph(character, first=i == 0) for i, character in enumerate(text)]
    runs = groupby(glyphs, key=lambda glyph: glyph[0])
    return [[kind, "".join(glyph for _, glyph in run)] for kind, run in runs]


def _glyph(character: str, first: bool) -> tuple[str, str]:
    """(kind, what is drawn) for one character; invisible ones show their code point."""
    if character in GLYPHS:
        return GLYPHS[character]
    category = unicodedata.category(character)
    if category in INVISIBLE or character in UNCLEAR:
        return "mark", f"U+{ord(character):04X}"
    if first and category.startswith("M"):
        return "text", "◌" + character
    return "text", character


def label(token: Token) -> str:
    """The label as one string, for charts and screen readers."""
    return "".join(text for _, text in parts(token))


def hue(token_id: int) -> int:
    """The categorical colour of a token id: the same one everywhere."""
    return (token_id * 5) % N_HUES


def format_prob(prob: float) -> str:
    """A probability as a percentage with two significant digits: 94 %, 0.012 %, 4.2·10⁻⁹ %.

    Only exactly 1 is 100 %.
    """
    percent = 100 * prob
    if prob == 1:
        return "100 %"
    if percent >= 99.995:
        return "≈100 %"
    if percent >= 99:
        return f"{percent:.2f} %"
    if percent >= 10:
        return f"{percent:.0f} %"
    if percent >= LEAST_PLAIN_PERCENT:
        return f"{percent:.{_decimals(percent)}f} %"
    mantissa, _, exponent = f"{percent:.1e}".partition("e")
    return f"{mantissa}·10{str(int(exponent)).translate(RAISED)} %" if percent > 0 else "0 %"


def _decimals(value: float) -> int:
    """Decimals that leave two significant digits of a value below 10."""
    exponent = int(f"{value:.1e}".partition("e")[2])
    return max(0, 1 - exponent)


def format_bits(bits: float | None) -> str:
    """Bits with two decimals; a dash where there are none."""
    return "–" if bits is None else f"{bits + 0.0:.2f}"


def format_change(bits: float, decimals: int = 2) -> str:
    """A change in bits with its sign: +1.25, −0.50; 0.00 has none."""
    rounded = round(bits, decimals)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}{abs(rounded):.{decimals}f}"


def format_exact(value: float) -> str:
    """A number with all the digits a float32 holds, for hover texts."""
    return f"{value:.9g}"


def token_facts(token: Token) -> list[list[str]]:
    """(term, value) rows that are true of a token whatever the model says."""
    facts = [["text", repr(token.text)], ["token id", str(token.id)]]
    if token.special:
        return [*facts, ["kind", "special token"]]
    return [*facts, ["bytes", token.piece.hex(" ").upper()]]


def chip(token: Token, *, character: str | None = None, **extra: Any) -> Json:
    """One token for the strip; ``character`` is what its bytes are a part of.

    ``extra`` may add ``heat`` (a step of the surprise scale, 0…7), ``mark``, ``tone``,
    ``turn`` (the role word a turn opens with) and further ``facts``.
    """
    facts = token_facts(token) + extra.pop("facts", [])
    if character is not None:
        facts.append(["part of", character])
    shown = {"id": token.id, "parts": parts(token), "hue": hue(token.id), "facts": facts}
    if token.special:
        shown["special"] = True
    if not token.special and b"\n" in token.piece:
        shown["breaks"] = True
    return shown | extra


def plain_chip(text: str) -> Json:
    """A chip for a piece of text that is no token: it has no id."""
    piece = Token(-1, text.encode())
    facts = [["text", repr(text)], ["bytes", piece.piece.hex(" ").upper()]]
    shown = {"id": -1, "parts": parts(piece), "hue": hue(sum(piece.piece)), "facts": facts}
    return shown | ({"breaks": True} if "\n" in text else {})


def probability_facts(candidate: Candidate) -> list[list[str]]:
    """(term, value) rows of one prediction, in full."""
    logprob, rank = candidate.logprob, candidate.rank
    if not candidate.known:
        return [[name, UNKNOWN] for name in ("probability", "surprisal", "log-prob", "rank")]
    return [
        ["probability", format_exact(math.exp(logprob))],
        ["surprisal", f"{surprisal_bits(logprob):.6f} bits"],
        ["log-prob", f"{logprob:.6f}"],
        ["rank", "unknown" if rank is None else f"{rank:,}"],
    ]


def candidate_row(token: Token, candidate: Candidate) -> Json:
    """One row of the candidate list: label, probability, bits, rank and the exact numbers."""
    prob = math.exp(candidate.logprob)
    return {
        "id": token.id,
        "parts": parts(token),
        "hue": hue(token.id),
        "special": token.special,
        "prob": prob,
        "prob_label": format_prob(prob) if candidate.known else "unknown",
        "bits_label": format_bits(surprisal_bits(candidate.logprob) if candidate.known else None),
        "rank": candidate.rank,
        "facts": token_facts(token) + probability_facts(candidate),
    }


def rest_row(prob: float, n_tokens: int) -> Json:
    """The last row of every list: all other tokens together."""
    return {
        "label": f"everything else: {n_tokens:,} tokens",
        "prob": prob,
        "prob_label": format_prob(prob),
        "facts": [["probability", format_exact(prob)], ["tokens", f"{n_tokens:,}"]],
    }

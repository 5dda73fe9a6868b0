"""The numbers under a scored text: of the whole of it, of a selection, and to compare with.

Knows nothing of how a page shows a text.
"""

import gradio as gr

from core import display
from core.engines import ModelInfo
from core.measures import REFERENCE_POINTS, Measures
from demos.ui.component import Facts
from demos.ui.glossary import fact
from demos.ui.views import Json

EXACT = "float32"


def of_text(
    info: ModelInfo, whole: Measures, n_rest: int = 0, *, exactly: bool = False
) -> list[Json]:
    """The measures of a text; ``n_rest`` of its tokens are not scored, and then not measured.

    ``exactly``: whether it was computed in float32 on request.
    """
    return [*_how_far(whole.n_tokens, n_rest), *_whole_facts(whole), *_dtype_facts(info, exactly)]


def of_span(span: Measures, n_selected: int) -> list[Json]:
    """The measures of a selection of ``n_selected`` tokens, as far as they are scored."""
    n = f"{n_selected:,} token{'s' if n_selected != 1 else ''}"
    n = n if n_selected == span.n_tokens else f"{span.n_tokens:,} of {n}"
    if span.total_bits is None:
        return [
            fact("selected", n),
            fact("total bits", "no prediction", display.NO_PREDICTION),
        ]
    exact = f"{span.total_bits:.6f} bits over {span.n_scored} predicted tokens"
    return [
        fact("selected", n),
        fact("total bits", display.format_bits(span.total_bits), exact),
        fact("bits per token", display.format_bits(span.bits_per_token), exact),
    ]


def place() -> tuple[Facts, Facts]:
    """(numbers of the selection, numbers of the whole text), and what to compare them with."""
    gr.Markdown("**Selected**", elem_classes="lab-quiet")
    selected = Facts(min_height=50)
    gr.Markdown("**The whole text**", elem_classes="lab-quiet")
    whole = Facts(min_height=104)
    gr.Markdown(reference_line(), elem_classes="lab-quiet")
    return selected, whole


def reference_line() -> str:
    """The reference points in one line, each with its bits and its perplexity."""
    points = (
        f"{point.name}: **{display.format_bits(point.bits)} bits** "
        f"(perplexity {point.perplexity:.3g})"
        for point in REFERENCE_POINTS
    )
    return "For comparison: " + " · ".join(points)


def _how_far(n: int, n_rest: int) -> list[Json]:
    return [fact("measured so far", f"{n:,} of {n + n_rest:,} tokens")] if n_rest else []


def _whole_facts(whole: Measures) -> list[Json]:
    """The measures of the whole text, with the bridge from bits to perplexity."""
    if whole.total_bits is None:
        return [fact("tokens scored", "0", "a single token has nothing before it")]
    bridge = (
        f"2^{whole.bits_per_token:.6f} bits = e^{whole.nats_per_token:.6f} nats "
        f"= {whole.perplexity:.6f}"
    )
    return [
        fact("total bits", display.format_bits(whole.total_bits), f"{whole.total_bits:.6f}"),
        fact("tokens scored", f"{whole.n_scored:,}"),
        fact("bits per token", display.format_bits(whole.bits_per_token), bridge),
        fact("perplexity", f"{whole.perplexity:.2f}", bridge),
        fact(
            "bits per byte",
            display.format_bits(whole.bits_per_byte),
            f"{whole.bits_per_byte}, over the {whole.n_bytes:,} bytes of the predicted tokens",
        ),
    ]


def _dtype_facts(info: ModelInfo, exactly: bool) -> list[Json]:
    """What the numbers were computed in, where there is a choice."""
    if info.dtype == EXACT:
        return []
    if not info.recomputes:
        return [fact("computed in", info.dtype)]
    rounded = f"{info.dtype} keeps fewer digits at every step; “Recompute exactly” uses {EXACT}"
    return [fact("computed in", EXACT) if exactly else fact("computed in", info.dtype, rounded)]

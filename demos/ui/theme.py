"""The look of every page: theme, style sheet, and the constant scripts in the head.

No request leaves the page: fonts are the system's own. Colours come from
``core.palette``. Knows nothing of demos.
"""

from pathlib import Path

import gradio as gr

from core import palette

STYLE_SHEET = Path(__file__).parent / "lab.css"
ANSWER_STREAM = (Path(__file__).parent / "answer_stream.js").read_text(encoding="utf-8")
DESK_KEYS = (Path(__file__).parent / "desk_keys.js").read_text(encoding="utf-8")
EMBED = (Path(__file__).parent / "embed.js").read_text(encoding="utf-8")
SYSTEM_FONT = ["system-ui", "-apple-system", "Segoe UI", "Noto Sans", "sans-serif"]
MONO_FONT = ["ui-monospace", "Cascadia Mono", "DejaVu Sans Mono", "Noto Sans Mono", "monospace"]

THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.blue,
    neutral_hue=gr.themes.colors.slate,
    font=SYSTEM_FONT,
    font_mono=MONO_FONT,
    radius_size=gr.themes.sizes.radius_md,
    spacing_size=gr.themes.sizes.spacing_md,
)

# Gradio keeps what a style sheet says for phones to the contents, and hides but half of its footer
FOOTER = "@media (max-width: 640px) { footer .divider { display: none; } }"
HEAD = f"""
<style>{FOOTER}</style>
<script>{ANSWER_STREAM}</script>
<script>{DESK_KEYS}</script>
<script>{EMBED}</script>
"""


def css() -> str:
    """The style sheet with the palette's colours as variables, light and dark."""
    light = _variables("light")
    dark = _variables("dark")
    sheet = STYLE_SHEET.read_text(encoding="utf-8")
    return f":root {{ {light} }}\n.dark {{ {dark} }}\n{_scales()}\n{sheet}"


def _variables(mode: str) -> str:
    scales = {
        "heat": palette.HEAT[mode],
        "hue": palette.HUES[mode],
        "change": palette.CHANGE[mode],
    }
    return " ".join(
        f"--lab-{name}-{i}: {colour}; --lab-{name}-{i}-ink: {palette.text_on(colour)};"
        for name, colours in scales.items()
        for i, colour in enumerate(colours)
    ) + (
        f" --lab-model: {palette.MODEL}; --lab-sampler: {palette.SAMPLER};"
        f" --lab-chosen: {palette.CHOSEN}; --lab-rest: {palette.REST};"
    )


def _scales() -> str:
    """One rule for each step of the scales and each token colour."""
    sizes = {"heat": len(palette.HEAT["light"]), "hue": len(palette.HUES["light"])}
    sizes["change"] = len(palette.CHANGE["light"])
    return "\n".join(
        f".lab-chip[data-{name}='{i}'] "
        f"{{ background: var(--lab-{name}-{i}); color: var(--lab-{name}-{i}-ink); }}"
        for name, n in sizes.items()
        for i in range(n)
    )

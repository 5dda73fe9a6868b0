"""All that is Gradio, which is imported here first and quickly."""

from demos.ui.quick_start import no_type_stubs, uncollected

with uncollected(), no_type_stubs():
    import gradio  # noqa: F401

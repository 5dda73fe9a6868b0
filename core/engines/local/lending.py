"""Opening a model where Hugging Face lends a GPU for one call at a time, with one for the CPU.

Knows nothing of how a call is made.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import torch
from transformers.utils import logging as transformers_logging

from core import catalogue
from core.config import Settings
from core.engines.local.engine import LocalEngine, opened
from core.engines.local.limits import Limits
from core.engines.local.verified import way_through
from core.engines.local.zero import Ask, LentPredictor, Tell, on_gpu, seconds_of
from core.engines.text_side import TextSide
from core.errors import WeightsError
from core.progress import Progress, Report
from core.weights import obtain

ZERO_NOTE = (
    "Hugging Face lends a GPU for each answer, so nothing is kept there or prepared ahead. "
    "When your GPU time is used up, {} answers on the CPU, and the page says so."
)


def open_zero(
    settings: Settings, report: Report, tell: Tell, wrap: Callable[..., Ask] | None = None
) -> LocalEngine:
    """The model of a ZeroGPU Space, on the CPU until its predictor's ``lend`` is called.

    ``wrap`` is put around the function that needs a GPU, by default ``spaces.GPU``.
    """
    if wrap is None:
        import spaces  # which makes torch say there is a GPU, where one is lent

        wrap = spaces.GPU
    found = obtain(settings, True, report)
    report(Progress(f"Loading {found.name} into memory"))
    transformers_logging.disable_progress_bar()
    dtype = getattr(torch, settings.dtype or "bfloat16")
    model, text_side = opened(found, settings, dtype, "cpu")
    small = _for_want_of_a_gpu(text_side, settings, report)
    limits = Limits.of(model, settings)
    asked = wrap(on_gpu, duration=seconds_of)
    answers = (small.info.name, small.predictor)
    lent = LentPredictor(model, type(way_through(model)), limits, asked, answers, tell)
    engine = LocalEngine(model, text_side, settings, lent)
    note = f"{found.note} {ZERO_NOTE.format(small.info.name)}".strip()
    engine.info = replace(engine.info, device="ZeroGPU", note=note)
    return engine


def _for_want_of_a_gpu(text_side: TextSide, settings: Settings, report: Report) -> LocalEngine:
    """A model for the CPU with the same tokens: the catalogue's smaller one, or the same."""
    found, on_cpu = text_side.found, replace(settings, dtype="float32", lookahead=0)
    spec = catalogue.find(found.name)
    if spec is not None and spec.smaller:
        with suppress(WeightsError):
            smaller = obtain(replace(on_cpu, model=spec.smaller), False, report)
            small = LocalEngine(*opened(smaller, on_cpu, torch.float32, "cpu"), on_cpu)
            if small.vocabulary == text_side.vocabulary:
                return small
    return LocalEngine(*opened(found, on_cpu, torch.float32, "cpu"), on_cpu)

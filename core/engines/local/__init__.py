"""A model in this process: the only package that imports torch."""

from core.engines.local.engine import LocalEngine, has_gpu, open_local
from core.engines.local.lending import open_zero

__all__ = ["LocalEngine", "has_gpu", "open_local", "open_zero"]

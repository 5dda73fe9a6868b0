"""A model in this process: the only package that imports torch."""

from core.engines.local.engine import LocalEngine, open_local

__all__ = ["LocalEngine", "open_local"]

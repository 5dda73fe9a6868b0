"""The demos: one file each, found by looking; a sixth is one new file."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Demo:
    """One demo: ``build(page)`` lays it out and connects it; ``order`` is its tab's place."""

    slug: str
    title: str
    order: int
    build: Callable[[Any], None]


def discover() -> list[Demo]:
    """Every ``DEMO`` of the modules in this package, in order."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return sorted((m.DEMO for m in modules), key=lambda demo: demo.order)

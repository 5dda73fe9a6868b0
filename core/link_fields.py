"""How one value is written in a link and read back: strict, bounded, one kind at a time.

``Kind.read`` raises ValueError or LabError for whatever is not exactly such a value, before
anything large is made of it. Knows nothing of which demo has which values.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Generic, TypeVar

from core.errors import InputError
from core.limits import MAX_CHARACTERS, check_text
from core.sampling import MAX_TEMPERATURE, Sampler

MOST_TOKENS = 8192
MOST_VOCABULARY = 2**20
MOST_MESSAGES = 200
MOST_DEPTH = 16
LARGEST_EXACT = 2**53  # whole numbers up to here are exact in JSON everywhere

T = TypeVar("T")
Run = tuple[int, int, int, float]  # start, stop, seed, temperature of tokens drawn in a row


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of value; ``means`` says what it must be, as the end of a sentence."""

    write: Callable[[T], str]
    read: Callable[[str], T]
    means: str


@dataclass(frozen=True)
class Drawn:
    """How one token of a document was drawn: its position, r (None: greedy) and the sampler."""

    at: int
    r: float | None
    sampler: Sampler


def said(kind: Kind[Any], default: Any) -> Any:
    """A dataclass field that a link carries as a parameter of the same name."""
    return field(default=default, metadata={"kind": kind})


def matching(pattern: str, means: str) -> Kind[str]:
    """Text of a fixed form, and nothing else."""

    def read(text: str) -> str:
        _require(re.fullmatch(pattern, text, re.ASCII))
        return text

    return Kind(str, read, means)


def whole(low: int, high: int) -> Kind[int]:
    """A whole number in [low, high]."""

    def read(text: str) -> int:
        number = _digits(text)
        _require(low <= number <= high)
        return number

    return Kind(str, read, f"a whole number from {low:,} to {high:,}")


def real(fits: Callable[[float], bool], means: str) -> Kind[float]:
    """A finite number for which ``fits`` holds, exact to the last bit."""

    def read(text: str) -> float:
        number = _float(text)
        _require(fits(number))
        return number

    return Kind(_exactly, read, means)


def choice(*names: str) -> Kind[str]:
    """One of a few words."""
    return matching("|".join(map(re.escape, names)), f"one of {', '.join(names)}")


def _read_text(text: str) -> str:
    return check_text(text, may_be_empty=True)


def _read_flag(text: str) -> bool:
    _require(text in ("0", "1"))
    return text == "1"


def _write_span(span: tuple[int, int]) -> str:
    return f"{span[0]}:{span[1]}"


def _read_span(text: str) -> tuple[int, int]:
    start, _, stop = text.partition(":")
    span = _digits(start), _digits(stop)
    _require(span[0] < span[1] <= MOST_PLACE)
    return span


def _write_ids(ids: tuple[int, ...]) -> str:
    return ",".join(map(str, ids))


def _read_ids(text: str) -> tuple[int, ...]:
    ids = tuple(map(_digits, _items(text)))
    _require(max(ids) < MOST_VOCABULARY)
    return ids


def _write_places(places: tuple[int, ...]) -> str:
    """Positions in order as runs: 5:9,12:13 for 5, 6, 7, 8 and 12."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([place, place + 1])
    return ",".join(f"{start}:{stop}" for start, stop in runs)


def _read_places(text: str) -> tuple[int, ...]:
    places: list[int] = []
    for run in _items(text):
        start, stop = _read_span(run)
        _require(stop <= MOST_TOKENS and start >= (places[-1] + 1 if places else 0))
        places += range(start, stop)
    return tuple(places)


def _write_draws(draws: tuple[Drawn, ...]) -> str:
    """Each draw as at:r, with the sampler's settings after it where they changed."""
    items, before = [], None
    for draw in draws:
        items.append(f"{draw.at}:{'greedy' if draw.r is None else _exactly(draw.r)}")
        if draw.sampler != before:
            s = before = draw.sampler
            items[-1] += f":{_exactly(s.temperature)}:{s.top_k}:{_exactly(s.top_p)}"
            items[-1] += f":{_exactly(s.min_p)}"
    return ",".join(items)


def _read_draws(text: str) -> tuple[Drawn, ...]:
    draws: list[Drawn] = []
    for item in _items(text):
        at, r, *settings = item.split(":")
        sampler = _sampler(settings) if settings else draws[-1].sampler if draws else None
        _require(sampler is not None and (r == "greedy") == sampler.greedy)
        draws.append(Drawn(_digits(at), None if r == "greedy" else R.read(r), sampler))  # type: ignore[arg-type]
        _require(len(draws) == 1 or draws[-2].at < draws[-1].at)
    return tuple(draws)


def _write_runs(runs: tuple[Run, ...]) -> str:
    return ",".join(f"{a}:{b}:{seed}:{_exactly(heat)}" for a, b, seed, heat in runs)


def _read_runs(text: str) -> tuple[Run, ...]:
    runs: list[Run] = []
    for item in _items(text):
        start, stop, seed, temperature = item.split(":")
        run = _digits(start), _digits(stop), SEED.read(seed), TEMPERATURE.read(temperature)
        _require((runs[-1][1] if runs else 1) <= run[0] < run[1] <= MOST_TOKENS)
        runs.append(run)
    return tuple(runs)


def _sampler(settings: list[str]) -> Sampler:
    temperature, top_k, top_p, min_p = settings
    return Sampler(_float(temperature), TOP_K.read(top_k), _float(top_p), _float(min_p))


def _write_json(values: tuple[dict[str, Any], ...]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _read_objects(text: str) -> tuple[dict[str, Any], ...]:
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise InputError("That is nested too deeply. Flatten it.") from error
    _require(isinstance(values, list) and len(values) <= MOST_MESSAGES)
    _require(all(isinstance(value, dict) for value in values))
    _check_json(values)
    return tuple(values)


def _read_messages(text: str) -> tuple[dict[str, Any], ...]:
    messages = _read_objects(text)
    for message in messages:
        _require(isinstance(message.get("role"), str) and 0 < len(message["role"]) <= 40)
        _require(isinstance(message.get("content"), str))
    return messages


def _check_json(value: Any, depth: int = 0) -> None:
    """Every text can be tokenized, every number is finite and exact, nothing is too deep."""
    _require(depth <= MOST_DEPTH)
    if isinstance(value, str):
        _read_text(value)
    elif isinstance(value, int | float):
        _require(abs(value) <= LARGEST_EXACT)  # neither NaN nor infinity, nor too many digits
    elif isinstance(value, dict | list):
        for item in [*value, *(value.values() if isinstance(value, dict) else ())]:
            _check_json(item, depth + 1)


def _items(text: str) -> list[str]:
    items = text.split(",", MOST_TOKENS)
    _require(len(items) <= MOST_TOKENS)
    return items


def _digits(text: str) -> int:
    """The number that up to ten digits spell."""
    _require(re.fullmatch("[0-9]{1,10}", text))
    return int(text)


def _exactly(number: float) -> str:
    """A number with all its digits; 0 for −0, which no slider shows."""
    return repr(float(number) + 0.0)


def _float(text: str) -> float:
    _require(re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,25})?(e-?[0-9]{1,3})?", text))
    number = float(text)
    _require(isfinite(number))
    return number


def _require(condition: object) -> None:
    if not condition:
        raise InputError("That is not such a value.")


MOST_PLACE = 4 * MAX_CHARACTERS + MOST_TOKENS  # a token for every byte of the longest text
TEXT = Kind(str, _read_text, f"text of at most {MAX_CHARACTERS:,} characters, without NUL")
# no colon and no "..": such a name is only ever compared and shown, never opened
MODEL = matching(
    r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?",
    "a model's name",
)
REVISION = matching("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "the name of a revision")
SPELLING = matching("[0-9a-f]{16}", "sixteen digits from 0 to f")
FLAG: Kind[bool] = Kind(lambda on: "1" if on else "0", _read_flag, "0 or 1")
SPAN = Kind(_write_span, _read_span, "start:stop, two token positions, the second larger")
PLACE = whole(0, MOST_PLACE)
IDS = Kind(
    _write_ids,
    _read_ids,
    f"at most {MOST_TOKENS:,} token ids below {MOST_VOCABULARY:,}, with commas between them",
)
PLACES = Kind(_write_places, _read_places, "runs of positions in order, such as 5:9,12:13")
DRAWS = Kind(_write_draws, _read_draws, "draws in order, such as 5:0.25:1.0:0:0.9:0.0,6:0.5")
RUNS = Kind(
    _write_runs,
    _read_runs,
    "start:stop:seed:temperature of draws in order, such as 9:20:1:0.8",
)
TEMPERATURE = real(lambda t: 0 <= t <= MAX_TEMPERATURE, f"a number from 0 to {MAX_TEMPERATURE:g}")
TOP_K = whole(0, MOST_VOCABULARY)
TOP_P = real(lambda p: 0 < p <= 1, "a number above 0 and at most 1")
MIN_P = real(lambda p: 0 <= p <= 1, "a number from 0 to 1")
R = real(lambda r: 0 <= r < 1, "a number from 0 to below 1")
SEED = whole(0, 2**32 - 1)
MESSAGES = Kind(
    _write_json,
    _read_messages,
    f"JSON: at most {MOST_MESSAGES} messages, each with a role and a content",
)
OBJECTS = Kind(_write_json, _read_objects, f"JSON: a list of at most {MOST_MESSAGES} objects")

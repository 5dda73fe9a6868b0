"""A course file: what an instructor makes of Token Lab, read strictly from TOML.

A mistake stops with its line and what to write instead. Knows nothing of pages: a course is
plain values, its questions' states those of links.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from core.errors import ConfigError, LabError
from core.limits import check_text
from core.link_fields import MODEL
from core.link_states import STATES, LinkState
from core.links import from_query, to_query

MOST_BYTES = 200_000
MOST_QUESTIONS = 100
MOST_TITLE = 80
MOST_QUESTION = 2_000
ANEW = "Copy it anew with “Copy link”."
Where = tuple[str | int, ...]


@dataclass(frozen=True)
class Question:
    """One question of a handout and the state it begins with; its number is its place."""

    text: str
    state: LinkState

    @property
    def query(self) -> str:
        """The link to its state, after the "?"."""
        return to_query(self.state)


@dataclass(frozen=True)
class Course:
    """What a course sets: ``demos`` () means all, ``texts`` are {demo: the text it opens with}."""

    title: str = "Token Lab"
    model: str | None = None
    demos: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()


def read_course(path: Path, slugs: Sequence[str] = tuple(STATES)) -> Course:
    """The course in a file; ``slugs`` are the demos there are. Raises ConfigError."""
    try:
        data = path.read_bytes()
        source = data.decode()
    except OSError as error:
        raise ConfigError(
            f"The course file {path} can't be read: {error.strerror}. "
            "Set LAB_COURSE to a TOML file that exists, or leave it unset."
        ) from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8. Save it as UTF-8.") from error
    return parse_course(source, str(path), slugs)


def parse_course(
    source: str, name: str = "the course file", slugs: Sequence[str] = tuple(STATES)
) -> Course:
    """The course in the text of a TOML file called ``name``. Raises ConfigError."""
    if len(source) > MOST_BYTES:
        raise ConfigError(f"{name} has more than {MOST_BYTES:,} characters. Shorten it.")
    try:
        given = tomllib.loads(source)
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        raise ConfigError(_not_toml(name, source, str(error))) from error
    try:
        return _Reader(slugs).course(given)
    except _Mistake as mistake:
        line = line_of(source, mistake.where)
        raise ConfigError(f"{name}, line {line}: {mistake.sentence}") from mistake


def _not_toml(name: str, source: str, why: str) -> str:
    """The sentence about a file that is not TOML, its line in front."""
    at = re.search(r" \(at (line (\d+), column \d+|end of document)\)$", why)
    # a text that is never closed is an error at the end: say where it begins
    line = at[2] if at and at[2] else max((n for n, _ in _beginnings(source)), default=0) + 1
    why = why[: at.start()] if at else why
    return (
        f"{name}, line {line}: this is not valid TOML: {why}. Texts stand in double quotes, "
        "lists in square brackets, and every name has an = after it."
    )


def line_of(source: str, where: Where) -> int:
    """The line on which the statement begins that makes ``where`` exist; 1 for the whole file.

    Found by reading longer and longer beginnings of the file, so that texts of several lines
    and comments can't mislead it.
    """
    begins = 0
    for n, found in _beginnings(source):
        if _holds(found, where):
            return begins + 1
        begins = n
    return 1


def _beginnings(source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of lines, what they say) of every beginning of a file that is whole TOML."""
    lines = source.splitlines()
    for n in range(1, len(lines) + 1):
        try:
            yield n, tomllib.loads("\n".join(lines[:n]))
        except ValueError:  # in the midst of a statement
            continue


def _holds(value: Any, where: Where) -> bool:
    for step in where:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return bool(where)


class _Mistake(Exception):
    """What is wrong at a place of the file, as a sentence with its remedy."""

    def __init__(self, where: Where, sentence: str) -> None:
        super().__init__(sentence)
        self.where, self.sentence = where, sentence


class _Reader:
    """Reads the parts of a course for the demos there are."""

    def __init__(self, slugs: Sequence[str]) -> None:
        self.slugs = slugs
        self.demos: tuple[str, ...] = ()

    def course(self, given: dict[str, Any]) -> Course:
        """The whole file."""
        _only(given, ("title", "model", "demos", "texts", "questions"), ())
        self.demos = self._demos(given.get("demos", []))
        return Course(
            title=_words(given.get("title", Course.title), ("title",), MOST_TITLE),
            model=_model(given.get("model")),
            demos=self.demos,
            texts=self._texts(given.get("texts", {})),
            questions=self._questions(given.get("questions", [])),
        )

    def _demos(self, demos: Any) -> tuple[str, ...]:
        where = ("demos",)
        _check(isinstance(demos, list), where, 'demos must be a list, such as ["next-token"].')
        for slug in demos:
            self._slug(slug, where)
        _check(len(set(demos)) == len(demos), where, "A demo is named twice. Name each once.")
        return tuple(demos)

    def _slug(self, slug: Any, where: Where) -> str:
        if not isinstance(slug, str) or slug not in self.slugs:
            near = get_close_matches(str(slug), self.slugs, 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise _Mistake(
                where, f"{slug!r} is no demo.{meant} Write one of {', '.join(self.slugs)}."
            )
        return slug

    def _opened(self, slug: Any, where: Where) -> str:
        """A demo that has a page in this course."""
        self._slug(slug, where)
        left_out = f"{slug} is not among the demos of this course. Add it to them."
        _check(not self.demos or slug in self.demos, where, left_out)
        return str(slug)

    def _texts(self, texts: Any) -> dict[str, str]:
        _check(isinstance(texts, dict), ("texts",), "texts must be a table: [texts].")
        for slug, text in texts.items():
            _text(text, ("texts", self._slug(slug, ("texts", slug))))
        return dict(texts)

    def _questions(self, questions: Any) -> tuple[Question, ...]:
        tables = isinstance(questions, list) and all(isinstance(q, dict) for q in questions)
        _check(tables, ("questions",), "questions must be tables: begin each with [[questions]].")
        _check(
            len(questions) <= MOST_QUESTIONS,
            ("questions", MOST_QUESTIONS),
            f"There are more than {MOST_QUESTIONS} questions. Use a second course file.",
        )
        return tuple(self._question(q, ("questions", i)) for i, q in enumerate(questions))

    def _question(self, given: dict[str, Any], where: Where) -> Question:
        _only(given, ("text", "demo", "link", "state"), where)
        _check("text" in given, where, 'This question has no text. Add text = "…".')
        text = _words(given["text"], (*where, "text"), MOST_QUESTION)
        _check(
            ("link" in given) != ("demo" in given),
            where,
            "A question needs either link, or demo with [questions.state] below it.",
        )
        if "link" in given:
            _check("state" not in given, where, "Give link or state, not both: delete one.")
            return Question(text, self._linked(given["link"], (*where, "link")))
        slug = self._opened(given["demo"], (*where, "demo"))
        _check(slug in STATES, (*where, "demo"), f"{slug} has no links. Choose another demo.")
        return Question(text, _state(slug, given.get("state", {}), (*where, "state")))

    def _linked(self, link: Any, where: Where) -> LinkState:
        _check(isinstance(link, str), where, "link must be text, as “Copy link” gives it.")
        query = link.rpartition("?")[2]
        _check("v=1" in query and "demo=" in query, where, "This is no link of Token Lab. " + ANEW)
        state, notes = from_query(query)
        _check(not notes, where, " ".join([*notes, ANEW]))
        self._opened(state.demo, where)
        return state


def _model(name: Any) -> str | None:
    """A name of the catalogue or a Hub id; None where the course leaves it open."""
    try:
        return None if name is None else MODEL.read(name)
    except (TypeError, LabError) as error:
        example = 'such as "smollm2-135m-instruct"'
        raise _Mistake(("model",), f"model must be a model's name or Hub id, {example}.") from error


def _state(slug: str, given: Any, where: Where) -> LinkState:
    """The state that a question's fields say; each is a parameter of a link."""
    _check(isinstance(given, dict), where, "state must be a table: [questions.state].")
    kinds = {f.name: f.metadata["kind"] for f in fields(STATES[slug])}
    _only(given, tuple(kinds), where)
    values = {}
    for name, value in given.items():
        try:
            values[name] = kinds[name].read(_parameter(value))
        except (ValueError, LabError) as error:
            raise _Mistake((*where, name), f"{name} must be {kinds[name].means}.") from error
    state, notes = STATES[slug](**values).settled()
    _check(not notes, where, " ".join(notes))
    return state


def _parameter(value: Any) -> str:
    """A TOML value as a link writes it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list) and all(type(item) is int for item in value):
        return ",".join(map(str, value))
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def _only(given: Mapping[str, Any], known: Sequence[str], where: Where) -> None:
    """Every key is one that is read."""
    for key in given:
        near = get_close_matches(key, known, 1)
        meant = f"Did you mean {near[0]}?" if near else f"Write one of {', '.join(known)}."
        _check(key in known, (*where, key), f"{key!r} is not known here. {meant}")


def _words(text: Any, where: Where, most: int) -> str:
    """Some words, not too many."""
    name = where[-1]
    _check(isinstance(text, str) and bool(text.strip()), where, f"{name} must be some words.")
    _check(len(text) <= most, where, f"{name} has more than {most:,} characters. Shorten it.")
    return _text(text, where)


def _text(text: Any, where: Where) -> str:
    """A text that a page can show and a tokenizer can take."""
    try:
        return check_text(text)
    except LabError as error:
        raise _Mistake(where, str(error)) from error


def _check(condition: bool, where: Where, sentence: str) -> None:
    if not condition:
        raise _Mistake(where, sentence)

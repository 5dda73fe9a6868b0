"""Which question of a course a page was opened with: ``?q=7``, and the state it begins with.

Knows nothing of pages or engines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from core.course import Course, Question

MOST_LABEL = 90  # characters of a question in a list


@dataclass(frozen=True)
class Asked:
    """A question and its number, from 1; ``number`` 0: none, ``refused``: one there is not."""

    number: int = 0
    question: Question | None = None
    refused: bool = False


def asked(course: Course, query: Any) -> Asked:
    """The question that the parameters of an address name. Never raises."""
    named = query.get("q") if isinstance(query, Mapping) else None
    if named is None or not course.questions:
        return Asked()
    known = {str(n): question for n, question in enumerate(course.questions, start=1)}
    if not isinstance(named, str) or named not in known:
        return Asked(refused=True)
    return Asked(int(named), known[named])


def with_question(course: Course, query: Mapping[str, str]) -> dict[str, str]:
    """The parameters with those of the question's state; a link's own state comes first."""
    question = asked(course, query).question
    if question is None or "v" in query:
        return dict(query)
    return dict(query) | dict(parse_qsl(question.query, keep_blank_values=True))


def label(question: Question) -> str:
    """The beginning of a question on one line."""
    words = " ".join(question.text.split())
    return words if len(words) <= MOST_LABEL else words[: MOST_LABEL - 1].rstrip() + "…"

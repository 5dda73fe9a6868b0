"""docs/links.md and courses.md tell the truth: what stands in them is read and used here."""

import re
from dataclasses import fields
from html import unescape
from pathlib import Path

import pytest

from core import embed, links
from core.course import parse_course, read_course
from core.errors import ConfigError
from core.link_check import checked_for
from core.link_states import STATES
from core.links import from_query, to_query
from core.questions import asked

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "links.md").read_text(encoding="utf-8")
COURSE_PAGE = (DOCS / "courses.md").read_text(encoding="utf-8")
LINKS = re.findall(r"^\?v=1.*$", PAGE, re.MULTILINE)
COURSES = re.findall(r"```toml\n(.*?)```", COURSE_PAGE, re.DOTALL)
COMMANDS = re.findall(r"LAB_COURSE=(\S+) python (\S+)", COURSE_PAGE)
ROWS = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in re.findall(r"^\| `.*\|$", PAGE, re.MULTILINE)
]


@pytest.mark.parametrize("link", LINKS)
def test_every_link_is_read_whole_and_can_be_shown(toy, link):
    """Without a note, on the model it is about and as a link of our own."""
    state, notes = from_query(link)
    assert notes == []
    assert checked_for(toy, state) == (state, [])
    assert from_query(to_query(state)) == (state, [])
    assert state != type(state)()


def test_there_is_a_link_for_every_demo():
    """Five examples, one each."""
    assert [from_query(link)[0].demo for link in LINKS] == list(STATES)


def test_every_course_and_command_works():
    """The course in the page parses, and the command's files exist."""
    (source,) = COURSES
    course = parse_course(source)
    assert len(course.questions) == 2
    assert course.demos == ("next-token", "surprisal")
    for file, program in COMMANDS:
        assert (DOCS.parent / program).is_file()
        assert read_course(DOCS.parent / file).questions
    assert len(COMMANDS) == 1


def test_the_mistake_is_the_one_that_is_shown():
    """The sentence in the page is what the program says of such a file."""
    (source,) = COURSES
    said = re.search(r"Token Lab can't start: (.*)", COURSE_PAGE)[1]
    with pytest.raises(ConfigError) as error:
        parse_course(source.replace('"surprisal"]', '"suprisal"]'), "unit3.toml")
    assert str(error.value) == said


def test_every_question_that_is_linked_exists():
    """?q= in the page is a question of the course in it, on the page of its demo."""
    course = parse_course(COURSES[0])
    linked = re.findall(r"^http://127\.0\.0\.1:7860/(\S*)\?q=(\d+)", COURSE_PAGE, re.MULTILINE)
    assert len(linked) == 2
    for slug, number in linked:
        question = asked(course, {"q": number}).question
        assert slug in ("", question.state.demo)


def test_every_state_of_the_example_page_can_be_shown(toy):
    """Each frame's address is a link to the demo whose page it opens, read without a note."""
    page = (DOCS / "course-page.html").read_text(encoding="utf-8")
    frames = re.findall(r'data-demo="([a-z-]+)\?([^"]*)"', page)
    assert len(frames) == 3
    for slug, query in frames:
        state, notes = from_query(unescape(query))
        assert (state.demo, notes) == (slug, [])
        assert checked_for(toy, state) == (state, [])
        assert "embed=1" in query
    assert embed.RESIZER in page


def test_the_table_has_every_parameter():
    """Of every demo, and no other."""
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[0])}
    assert named == {f.name for kind in STATES.values() for f in fields(kind)} | {"z"}


def test_the_table_names_the_demos_of_every_parameter():
    """Each row's demos are those whose links have all the row's parameters."""
    before = ""
    for names, demos, *_ in ROWS:
        demos = before if demos == "the same" else demos
        said = set(STATES) if demos == "all" else set(demos.split(", "))
        for name in re.findall(r"`(\w+)`", names):
            having = {s for s, kind in STATES.items() if name in {f.name for f in fields(kind)}}
            assert name == "z" or said <= having
        before = demos


def test_the_table_gives_the_defaults():
    """Where a row gives as many values as it has parameters, they are theirs."""
    n_checked = 0
    for names, demos, _, default in ROWS:
        values = re.findall(r"`([^`]*)`", default)
        names = re.findall(r"`(\w+)`", names)
        kinds = [STATES[demo] for demo in demos.split(", ")] if values else []
        if len(names) == 1 and len(values) == len(kinds):
            pairs = [(kind, names[0], value) for kind, value in zip(kinds, values, strict=True)]
        else:
            padded = values * len(names) if len(values) == 1 else values
            pairs = [(k, n, v) for k in kinds for n, v in zip(names, padded, strict=True)]
        for kind, name, value in pairs:
            (f,) = (f for f in fields(kind) if f.name == name)
            assert f.metadata["kind"].write(f.default) == value
            n_checked += 1
    assert n_checked >= 15


def test_the_limits_are_those_of_the_code():
    """The numbers in the prose."""
    assert f"at most {links.MOST_LINK:,} characters" in PAGE
    assert f"more than {links.MOST_PLAIN:,} characters" in PAGE

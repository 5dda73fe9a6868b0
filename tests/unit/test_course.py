"""The course file: what it sets, and every kind of mistake stopped with its line and remedy."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import Settings
from core.course import Course, line_of, parse_course, read_course
from core.errors import ConfigError
from core.link_check import checked_for
from core.link_states import STATES, NextTokenLink, SurprisalLink
from core.links import from_query

EXAMPLE = Path(__file__).parents[2] / "docs" / "course-example.toml"
WHOLE = '''\
title = "Unit 3"
model = "google/gemma-3-270m"
demos = ["next-token", "surprisal"]

[texts]
next-token = "The capital"

[[questions]]   # with a text of several lines, in which text = "…" stands
text = """
text = 5
demo = "no"
"""
demo = "next-token"
[questions.state]
text = "The cat"
ids = [1, 2, 3]
picks = "1:3"
ahead = 2

[[questions]]
text = "Second"
link = "https://lab.example/surprisal?v=1&demo=surprisal&text=x&span=0:1"
'''


def test_a_whole_course_is_read():
    """Everything a course can set, in the order it stands."""
    course = parse_course(WHOLE)
    assert (course.title, course.model) == ("Unit 3", "google/gemma-3-270m")
    assert course.demos == ("next-token", "surprisal")
    assert course.texts == {"next-token": "The capital"}
    first, second = course.questions
    assert first.text.startswith("text = 5")
    assert first.state == NextTokenLink(text="The cat", ids=(1, 2, 3), picks=(1, 2), ahead=2)
    assert second.state == SurprisalLink(text="x", span=(0, 1))
    for question in course.questions:
        assert from_query(question.query) == (question.state, [])


def test_an_empty_course_changes_nothing():
    """Everything has a default: all demos, their own texts, no questions."""
    assert parse_course("") == Course()
    assert Course() == Course("Token Lab", None, (), {}, ())


def test_the_example_is_a_course(toy):
    """The file in docs parses, names every demo, and each state can be shown."""
    course = read_course(EXAMPLE)
    assert course.demos == tuple(STATES)
    assert set(course.texts) == set(STATES)
    assert {question.state.demo for question in course.questions} == set(STATES)
    for question in course.questions:
        assert checked_for(toy, question.state) == (question.state, [])


def replaced(old, new):
    assert WHOLE.count(old) == 1
    return WHOLE.replace(old, new)


LINK = "https://lab.example/surprisal?v=1&demo=surprisal&text=x&span=0:1"
QUESTION = '[[questions]]\ntext="x"\nlink="v=1&demo=sampling"\n'
MISTAKES = {
    "not TOML": (replaced("title = ", "title "), 1, "not valid TOML"),
    "not closed": (replaced("[texts]", '[texts'), 5, "not valid TOML"),
    "an end that is missing": (WHOLE + 'x = """', 23, "not valid TOML"),
    "a text that is not closed": (replaced('"no"\n"""', '"no"'), 9, "not valid TOML"),
    "a number too long": ("title = " + "9" * 5000, 1, "not valid TOML"),
    "an unknown name": (replaced("title =", "titel ="), 1, "Did you mean title"),
    "a title that is none": (replaced('"Unit 3"', "5"), 1, "must be some words"),
    "a title too long": (replaced("Unit 3", "U" * 81), 1, "Shorten it"),
    "a title with NUL": (replaced("Unit 3", "U\\u0000"), 1, "Delete it"),
    "a model that is a path": (replaced("google/gemma-3-270m", "../x"), 2, "Hub id"),
    "a model that is none": (replaced('"google/gemma-3-270m"', "1"), 2, "Hub id"),
    "demos that are no list": (replaced('["next-token", "surprisal"]', '"a"'), 3, "list"),
    "an unknown demo": (replaced('"surprisal"]', '"suprisal"]'), 3, "Did you mean surprisal"),
    "a demo that is none": (replaced('"surprisal"]', "5]"), 3, "Write one of"),
    "a demo named twice": (replaced('"surprisal"]', '"next-token"]'), 3, "Name each once"),
    "texts that are no table": ('\n\ntexts = "x"', 3, r"\[texts\]"),
    "a text of no demo": (replaced("next-token = ", "nexttoken = "), 6, "Did you mean next-token"),
    "a text too long": (replaced("The capital", "a" * 20_001), 6, "shorter piece"),
    "a text that is none": (replaced('"The capital"', "[]"), 6, "must be text"),
    "questions that are no tables": ("\nquestions = [1]", 2, r"\[\[questions\]\]"),
    "too many questions": (QUESTION * 101, 301, "second"),
    "a question without a text": (replaced('text = "Second"', ""), 20, "Add text"),
    "a question without words": (replaced('"Second"', '" "'), 21, "some words"),
    "a question of nothing": (WHOLE + "[[questions]]\ntext='x'", 23, "either link, or demo"),
    "a question of two": (WHOLE + 'demo = "surprisal"', 20, "either link, or demo"),
    "a link and a state": (WHOLE + "[questions.state]\n", 20, "not both"),
    "a question of no demo": (replaced('"next-token"\n[q', '"next"\n[q'), 13, "next-token"),
    "an unknown name in a question": (replaced("text = \"Second\"", 'txt = "S"'), 21, "mean text"),
    "a state that is no table": (
        WHOLE + '[[questions]]\ntext="x"\ndemo="surprisal"\nstate=1', 26, "table",
    ),
    "a question about a demo left out": (
        WHOLE + '[[questions]]\ntext="x"\ndemo="sampling"', 25, "Add it to them",
    ),
    "a link to a demo left out": (
        WHOLE + '[[questions]]\ntext="x"\nlink="v=1&demo=sampling"', 25, "Add it to them",
    ),
    "an unknown field": (replaced("ahead = 2", "ahaed = 2"), 18, "Did you mean ahead"),
    "a field of another demo": (replaced("ahead = 2", "top_p = 0.5"), 18, "not known here"),
    "a field out of range": (replaced("ahead = 2", "ahead = 9"), 18, "from 0 to 8"),
    "a field that is a date": (replaced("ahead = 2", "ahead = 2020-01-01"), 18, "from 0 to 8"),
    "ids that are none": (replaced("[1, 2, 3]", "[1, -2]"), 16, "token ids"),
    "picks past the ids": (replaced('"1:3"', '"1:9"'), 14, "its ids"),
    "a link that is none": (replaced(LINK, "a"), 22, "Copy it anew"),
    "a link that is a number": (replaced(f'"{LINK}"', "5"), 22, "Copy link"),
    "a link of a later version": (replaced("?v=1&demo", "?v=2&demo"), 22, "Copy it anew"),
    "a link with a bad value": (replaced("span=0:1", "span=1:0"), 22, "span"),
    "a link to no demo": (replaced("&demo=surprisal", "&demo=x"), 22, "does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_stops_with_its_line_and_a_remedy(what):
    """The sentence names file, line and what to write."""
    source, line, remedy = MISTAKES[what]
    with pytest.raises(ConfigError) as error:
        parse_course(source, "course.toml")
    message = str(error.value)
    assert message.startswith(f"course.toml, line {line}: ")
    assert re.search(remedy, message)
    assert len(message) < 700
    assert message[-1] in ".?"


def test_demos_are_those_there_are():
    """A course can name a sixth demo and give it a text; a house without it says so."""
    source = 'demos = ["sixth"]\n[texts]\nsixth = "x"'
    assert parse_course(source, slugs=["sixth"]).demos == ("sixth",)
    with pytest.raises(ConfigError, match="line 1: 'sixth' is no demo"):
        parse_course(source)


def test_a_file_that_can_not_be_read(tmp_path):
    """Missing, a folder, not UTF-8, or far too long: a sentence each."""
    with pytest.raises(ConfigError, match=r"can't be read: No such file.* LAB_COURSE"):
        read_course(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_course(tmp_path)
    file = tmp_path / "course.toml"
    file.write_bytes(b"# a\n# b\ntitle = '\xff'")
    with pytest.raises(ConfigError, match="line 3: this is not UTF-8"):
        read_course(file)
    file.write_text("#" * 200_001)
    with pytest.raises(ConfigError, match="Shorten it"):
        read_course(file)


@given(st.text(max_size=60), st.integers(0, len(WHOLE)))
def test_no_file_stops_in_any_other_way(junk, at):
    """Whatever stands in the file, it is a course or a ConfigError."""
    for source in (junk, WHOLE[:at] + junk + WHOLE[at:], WHOLE[:at]):
        with suppress(ConfigError):
            assert isinstance(parse_course(source), Course)


def test_the_line_is_that_of_the_statement():
    """Not of the same words in a comment or in a text of several lines."""
    source = 'a = """\nb = 1\n"""\n# b = 2\n\nb = 3\n[[c]]\nd = [\n  1,\n]\n[[c]]\nd = 2\n'
    found = {where: line_of(source, where) for where in (("a",), ("b",), ("c", 0), ("c", 0, "d"))}
    assert found == {("a",): 1, ("b",): 6, ("c", 0): 7, ("c", 0, "d"): 8}
    assert line_of(source, ("c", 1)) == 11
    assert line_of(source, ("c", 1, "d")) == 12
    assert line_of(source, ()) == 1


def test_lab_course_names_the_file(tmp_path):
    """The setting is a path; the file is read by who starts the lab."""
    assert Settings.from_env({}).course is None
    assert Settings.from_env({"LAB_COURSE": str(tmp_path / "c.toml")}).course == tmp_path / "c.toml"

"""Questions by number: the state of the one that is named, and nothing for what is no number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.course import Course, parse_course
from core.links import from_query
from core.questions import MOST_LABEL, Asked, asked, label, with_question

COURSE = parse_course(
    """
[[questions]]
text = "First"
demo = "sampling"
[questions.state]
text = "The & cat"
r = 0.62

[[questions]]
text = "Second"
link = "?v=1&demo=surprisal&text=x&span=0:1"
"""
)


@pytest.mark.parametrize("n", [1, 2])
def test_a_number_opens_its_state(n):
    """What the page gets is the question's state whole, beside what was already there."""
    question = COURSE.questions[n - 1]
    assert asked(COURSE, {"q": str(n)}) == Asked(n, question)
    query = with_question(COURSE, {"q": str(n), "embed": "1", "__theme": "dark"})
    assert from_query(query) == (question.state, [])
    assert query["embed"] == "1"


def test_a_link_comes_before_the_question():
    """A state shared by a student is shown, with the question above it."""
    query = {"q": "1", "v": "1", "demo": "surprisal", "text": "mine"}
    assert with_question(COURSE, query) == query
    assert asked(COURSE, query).number == 1


@pytest.mark.parametrize("q", ["0", "3", "-1", "+1", "01", "1.0", "", " 1", "١", "²", "9" * 5000])
def test_a_question_there_is_not_is_said(q):
    """The page opens as always."""
    assert asked(COURSE, {"q": q}) == Asked(refused=True)
    assert with_question(COURSE, {"q": q}) == {"q": q}


@given(st.dictionaries(st.text(), st.text() | st.integers()) | st.none() | st.text())
def test_no_query_raises(query):
    """Whatever the parameters are; without a course there is no question at all."""
    asked(COURSE, query)
    assert asked(Course(), query) == Asked()
    if isinstance(query, dict):
        assert with_question(Course(), query) == query


def test_a_label_is_one_line():
    """The beginning of the text, with a mark where it was cut."""
    (question,) = parse_course(
        '[[questions]]\ntext = """\nOne\n two  three"""\ndemo = "sampling"'
    ).questions
    assert label(question) == "One two three"
    (question,) = parse_course(
        f'[[questions]]\ntext = "{"word " * 60}"\ndemo = "sampling"'
    ).questions
    assert label(question)[-1] == "…"
    assert len(label(question)) <= MOST_LABEL

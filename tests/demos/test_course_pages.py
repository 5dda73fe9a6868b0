"""A course on the pages: its questions with their states, its title, and a file with a mistake."""

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import gradio as gr
import pytest
import serving

from core.course import parse_course
from core.errors import LabError
from demos import discover
from demos.ui import link_row
from demos.ui.component import StatusBar
from demos.ui.lab import Lab
from demos.ui.page import build_app, build_single
from demos.ui.questions import Questions

SECONDS = 60


def no_engine(report):
    raise LabError("There is no engine. Start one.")


def built(build, *values):
    """A page built in a running event loop: without one Gradio opens one and leaves it open."""

    async def building():
        return build(*values)

    return asyncio.run(building())


ASKING = """
title = "Unit 3"
demos = ["surprisal", "tokenizer"]
[[questions]]
text = "First <b>"
demo = "tokenizer"
[[questions]]
text = "\\nSecond"
link = "v=1&demo=surprisal&text=x"
"""


def visited(app, place, **query):
    """What a page's events on load say to a visit: (follower's query, question, tab) updates."""
    request = SimpleNamespace(query_params=query)
    found = {}
    for fn in app.fns.values():
        outputs = [type(output) for output in fn.outputs]
        if outputs == [Questions]:
            found.setdefault("questions", []).append(fn.fn(request))
        elif outputs == [gr.Tabs]:
            found["tab"] = fn.fn(request)
        elif StatusBar in outputs:
            found.setdefault("queries", []).append(fn.fn(request)[-1])
    return found["queries"][place], found["questions"][place], found["tab"]


@pytest.fixture
def asking():
    """The app of a course with two questions, made without an engine."""
    return built(build_app, discover(), Lab(no_engine, parse_course(ASKING)))


def test_a_question_opens_its_state_and_its_tab(asking):
    """?q=1 on the page with the tabs: text as it stands, the state's parameters, the tab."""
    query, said, tab = visited(asking, 0, q="1", embed="1")
    assert query == {"q": "1", "embed": "1", "v": "1", "demo": "tokenizer"}
    assert (said["number"], said["text"], said["elsewhere"]) == (1, "First <b>", False)
    assert tab.selected == "tokenizer"
    assert [row["slug"] for row in said["rows"]] == ["tokenizer", "surprisal"]


def test_a_question_on_a_page_of_another_demo(asking):
    """It is shown with the way to its own page, and the page opens as it always does."""
    query, said, _ = visited(asking, 1, q="1")  # the first page of its own is Surprisal's
    assert said["elsewhere"] is True
    assert link_row.linked_state(query, "surprisal") == (None, [])
    query, said, _ = visited(asking, 1, q="2")
    assert (said["elsewhere"], said["text"]) == (False, "Second")
    assert link_row.linked_state(query, "surprisal")[0].text == "x"


def test_a_link_to_a_demo_that_the_course_leaves_out(asking):
    """No tab is chosen that there is not: the first one opens."""
    for named in ("sampling", "x"):
        assert visited(asking, 0, v="1", demo=named, text="x")[2] == gr.skip()
    assert visited(asking, 0, v="1", demo="tokenizer", text="x")[2].selected == "tokenizer"


def test_a_visit_without_a_question(asking):
    """No question, or one that there is not: the page as always, and the list of all."""
    for given, refused in (({}, False), ({"q": "3"}, True), ({"q": "<script>"}, True)):
        query, said, tab = visited(asking, 0, **given)
        assert query == {"demo": "surprisal"} | given
        assert (said["number"], said["text"], said["refused"]) == (0, "", refused)
        assert tab == gr.skip()


def test_one_demo_alone_lists_its_own_questions():
    """``python -m demos.tokenizer`` has no page of another demo to lead to."""
    demo = next(demo for demo in discover() if demo.slug == "tokenizer")
    app = built(build_single, demo, Lab(no_engine, parse_course(ASKING)))
    (box,) = [block for block in app.blocks.values() if isinstance(block, Questions)]
    assert [row["n"] for row in box.props["rows"]] == [1]
    app = built(build_single, demo, Lab(no_engine))
    assert not any(isinstance(block, Questions) for block in app.blocks.values())


def test_a_mistake_in_the_course_stops_the_real_program(tmp_path):
    """``python app.py`` ends at once with file, line and remedy, and no traceback."""
    file = tmp_path / "course.toml"
    file.write_text('title = "x"\n\ndemos = ["suprisal"]', encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "app.py"],
        cwd=serving.ROOT,
        env=os.environ | {"LAB_COURSE": str(file), "LAB_MODEL": "toy"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 1
    assert f"{file}, line 3: 'suprisal' is no demo. Did you mean surprisal?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_course_is_named_in_the_header_and_by_the_browser(asking):
    """On every page."""
    bars = [block for block in asking.blocks.values() if isinstance(block, StatusBar)]
    assert [bar.props["title"] for bar in bars] == ["Unit 3"] * 3
    assert asking.title == "Unit 3"

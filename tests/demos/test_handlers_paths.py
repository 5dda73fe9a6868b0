"""The tree of paths and two of them side by side: handlers as plain functions."""

import gradio as gr
import numpy as np
import pytest
from handling import chip_ids, click
from hypothesis import given
from hypothesis import strategies as st

from core.branches import Branches
from core.document import Document
from core.engines.toy import ToyEngine
from demos.next_token import STEPS
from demos.ui import paths

TOY = ToyEngine()
GIVEN = TOY.info.prefix_ids + tuple(b"The cat")
WALKS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=8)


def walked(walk):
    """Paths made by going back some tokens and choosing the one of a rank, again and again."""
    branches = Branches.of(Document(GIVEN))
    for back, rank in walk:
        document = branches.now.cut(max(len(GIVEN), len(branches.now) - back))
        distribution = TOY.next(document.ids)
        chosen = distribution.candidate(int(distribution.order[rank]))
        branches = branches.go(document.pick(chosen))
    return branches


def bits_by_hand(ids):
    """The bits of what was chosen after the given text, one distribution at a time."""
    return sum(
        -float(TOY.next(ids[:at]).logprob_by_id[ids[at]]) / np.log(2)
        for at in range(len(GIVEN), len(ids))
    )


@given(WALKS)
def test_every_row_is_a_click_that_leads_there(walk):
    """Each stretch of the tree stands for one document: the path up to its end."""
    branches = walked(walk)
    rows = paths.rows(TOY.vocabulary, branches)
    assert bool(rows) == (len(branches.ends) > 1)
    ends = {end.ids for end in branches.ends}
    reached = {paths.picked_document(row, branches).ids for row in rows}
    assert ends <= reached or not rows
    assert all(any(end[: len(ids)] == ids for end in ends) for ids in reached)


@given(WALKS)
def test_the_bits_of_a_path_are_those_of_its_tokens(walk):
    """“The path up to here” is the sum of surprisals, computed one token at a time."""
    branches = walked(walk)
    for row in paths.rows(TOY.vocabulary, branches):
        ids = paths.picked_document(row, branches).ids
        said = float(dict(row["facts"])["the path up to here"].split()[0])
        assert said == pytest.approx(bits_by_hand(ids), abs=1e-4)


@given(WALKS)
def test_one_row_is_where_the_page_is(walk):
    """The document on show lies in the stretch that is marked, and in one only."""
    branches = walked(walk)
    rows = paths.rows(TOY.vocabulary, branches)
    marked = [row for row in rows if row["here"]]
    assert len(marked) == bool(rows)
    for row in marked:
        found = paths.picked_document(row, branches).ids
        assert found[: len(branches.now)] == branches.now.ids


def test_two_paths_stand_side_by_side_from_where_they_part():
    """Both strips begin at the first token that differs; each says its own bits."""
    branches = walked([(0, 0), (0, 1), (0, 0), (2, 3), (0, 2)])
    first = branches.ends[0]
    pick = next(
        row
        for row in paths.rows(TOY.vocabulary, branches)
        if paths.picked_document(row, branches).ids == first.ids
    )
    compared, mine, other, code, panel = paths.compare(TOY, branches, pick)
    assert compared == first.ids
    start = len(GIVEN) + 1
    assert chip_ids(mine) == list(branches.now.ids[start:])
    assert chip_ids(other) == list(first.ids[start:])
    assert f"from token {start}" in mine["heading"]
    assert f"ids = {list(first.ids)}" in code["value"]
    assert f"picked = {sorted(first.picks)}" in code["value"]
    assert panel["visible"] is True


@pytest.mark.parametrize(
    "pick",
    [None, {}, "x", {"path": 0}, {"path": 99, "stop": 1, "at": ""}, {"path": 0, "stop": 10**6},
     {"path": -1, "stop": 1}, {"path": 0, "stop": 9, "at": "another document"}],
)  # fmt: skip
def test_a_click_on_an_older_tree_is_no_click(pick):
    """Whatever the page sends that is no row of this tree changes nothing."""
    branches = walked([(0, 0), (1, 1)])
    assert paths.picked_document(pick, branches) is None
    assert all("value" not in shown for shown in paths.compare(TOY, branches, pick))


def test_the_comparison_follows_the_document():
    """After another step the new document stands beside the same other path."""
    branches = walked([(0, 0), (0, 1), (0, 0), (2, 3)])
    other = branches.ends[0]
    longer = STEPS.choose(TOY, branches, click(STEPS.look_at_end(TOY, branches)[2], 2))[0]
    mine, beside, code, panel = paths.follow(TOY, longer, other.ids)
    start = len(GIVEN) + 1
    assert chip_ids(mine) == list(longer.now.ids[start:])
    assert chip_ids(beside) == list(other.ids[start:])
    assert mine["visible"] is beside["visible"] is code["visible"] is panel["visible"] is True


def test_nothing_is_compared_with_itself_or_with_what_is_gone():
    """Back on the other path, or with a new text, the comparison goes; before one there is none."""
    branches = walked([(0, 0), (1, 1)])
    other = branches.ends[0]
    for now in (branches.go(other), Branches.of(Document(GIVEN[:3]))):
        assert [shown["visible"] for shown in paths.follow(TOY, now, other.ids)] == [False] * 4
    assert all(shown == gr.skip() for shown in paths.follow(TOY, branches, ()))


def test_undo_and_redo_go_across_paths():
    """Back from a fork stands the old path, forward again the new one; no path is lost."""
    branches = walked([(0, 0), (0, 1), (2, 2)])
    back = STEPS.undo(TOY, branches)[0]
    assert back.now.ids == walked([(0, 0), (0, 1)]).now.ids
    assert back.redo().now.ids == branches.now.ids
    assert {end.ids for end in back.ends} == {end.ids for end in branches.ends}

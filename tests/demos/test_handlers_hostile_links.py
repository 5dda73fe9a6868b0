"""Hostile links opened as the pages open them: each is a page, and nobody else's page changes.

What the address parser makes of the same links is in unit/test_links.py; what a browser does with
the worst of them in browser/test_permalinks.py.
"""

import copy
import json
from functools import cache
from urllib.parse import parse_qsl

import pytest
from hostile_links import CASES, SCRIPTS, WHOLE, random_queries
from test_handlers_links import HAND

from core import charts
from core.engines.toy import ToyEngine
from core.links import MOST_GIVEN, from_query
from demos import next_token, sampling
from demos.ui import link_row

GOOD = (
    "v=1&demo=tokenizer&text=Z%C3%BCrich&control_tokens=1&span=2:5",
    "v=1&demo=surprisal&text=To%20be&span=0:3",
    "v=1&demo=next-token&text=The&ids=84,104,101,32,99&picks=3:5&at=1&until=4&ahead=2",
    "v=1&demo=sampling&text=The&ids=84,104,101,32&draws=2:0.25:0.7:0:0.9:0.0,3:0.5&drawn=2",
    "v=1&demo=chat-document&system=Be%20brief.&reply=sampled&compact=1&messages="
    '[{"role":"user","content":"Hi"}]',
)
RESTORE = {demo.DEMO.slug: demo.restore for demo in HAND}
SLIDERS = (1.0, 0, 0.9, 0.0)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # gr.Info outside of an event


@cache
def engine():
    """One for all of them, as on a server."""
    return ToyEngine()


def opened(query):
    """Open a query as each demo of the tabs does: the line about the link that stands on the page.

    A page gets its query as the server parses it: a mapping of texts.
    """
    told = ""
    for slug, restore in RESTORE.items():
        opening = link_row.Opening(slug, "", seen_once(restore), lambda engine: ((),))
        for *view, about in opening.views(engine(), query, [], 1):
            assert view
            told = about.get("value", told) if isinstance(about, dict) else told
    assert "<" not in told
    assert len(told) < 20_000
    return told


@cache
def seen_once(restore):
    """A demo's way to show a state, which does not compute a state that it showed before."""
    shown = {}

    def once(engine, state):
        if repr(state) not in shown:
            views = list(link_row._views(restore(engine, state)))
            for view in views:
                json.dumps([part for part in view if isinstance(part, str | dict | list)])
            shown[repr(state)] = views[-1]
        yield shown[repr(state)]

    return once


def as_mapping(query):
    """What a server makes of an address."""
    pairs = parse_qsl(query[:MOST_GIVEN], keep_blank_values=True, errors="surrogateescape")
    return dict(pairs)


@pytest.fixture
def somebody_else():
    """Another visitor in the middle of something; at the end all of it is as it was."""
    branches, _, candidates, *_ = next_token.start(engine(), "The cat")
    pick = {"id": candidates["rows"][2]["id"], "at": candidates["at"]}
    page = next_token.STEPS.choose(engine(), branches, pick)[:4]
    bench = sampling.draw(engine(), sampling.start(engine(), "A", *SLIDERS)[0], 3, *SLIDERS)[0]
    drawn = (bench.r, bench.document, bench.seed, bench.n_drawn)
    before = copy.deepcopy((page, drawn))
    yield
    assert (page, drawn) == before
    assert next_token.STEPS.choose(engine(), branches, pick)[:4] == page


@pytest.mark.parametrize("good", GOOD, ids=RESTORE)
def test_hostile_values_made_by_hand_open_as_a_page(good, somebody_else):
    """Each of over 500 in a good link of every demo: a page, or a sentence on the page."""
    given = dict(parse_qsl(good))
    n_told = sum(bool(opened(given | {name: value})) for name, value in set(CASES))
    assert n_told > 500  # hardly one can be shown as it is


def test_hostile_scripts_open_as_text(somebody_else):
    """Text that would run in HTML, Markdown or a template, in every place that holds words."""
    for begin in range(0, len(SCRIPTS), 6):  # several to a page: a chart takes its time
        script = "\n".join(SCRIPTS[begin : begin + 6])
        said = json.dumps([{"role": "user", "content": script}])
        for slug in RESTORE:
            for name, value in (("text", script), ("system", script), ("messages", said)):
                opened({"v": "1", "demo": slug, name: value})
        opened({"v": "1", "demo": script, "model": script, script: script})


def test_whatever_a_server_hands_over_opens_as_a_page(somebody_else):
    """Whole queries made by hand, of any type."""
    for query in WHOLE:
        opened(as_mapping(query) if isinstance(query, str) else query)


def test_ten_thousand_random_links_open_as_a_page(somebody_else, monkeypatch):
    """Whatever state each is read as can be shown; those that read as the same, once.

    Without charts, which take most of the time: those of the links made by hand are drawn.
    """
    for chart in ("share_by_rank", "draw_bar", "bits_along"):
        monkeypatch.setattr(charts, chart, lambda *given: None)
    queries = set(random_queries(list(GOOD)))
    assert len(queries) >= 10_000
    read = {repr(from_query(given)): given for given in map(as_mapping, queries)}
    assert len(read) > 1_000  # they are not all left out
    for given in read.values():
        opened(given)

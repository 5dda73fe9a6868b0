"""Our components, built as Gradio builds them anew at every update: with all their props."""

import json

import pytest

from demos.ui import audit, beams, recovery
from demos.ui.component import CandidateList, Table, TokenStrip
from demos.ui.glossary import GLOSSARY

PROPS = {
    CandidateList: {"rows": [], "rest": None, "title": "a", "at": "b", "ahead": {"lines": []}},
    TokenStrip: {"tokens": [], "heading": "a"},
}


@pytest.mark.parametrize("component", PROPS)
def test_every_prop_that_a_handler_sets_can_be_given(component):
    """An update of a prop is that prop given to the constructor, once."""
    built = component(**PROPS[component])
    for name, value in PROPS[component].items():
        assert built.props[name] == value


@pytest.mark.parametrize(
    "columns", [recovery.COLUMNS, beams.BOTH_COLUMNS, beams.STEP_COLUMNS, audit.COLUMNS]
)
def test_a_table_has_its_columns_in_a_constant_template(columns):
    """Names, kinds and definitions; rows and title never reach the template."""
    rows = [{"cells": ["${x}"] * len(columns), "facts": [], "tone": "", "rule": False}]
    table = Table(columns, name="a", rows=rows, title="`${y}`")
    assert "${" not in table.html_template
    assert table.html_template == Table(columns, name="a").html_template
    assert table.props["rows"] == rows
    for name, kind in columns.items():
        assert kind in {"number", "text", "tokens", "passage"}
        assert GLOSSARY.get(name, "") == "" or json.dumps(name)[1:-1] in table.html_template

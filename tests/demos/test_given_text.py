"""The text in the box beside the one the document was begun with: marked when they differ."""

import gradio as gr
import pytest
from handling import BAD_TEXTS
from hypothesis import given
from hypothesis import strategies as st

from core import api
from core.engines.toy import ToyEngine
from demos.ui import given_text
from demos.ui.events import unsaid

TOY = ToyEngine()
TEXTS = st.text("ab c\né", min_size=1, max_size=6)


@given(TEXTS, TEXTS)
def test_a_box_is_marked_when_its_text_is_another(begun, typed):
    """Label and button say so exactly when what is typed would be another document."""
    box, button = given_text.mark(TOY, typed, api.context_ids(TOY, begun))
    differs = typed != begun
    marks = given_text.DOCUMENT
    assert box == gr.update(label=marks.changed if differs else marks.label)
    assert button == gr.update(variant="primary" if differs else "secondary")


def test_nothing_is_marked_before_there_is_a_document():
    """While the first view is not there yet, the text in the box is the one to come."""
    assert given_text.mark(TOY, "anything", ())[0]["label"] == given_text.DOCUMENT.label


def test_ids_that_spell_the_text_are_its_own(engine):
    """A link may carry other tokens for the same words: these are the words in the box."""
    text = "The cat"
    spelt = [token.id for letter in text for token in engine.tokenize(letter)]
    box, _ = given_text.mark(engine, text, (*engine.info.prefix_ids, *spelt))
    assert box["label"] == given_text.DOCUMENT.label


@pytest.mark.parametrize("text", [BAD_TEXTS[name] for name in BAD_TEXTS if name != "empty"])
def test_what_is_no_text_is_told_by_the_button_alone(text):
    """While somebody types no message opens, and the box is marked; the button says why."""
    box, button = given_text.mark(TOY, text, (1,))
    assert (box["label"], button["variant"]) == (given_text.DOCUMENT.changed, "primary")

    def refuses(*values):
        raise gr.Error("no text")

    assert unsaid(refuses, 2)(text) == (gr.skip(), gr.skip())
    assert unsaid(refuses, 1)(text) == gr.skip()
    assert unsaid(lambda text: text, 1)(text) == text

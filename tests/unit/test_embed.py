"""The code for a course page: it frames the state that was linked, and nothing else."""

from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import embed
from core.embed import AUTO, FORMS, HTML, THEMES, embed_code, framed
from core.errors import InputError
from core.link_states import SurprisalLink
from core.links import from_query, to_query

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
HERE = "https://lab.example:8443/space"


class Tags(HTMLParser):
    """The tags of a piece of HTML with their attributes, and the text between them."""

    def __init__(self, source):
        super().__init__()
        self.found, self.words = [], ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


@given(text=TEXTS, theme=st.sampled_from(THEMES))
def test_a_frame_shows_the_linked_state(text, theme):
    """On the demo's own path, without header and footer, in the theme that was chosen."""
    state = SurprisalLink(text=text)
    address = framed(f"{HERE}/?{to_query(state)}", "surprisal", theme)
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https",
        "lab.example:8443",
        "/space/surprisal",
    )
    assert from_query(parts.query) == (state, [])
    given = dict(parse_qsl(parts.query))
    assert given["embed"] == "1"
    assert given.get("__theme", AUTO) == theme


@given(text=TEXTS, form=st.sampled_from(FORMS), title=TEXTS)
def test_the_code_is_one_frame_and_one_script_of_ours(text, form, title):
    """Whatever a text or title holds is a value in it, never a tag, and no script is outside."""
    address = framed(f"{HERE}/surprisal?{to_query(SurprisalLink(text=text))}")
    code = embed_code(address, title, form)
    (tag, frame), (script, attributes) = Tags(code).found
    assert (tag, script, attributes) == ("iframe", "script", {})
    assert frame["src"] == address
    assert frame["title"].split() == title.split()
    assert code.count(embed.RESIZER) == 1


def test_a_page_of_its_own_stays_where_it_is():
    """Its own path is the link's; a slash at the end or a question's number is no part of it."""
    assert framed(f"{HERE}/sampling?v=1&q=3") == f"{HERE}/sampling?v=1&embed=1"
    assert framed("http://127.0.0.1:7860?v=1") == "http://127.0.0.1:7860/?v=1&embed=1"
    assert framed("http://[::1]:7860/x/?v=1", "surprisal").startswith("http://[::1]:7860/x/surp")


def test_embedding_twice_changes_nothing():
    """A link copied inside a frame is embedded like any other."""
    once = framed(f"{HERE}/?v=1", "sampling", "dark")
    assert framed(once, "", "dark") == once
    assert "__theme" not in framed(once, "", AUTO)


def test_where_html_is_taken_out_the_link_stays():
    """Markdown and Quarto end with a link to the whole page, its words as they are."""
    address = framed(f"{HERE}/surprisal?v=1&text=a(b)", "", "dark")
    for form in FORMS[1:]:
        code = embed_code(address, "Unit [3] *x*", form)
        link = r"[Unit \[3\] \*x\*](https://lab.example:8443/space/surprisal?v=1&text=a%28b%29)"
        assert link in code
        assert "```{=html}" in code or form != "Quarto"


@pytest.mark.parametrize(
    "link",
    [
        None, 5, "", "?v=1", "/x", "javascript:alert(1)//x", "data:text/html,x", "ftp://x/y",
        "http://", "http://a b/", "http://x:99999999/", "http://user@x/", "http://x\"><script>/",
        "http://[::1/", "http://x/\ud800", "http://é/", "http://x/" + "a" * 20_000,
    ],
    ids=lambda link: repr(link)[:30],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(link):
    """With a sentence; nothing else is ever raised."""
    with pytest.raises(InputError, match="no link to embed"):
        framed(link)


def test_a_form_there_is_not_is_refused():
    """The page offers three."""
    assert HTML in FORMS
    for form in (None, "PDF", ["HTML"]):
        with pytest.raises(InputError, match="HTML, Markdown, Quarto"):
            embed_code("http://x/", "x", form)


@given(st.text())
def test_no_text_raises_anything_else(link):
    """An address, or the sentence."""
    with suppress(InputError):
        assert framed(f"http://x/{link}").startswith("http://x")

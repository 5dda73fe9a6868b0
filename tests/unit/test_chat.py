"""A chat is one list of ids: turns, roles, the seams between turns, and the guard."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core import chat
from core.errors import InputError
from core.tokens import ChatDocument, Vocabulary

BOS, START, END = 256, 257, 258
NAMES = {BOS: "<bos>", START: "<turn>", END: "</turn>"}
VOCABULARY = Vocabulary(
    tuple([bytes([i]) for i in range(256)] + [name.encode() for name in NAMES.values()]),
    frozenset(NAMES),
)
NEWLINE = 10


def turn(role, words, closed=True):
    closing = [END, NEWLINE] if closed else []
    return [START, *role.encode(), NEWLINE, *words.encode(), *closing]


def document_of(*turns, bos=True):
    ids = [BOS] if bos else []
    for each in turns:
        ids += each
    return ChatDocument(tuple(ids), START)


def test_turns_and_roles_of_a_document():
    """From one turn start to the next; the role is the word written there; BOS has none."""
    document = document_of(turn("user", "hi\nyou"), turn("model", "", closed=False))
    first = len(turn("user", "hi\nyou"))
    assert chat.turns(document, VOCABULARY) == [
        chat.Turn("", 0, 1),
        chat.Turn("user", 1, 1 + first),
        chat.Turn("model", 1 + first, len(document.ids)),
    ]
    expected = [""] + ["user"] * first + ["model"] * len(turn("model", "", closed=False))
    assert chat.roles(document, VOCABULARY) == expected


@given(st.lists(st.sampled_from([BOS, START, END, NEWLINE, 97, 0xC3]), max_size=30))
def test_turns_cover_any_document_once(ids):
    """Whatever ids: turns follow each other without gap, one role for each token."""
    document = ChatDocument(tuple(ids), START)
    found = chat.turns(document, VOCABULARY)
    positions = [i for each in found for i in range(each.start, each.stop)]
    assert positions == list(range(len(ids)))
    assert len(chat.roles(document, VOCABULARY)) == len(ids)


def test_a_template_without_turn_marker_has_one_turn():
    """No roles can be told."""
    document = ChatDocument((1, 2, 3), None)
    assert chat.roles(document, VOCABULARY) == ["", "", ""]
    assert chat.turns(ChatDocument((), START), VOCABULARY) == []


@pytest.mark.parametrize(
    ("ids", "role"),
    [([START], ""), ([START, NEWLINE], ""), ([START, *b"user", END], "user"),
     ([START, *b"a b\nc"], "a b"), ([START, 0xC3], "\ufffd")],
)  # fmt: skip
def test_a_role_is_the_word_before_the_line_break(ids, role):
    """Or before a control token, or what there is so far."""
    assert chat.roles(ChatDocument(tuple(ids), START), VOCABULARY)[0] == role


def test_without_closing_leaves_the_last_turn_open():
    """Its end marker and the line break after it go; all before stays."""
    closed = document_of(turn("user", "hi"), turn("model", "yes"))
    opened = document_of(turn("user", "hi"), turn("model", "yes", closed=False))
    assert chat.without_closing(closed, VOCABULARY) == opened
    assert chat.without_closing(opened, VOCABULARY) == opened


WORDS = st.text("ab \n", max_size=6)


@given(WORDS, WORDS, WORDS, st.integers(0, 2))
def test_a_further_turn_changes_no_earlier_id(user, reply, second, n_closing_written):
    """The ids grow into the template's, wherever the model stopped in closing its turn."""
    written = document_of(turn("user", user), turn("model", reply, closed=False)).ids
    written += (END, NEWLINE)[:n_closing_written]
    rendered = document_of(
        turn("user", user), turn("model", "…"), turn("user", second), [START, *b"model\n"]
    )
    addition = chat.next_turn_ids(rendered, VOCABULARY, n_turns_after=2)
    grown = chat.add_turn(written, addition, VOCABULARY)
    assert grown[: len(written)] == written
    at_once = document_of(
        turn("user", user), turn("model", reply), turn("user", second), [START, *b"model\n"]
    )
    assert grown == at_once.ids


@given(st.lists(st.integers(0, 258), max_size=12), st.lists(st.integers(0, 258), max_size=12))
def test_add_turn_only_ever_appends(document, addition):
    """Any ids at all: the document comes first, unchanged, then an end of the addition."""
    grown = chat.add_turn(document, addition, VOCABULARY)
    assert list(grown[: len(document)]) == document
    rest = list(grown[len(document) :])
    assert rest == addition[len(addition) - len(rest) :]


def test_a_template_without_turns_can_not_be_extended():
    """The sentence says what to do instead."""
    with pytest.raises(InputError, match="Start a new chat"):
        chat.next_turn_ids(ChatDocument((1, 2), None), VOCABULARY, n_turns_after=1)
    with pytest.raises(InputError, match="Start a new chat"):
        chat.next_turn_ids(document_of(turn("user", "x"), bos=False), VOCABULARY, 2)


# --- the guard

OVERLAPPING = ("<a>", "<a><b>", "<b>", "a><", "<|x|>", "<<a>>", "(.*)", "\\", "1")
GUARD = chat.Guard(OVERLAPPING)
SPELLED = st.lists(
    st.sampled_from([*OVERLAPPING, "<", ">", "a", "0", "x", "\uf8f1", "é", " "]), max_size=12
).map("".join)


@given(SPELLED)
def test_what_is_hidden_is_revealed_unchanged(text):
    """Names inside names, names that overlap, regular expressions, digits, half a mark."""
    assert GUARD.reveal(GUARD.hide(text)) == text


NO_DIGITS = chat.Guard(tuple(name for name in OVERLAPPING if name != "1"))


@given(SPELLED)
def test_no_name_is_left_in_hidden_text(text):
    """So neither a template nor a tokenizer can find one."""
    hidden = NO_DIGITS.hide(text)
    assert not any(name in hidden for name in NO_DIGITS.names)


@given(SPELLED, SPELLED)
def test_only_the_templates_own_names_are_control(before, after):
    """Split gives back all text; control pieces are exactly those written around it."""
    guarded = f"<|x|>{NO_DIGITS.hide(before)}<|x|>{NO_DIGITS.hide(after)}<|x|>"
    pieces = NO_DIGITS.split(guarded)
    assert "".join(piece for piece, _ in pieces) == f"<|x|>{before}<|x|>{after}<|x|>"
    assert [piece for piece, control in pieces if control] == ["<|x|>"] * 3


def test_a_control_token_whose_name_begins_another_is_not_split():
    """The longest name wins, hidden or written by the template."""
    assert NO_DIGITS.split("<a><b>c<a>") == [("<a><b>", True), ("c", False), ("<a>", True)]
    assert NO_DIGITS.hide("<a><b>").count(chat.GUARD_OPEN) == 1


def test_the_guards_own_mark_is_refused():
    """A text that holds it could pass for something hidden."""
    with pytest.raises(InputError, match="private-use"):
        GUARD.hide("a\uf8f00\uf8f1")


@given(st.text())
def test_a_guard_without_names_changes_nothing(text):
    """A tokenizer without special tokens."""
    assume(chat.GUARD_OPEN not in text)
    guard = chat.Guard(())
    assert guard.hide(text) == text
    assert guard.split(text) == ([(text, False)] if text else [])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | SPELLED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SPELLED, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(SPELLED, JSON_VALUES, max_size=3))
def test_no_string_of_a_message_escapes_the_guard(message):
    """Values and keys at any depth; what is not text stays what it is."""
    (safe,) = chat.guarded([message], NO_DIGITS)
    assert not chat.spells_special(safe, NO_DIGITS.names)
    assert revealed(safe) == message


def revealed(value):
    if isinstance(value, dict):
        return {revealed(key): revealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [revealed(item) for item in value]
    return NO_DIGITS.reveal(value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "messages",
    ["<a>", ["<a>"], [{"content": "x<a>y"}], [{"content": [{"text": "<a>"}]}], [{"<a>": 1}]],
)
def test_special_spellings_are_seen_at_any_depth(messages):
    """In strings, lists, values and keys."""
    assert chat.spells_special(messages, ("<a>",))
    assert not chat.spells_special(messages, ("<b>",))

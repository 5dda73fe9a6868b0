"""Links: what was put in comes out, and nothing that comes in ever raises."""

import json
import random
from dataclasses import fields, replace
from urllib.parse import parse_qsl, quote

import pytest
from hostile_links import CASES, WHOLE, packed, random_queries
from hypothesis import given, settings
from hypothesis import strategies as st

from core import limits, link_fields, links
from core.errors import LabError
from core.link_check import checked_for, model_name
from core.link_fields import Drawn
from core.link_states import (
    STATES,
    ChatLink,
    NextTokenLink,
    SamplingLink,
    SurprisalLink,
    TokenizerLink,
)
from core.links import from_query, spelling_of, to_query
from core.sampling import Sampler

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=120)
MODELS = st.sampled_from(["", "toy", "gemma-3-270m-it", "google/gemma-3-1b-it"])
REVISIONS = st.sampled_from(["", "main", "9217f5db79a29953eb74d5343926648285ec7e67"])
SPANS = st.none() | st.tuples(st.integers(0, 90), st.integers(1, 90)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
FRACTIONS = st.floats(0, 1, exclude_max=True)
SAMPLERS = st.builds(
    Sampler,
    st.floats(0, 10),
    st.integers(0, 1000),
    st.floats(0, 1, exclude_min=True),
    st.floats(0, 1),
)
COMMON = {"model": MODELS, "revision": REVISIONS, "text": WORDS}
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": WORDS}
)


@st.composite
def documents(draw):
    """(ids, spelling, at, picked positions) of a document, or of none."""
    ids = tuple(draw(st.lists(st.integers(0, 262_143), max_size=200)))
    at = draw(st.none() | st.integers(0, len(ids) or 80_000))
    picks = draw(st.sets(st.integers(1, len(ids) - 1))) if len(ids) > 1 else set()
    spelling = draw(st.sampled_from(["", "0123456789abcdef"])) if ids else ""
    return {"ids": ids, "spelling": spelling, "at": at}, tuple(sorted(picks))


@st.composite
def next_token_links(draw):
    document, picks = draw(documents())
    rest = {"ahead": st.integers(0, 8), "until": selections(document)} | COMMON
    return draw(st.builds(NextTokenLink, picks=st.just(picks), **rest, **constant(document)))


def selections(document):
    """Where a selection of several tokens ends that begins at a document's place, if any can."""
    at, most = document["at"], len(document["ids"]) + 1 if document["ids"] else 88_000
    if at is None or at + 2 > most:
        return st.none()
    return st.none() | st.integers(at + 2, most)


@st.composite
def sampling_links(draw):
    document, picks = draw(documents())
    samplers = [draw(SAMPLERS) for _ in range(3)]
    drawn = []
    for at in picks:
        sampler = draw(st.sampled_from(samplers))
        drawn.append(Drawn(at, None if sampler.greedy else draw(FRACTIONS), sampler))
    rest = {
        "r": FRACTIONS,
        "seed": st.integers(0, 2**32 - 1),
        "drawn": st.integers(0, 10_000),
        "tokens": st.integers(1, 200),
        "temperature": st.floats(0, 10),
        "top_k": st.integers(0, 1000),
        "top_p": st.floats(0, 1, exclude_min=True),
        "min_p": st.floats(0, 1),
    }
    given_draws = {"draws": st.just(tuple(drawn))}
    return draw(st.builds(SamplingLink, **given_draws, **rest, **COMMON, **constant(document)))


@st.composite
def runs_within(draw, n_ids):
    """What a sampler drew in a document, in order and apart."""
    edges = sorted(draw(st.sets(st.integers(1, n_ids), max_size=8))) if n_ids > 1 else []
    pairs = zip(edges[::2], edges[1::2], strict=False)
    how = st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 10))
    return tuple((start, stop, *draw(how)) for start, stop in pairs)


@st.composite
def chat_links(draw):
    document, picks = draw(documents())
    messages = tuple(draw(st.lists(MESSAGES, min_size=1 if document["ids"] else 0, max_size=6)))
    n_ids = len(document["ids"])
    rest = {
        "system": st.none() | WORDS,
        "tools": st.just(()) | st.just(({"type": "function", "n": 3, "deep": [{"x": None}]},)),
        "first": st.integers(1, len(messages)) if n_ids else st.just(0),
        "templated": st.integers(0, n_ids),
        "form": st.sampled_from(["own", "tools"]),
        "control_tokens": st.booleans(),
        "prompt": st.booleans(),
        "replies": runs_within(n_ids),
        "until": selections(document),
        "compact": st.booleans(),
        "ahead": st.integers(0, 8),
        "reply": st.sampled_from(["greedy", "sampled"]),
        "temperature": st.floats(0, 10),
        "seed": st.integers(0, 2**32 - 1),
        "tokens": st.integers(1, 100),
    }
    same = constant(document | {"picks": picks, "messages": messages})
    return draw(st.builds(ChatLink, **rest, **COMMON, **same))


def constant(values):
    return {name: st.just(value) for name, value in values.items()}


ANY_STATE = st.one_of(
    st.builds(TokenizerLink, control_tokens=st.booleans(), span=SPANS, **COMMON),
    st.builds(SurprisalLink, exact=st.booleans(), span=SPANS, **COMMON),
    next_token_links(),
    sampling_links(),
    chat_links(),
)
EXAMPLES = (
    TokenizerLink(text="Zürich café", control_tokens=True, span=(2, 5)),
    SurprisalLink(text="To be, or not to be", span=(0, 3), model="google/gemma-3-270m"),
    NextTokenLink(text="The", ids=(464, 2415, 5), picks=(2,), at=1, spelling="0123456789abcdef"),
    SamplingLink(
        text="The",
        ids=(464, 2415, 5),
        draws=(Drawn(1, 0.25, Sampler(0.7)), Drawn(2, 0.5, Sampler(0.7))),
        r=0.125,
        drawn=3,
        temperature=0.7,
    ),
    ChatLink(
        system="Be brief.",
        messages=({"role": "user", "content": "Hi"},),
        first=1,
        ids=(1, 2, 3),
        picks=(2,),
        templated=2,
        replies=((2, 3, 7, 0.8),),
    ),
)


def assert_within_limits(state):
    """What every state that was read from a link satisfies, whatever the link was."""
    assert type(state) is STATES[state.demo]
    limits.check_text(state.text, may_be_empty=True)
    assert ".." not in state.model
    assert ":" not in state.model
    ids = state.document_ids
    assert len(ids) <= link_fields.MOST_TOKENS
    assert all(type(i) is int and 0 <= i < link_fields.MOST_VOCABULARY for i in ids)
    at = getattr(state, "at", None)
    assert at is None or 0 <= at <= (len(ids) or link_fields.MOST_PLACE)
    until = getattr(state, "until", None)
    assert until is None or at + 2 <= until <= (len(ids) + 1 if ids else link_fields.MOST_PLACE)
    span = getattr(state, "span", None)
    assert span is None or 0 <= span[0] < span[1] <= link_fields.MOST_PLACE
    places = [d.at for d in getattr(state, "draws", ())] or list(getattr(state, "picks", ()))
    assert places == sorted(set(places))
    assert all(0 < place < len(ids) for place in places)
    if isinstance(state, SamplingLink):
        Sampler(state.temperature, state.top_k, state.top_p, state.min_p)
        assert 0 <= state.r < 1
        assert all(d.r is None or 0 <= d.r < 1 for d in state.draws)
        assert state.drawn <= 10_000
        limits.check_whole_number(state.tokens, "tokens", 1, limits.MAX_NEW_TOKENS)
    if isinstance(state, ChatLink):
        limits.check_text(state.system or "", may_be_empty=True)
        assert len(state.messages) <= link_fields.MOST_MESSAGES
        for message in state.messages:
            limits.check_text(message["content"], may_be_empty=True)
        assert bool(state.ids) == bool(state.first)
        assert state.form in ("own", "tools")
        edges = [edge for run in state.replies for edge in run[:2]]
        assert edges == sorted(edges)
        assert all(0 < edge <= len(ids) for edge in edges)
        assert state.first <= len(state.messages)
    if isinstance(state, SamplingLink | ChatLink):
        assert 0 <= state.seed < 2**32
    json.dumps([str(state)]).encode()


def assert_read(query):
    """Reading gives a state within the limits and sentences, and never raises."""
    state, notes = from_query(query)
    assert_within_limits(state)
    for note in notes:
        assert note[-1] in ".0123456789"
        assert len(note) < 300
        assert "script" not in note
    return state, notes


@settings(max_examples=400)
@given(ANY_STATE)
def test_any_state_comes_back(state):
    """State to link to state is exact, as text and as the mapping a server makes of it."""
    query = to_query(state)
    assert from_query(query) == (state, [])
    assert from_query(f"?{query}") == (state, [])
    assert from_query(dict(parse_qsl(query, keep_blank_values=True))) == (state, [])
    assert len(query) <= links.MOST_LINK
    assert query.isascii()


@given(ANY_STATE)
def test_packed_and_plain_say_the_same(state):
    """A packed link is only shorter: both forms of any state are read as that state."""
    changed = [f for f in fields(state) if getattr(state, f.name) != f.default]
    said = {f.name: links._kind(f).write(getattr(state, f.name)) for f in changed}
    packed = {"v": "1", "demo": state.demo, "z": links._packed(said)}
    assert from_query(packed) == (state, [])
    assert from_query({"v": "1", "demo": state.demo, **said}) == (state, [])


@pytest.mark.parametrize("state", EXAMPLES, ids=lambda state: state.demo)
def test_a_short_link_can_be_read(state):
    """Words of the state stand in it as they are, and defaults are left out."""
    query = to_query(state)
    assert query.startswith(f"v=1&demo={state.demo}")
    assert "z=" not in query
    assert len(query) < 250
    assert to_query(type(state)()) == f"v=1&demo={state.demo}"


def test_the_defaults_are_those_of_version_1():
    """Links leave defaults out, so changing one changes old links: that needs version 2."""
    assert repr(SamplingLink()) == (
        "SamplingLink(model='', revision='', text='', ids=(), spelling='', at=None, draws=(), "
        "r=0.5, seed=1, drawn=0, tokens=20, temperature=1.0, top_k=0, top_p=0.9, min_p=0.0)"
    )
    assert repr(ChatLink()) == (
        "ChatLink(model='', revision='', text='', ids=(), spelling='', at=None, picks=(), "
        "until=None, ahead=0, system=None, messages=(), tools=(), first=0, templated=0, "
        "form='own', control_tokens=False, prompt=True, replies=(), "
        "reply='greedy', temperature=1.0, seed=1, tokens=60, compact=False)"
    )
    assert TokenizerLink() == TokenizerLink(control_tokens=False, span=None)
    assert SurprisalLink() == SurprisalLink(exact=False, span=None)
    assert NextTokenLink() == NextTokenLink(ids=(), picks=(), at=None, until=None, ahead=0)


def test_a_long_state_is_packed():
    """The longest text that repeats itself fits; its link stays within what is promised."""
    state = SurprisalLink(text="The cat sat on the mat. 猫坐在垫子上。\n" * 500)
    query = to_query(state)
    assert "&z=" in query
    assert len(query) < 400
    assert from_query(query) == (state, [])


def test_what_does_not_fit_is_refused_with_a_sentence():
    """A document of tokens at random is too much for an address; the sentence says what to do."""
    numbers = random.Random(1)
    ids = tuple(numbers.randrange(262_144) for _ in range(4096))
    with pytest.raises(LabError, match=r"8,000 are safe in an address\. Shorten"):
        to_query(NextTokenLink(ids=ids))
    much = tuple({"role": "user", "content": "a" * 20_000} for _ in range(30))
    with pytest.raises(LabError, match="Shorten the messages"):
        to_query(ChatLink(messages=much))


@pytest.mark.parametrize(
    "state",
    [
        TokenizerLink(text="a" * 20_001),
        TokenizerLink(text="a\0b"),
        TokenizerLink(text="a\ud800b"),
        TokenizerLink(model="../../etc/passwd"),
        NextTokenLink(ids=(1, -2)),
        NextTokenLink(ids=(1, 2), picks=(0,)),
        NextTokenLink(ids=(1, 2), picks=(2,)),
        SamplingLink(r=1.0),
        SamplingLink(top_p=float("nan")),
        SamplingLink(temperature=float("inf")),
        ChatLink(ids=(1, 2)),
        ChatLink(messages=({"role": "user", "content": "x", "n": float("nan")},)),
    ],
    ids=repr,
)
def test_a_link_that_could_not_be_read_is_not_made(state):
    """Making a link raises the sentence that reading it would have given."""
    with pytest.raises(LabError, match="can't be put into a link"):
        to_query(state)


@pytest.mark.parametrize(
    "number", [10**17, 10**400, -(10**4000), float("inf"), float("nan")], ids=range(5)
)
def test_a_number_that_no_link_holds_exactly_is_a_sentence(number):
    """A tool call with such an argument is refused when its link is made, not with a bug."""
    call = {"role": "assistant", "content": "", "tool_calls": [{"arguments": {"a": number}}]}
    with pytest.raises(LabError, match="can't be put into a link"):
        to_query(ChatLink(messages=({"role": "user", "content": "x"}, call)))


@pytest.mark.parametrize("state", EXAMPLES, ids=lambda state: state.demo)
def test_hostile_values_are_left_out(state):
    """Over 500 made by hand, in a good link of every demo: none raises, none gets through."""
    assert len(set(CASES)) >= 500
    good = dict(parse_qsl(to_query(state), keep_blank_values=True))
    for name, value in CASES:
        assert_read(good | {name: value})
        as_text = "&".join(
            f"{k}={quote(v, errors='surrogatepass')}" for k, v in (good | {name: value}).items()
        )
        assert_read(as_text)


@pytest.mark.parametrize("query", WHOLE, ids=lambda query: repr(query)[:40])
def test_no_query_raises(query):
    """Whatever a query is, there is a state for it."""
    assert_read(query)


def test_ten_thousand_random_queries_never_raise():
    """Noise, and good links with characters and parameters changed, doubled, cut and swapped."""
    good = [to_query(state) for state in EXAMPLES]
    good += [to_query(SurprisalLink(text="The cat sat. " * 300))]
    queries = set(random_queries(good))
    assert len(queries) >= 10_000  # of more, some of which come twice
    for query in queries:
        assert_read(query)


@given(st.text() | st.binary() | st.dictionaries(st.text(), st.text() | st.integers()))
def test_no_text_raises(query):
    """Anything at all is read as some state."""
    assert_read(query)
    assert_read(f"v=1&{query}")


def test_a_bomb_is_never_unpacked():
    """5 MB that pack into 7,000 characters are given up at the limit, and said so."""
    bomb = packed(b"text=" + b"a" * 5_000_000)
    assert len(bomb) < links.MOST_LINK
    state, notes = assert_read({"v": "1", "z": bomb})
    assert state == TokenizerLink()
    assert notes == ["The packed part of the link is damaged or too large, so it is ignored."]


def test_other_peoples_parameters_are_no_links():
    """What Gradio, embedding and tracking add gives the opening state without a word."""
    for query in ("", "embed=1", "__theme=dark&embed=1", "utm_source=x", "demo=tokenizer"):
        assert from_query(query) == (TokenizerLink(), [])
    assert from_query("embed=1&v=1&demo=surprisal&text=x") == (SurprisalLink(text="x"), [])


def test_a_page_can_say_which_demo_its_links_are_about():
    """A link without a demo is about the page it is opened on."""
    assert from_query("v=1&text=x", "surprisal") == (SurprisalLink(text="x"), [])
    assert from_query("v=1&demo=sampling&text=x", "surprisal") == (SamplingLink(text="x"), [])


def test_a_version_that_is_not_ours_is_not_read():
    """Neither a newer link nor one without a version is guessed at."""
    assert from_query("v=2&text=x")[0] == TokenizerLink()
    assert "newer link" in from_query("v=2&text=x")[1][0]
    assert "v=1" in from_query("text=x")[1][0]


def test_only_what_is_bad_is_lost():
    """Good values stay beside bad ones, and every bad one is named."""
    state, notes = from_query("v=1&demo=sampling&text=x&seed=-1&top_p=0.5&top_k=a&what=1")
    assert state == SamplingLink(text="x", top_p=0.5)
    assert [name for name in ("seed", "top_k", "top_p") if name in " ".join(notes)] == [
        "seed",
        "top_k",
    ]
    assert len(notes) == 3


def ids_of(engine, text):
    return (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))


def test_a_link_of_this_model_is_kept(toy):
    """Nothing is said or changed where model and spelling agree."""
    ids = ids_of(toy, "The cat")
    state = NextTokenLink(
        text="The", ids=ids, picks=(4, 5), model="toy", spelling=spelling_of(toy.vocabulary, ids)
    )
    assert checked_for(toy, state) == (state, [])
    assert model_name(toy.info) == "toy"


def test_another_model_is_named_and_its_ids_are_left_out(toy):
    """Ids of another tokenizer become the link's text; the note says whose they were."""
    state = NextTokenLink(text="The", ids=(1, 2), picks=(1,), at=1, model="other", ahead=2)
    found, notes = checked_for(toy, state)
    assert found == NextTokenLink(text="The", model="other", ahead=2)
    assert "made with other; here toy runs" in notes[0]
    assert "other pieces" in notes[1]


def test_another_model_with_the_same_tokens_keeps_the_document(toy):
    """What counts is which pieces the ids stand for, not the model's name."""
    ids = ids_of(toy, "The cat")
    state = NextTokenLink(ids=ids, model="other", spelling=spelling_of(toy.vocabulary, ids))
    found, notes = checked_for(toy, state)
    assert found == state
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("state", "expected", "said"),
    [
        (NextTokenLink(text="a", ids=(5, 259)), NextTokenLink(text="a"), "vocabulary"),
        (
            NextTokenLink(text="a", ids=(5, 6), spelling="0" * 16),
            NextTokenLink(text="a"),
            "other pieces",
        ),
        (NextTokenLink(text="a", ids=(5,) * 4097), NextTokenLink(text="a"), "4,097 tokens"),
        (SurprisalLink(text="a" * 5000), SurprisalLink(), "5,001 tokens"),
        (SamplingLink(text="a", top_k=260), SamplingLink(text="a"), "top-k"),
        (
            ChatLink(messages=({"role": "user", "content": "a" * 5000},)),
            ChatLink(),
            "takes at most",
        ),
        (TokenizerLink(text="a" * 5000), TokenizerLink(text="a" * 5000), None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_this_model_can_not_take_is_left_out(toy, state, expected, said):
    """Ids outside the vocabulary, texts and chats too long, a top-k past the vocabulary."""
    found, notes = checked_for(toy, state)
    assert found == expected
    assert [said in note for note in notes] == ([True] if said else [])
    assert checked_for(toy, found) == (found, [])


@settings(max_examples=100)
@given(ANY_STATE)
def test_a_checked_state_is_checked(toy, state):
    """Checking a state again changes nothing, and its ids are all in the vocabulary."""
    found, _ = checked_for(toy, state)
    assert checked_for(toy, found)[0] == found
    assert max(found.document_ids, default=0) < toy.info.vocab_size
    assert from_query(to_query(found)) == (found, [])


def test_spelling_depends_on_every_piece(toy):
    """Another id, another order or another cut gives another name."""
    first = spelling_of(toy.vocabulary, (65, 66))
    assert first == spelling_of(replace(toy.vocabulary), (65, 66))
    others = [(66, 65), (65,), (65, 66, 66), (257, 66)]
    assert len({first, *(spelling_of(toy.vocabulary, ids) for ids in others)}) == 5

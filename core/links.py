"""A link that carries a demo's whole state, and the one function that reads it.

``to_query`` and ``from_query`` are each other's inverse. Reading never raises, whatever comes:
what can't be used is left out, with a sentence that says so. Nothing is kept on a server.
Knows nothing of engines or pages; ``core.link_check`` holds a state against an engine.

What has its default is left out: ``?v=1&demo=sampling&text=The&temperature=0.5``.
"""

import base64
import re
import zlib
from collections.abc import Mapping
from dataclasses import Field, fields
from hashlib import blake2s
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from core.errors import InputError, LabError
from core.link_fields import Kind
from core.link_states import STATES, LinkState, Notes, TokenizerLink, ignored
from core.tokens import Ids, Vocabulary

VERSION = "1"
MOST_PLAIN = 1_000  # characters of a link whose parameters stay readable
MOST_LINK = 8_000  # what common servers and proxies take in one address
MOST_GIVEN = 64_000  # characters of all parameters together that are looked at
MOST_UNPACKED = 400_000  # bytes
PASSING = {"embed", "__theme", "view", "q"}  # for Gradio or the page, not for us


def spelling_of(vocabulary: Vocabulary, ids: Ids) -> str:
    """A short name for the pieces that ids stand for; "" for no ids."""
    name = blake2s(digest_size=8)
    for token in vocabulary.tokens(ids):
        name.update(b"%d:%d:%b," % (token.special, len(token.piece), token.piece))
    return name.hexdigest() if len(ids) else ""


def to_query(state: LinkState) -> str:
    """The part of an address after the "?": readable while it is short, packed when it is not.

    Raises LabError where no link could bring exactly this state back.
    """
    said_values = {
        f.name: _kind(f).write(getattr(state, f.name))
        for f in fields(state)
        if getattr(state, f.name) != f.default
    }
    back, notes = _read(type(state), said_values)
    if notes or back != state:
        raise LabError(" ".join(["This can't be put into a link as it is.", *notes]))
    head = {"v": VERSION, "demo": state.demo}
    query = _encoded(head | said_values)
    if len(query) > MOST_PLAIN:
        query = min(query, _encoded(head | {"z": _packed(said_values)}), key=len)
    if len(query) > MOST_LINK:
        raise LabError(
            f"This link would have {len(query):,} characters; at most {MOST_LINK:,} are safe in "
            "an address. Shorten the text or the document and copy the link again."
        )
    return query


def from_query(query: object, demo: str = TokenizerLink.demo) -> tuple[LinkState, Notes]:
    """(state, sentences about what was left out) of a query, as text or as a mapping.

    Never raises. ``demo`` is what a link without one is about. A query that says no version
    is not a link of ours and gives the state every demo opens with.
    """
    given, notes = _parameters(query)
    slug = given.pop("demo", demo)
    if slug not in STATES:
        notes.append("The link names a demo that does not exist here; another one is shown.")
    kind = STATES.get(slug, STATES.get(demo, TokenizerLink))
    version = given.pop("v", None)
    if version is None and not given.keys() & {"z", *(f.name for f in fields(kind))}:
        return kind(), notes
    if version != VERSION:
        return kind(), [*notes, _unread(version)]
    if "z" in given:
        packed, more = _unpacked(given.pop("z"))
        given, notes = packed | given, notes + more
    state, more = _read(kind, given)
    return state, notes + more


def _read(kind: type[LinkState], given: dict[str, str]) -> tuple[LinkState, Notes]:
    """A state of the parameters that can be used."""
    values: dict[str, Any] = {}
    notes = []
    for f in fields(kind):
        if f.name not in given:
            continue
        try:
            values[f.name] = _kind(f).read(given[f.name])
        except (ValueError, LabError):  # the sentence is ours: what came is not repeated
            notes.append(ignored(f.name, _kind(f).means))
    unknown = len(given.keys() - PASSING - {f.name for f in fields(kind)})
    if unknown:
        notes.append(f"Parts of the link this demo doesn't know were ignored: {unknown}.")
    state, more = kind(**values).settled()
    return state, notes + more


def _parameters(query: object) -> tuple[dict[str, str], Notes]:
    """The parameters of a query that are text; of one given twice the last."""
    whole_link = "The link is ignored: "
    if isinstance(query, str):
        if len(query) > MOST_GIVEN:
            return {}, [whole_link + f"it has more than {MOST_GIVEN:,} characters."]
        try:
            pairs = parse_qsl(
                query.removeprefix("?"), True, errors="surrogateescape", max_num_fields=100
            )
        except ValueError:
            return {}, [whole_link + "it has too many parts."]
        return dict(pairs), []
    if not isinstance(query, Mapping):
        return {}, [] if query is None else [whole_link + "it is not text."]
    given = {k: v for k, v in query.items() if isinstance(k, str) and isinstance(v, str)}
    if len(given) > 100 or sum(map(len, given.values())) > MOST_GIVEN:
        return {}, [whole_link + "it has too many parts, or they are too long."]
    n_lost = len(query) - len(given)
    return given, [f"Parts of the link that are not text were ignored: {n_lost}."] * bool(n_lost)


def _packed(values: dict[str, str]) -> str:
    """Name and value of each parameter, NUL between them (no text holds one), compressed."""
    joined = "\0".join(f"{name}={value}" for name, value in values.items())
    data = joined.encode()
    if len(data) > MOST_UNPACKED:
        raise LabError(
            f"This link would hold {len(data):,} bytes; at most {MOST_UNPACKED:,} are taken. "
            "Shorten the messages and copy the link again."
        )
    return base64.urlsafe_b64encode(zlib.compress(data, 9)).decode().rstrip("=")


def _unpacked(text: str) -> tuple[dict[str, str], Notes]:
    """What ``_packed`` packed; nothing, with a sentence, for anything else."""
    try:
        if not re.fullmatch(f"[A-Za-z0-9_-]{{1,{MOST_LINK}}}", text):
            raise InputError("That is not packed.")
        inflating = zlib.decompressobj()
        padded = text + "=" * (-len(text) % 4)
        data = inflating.decompress(base64.urlsafe_b64decode(padded), MOST_UNPACKED)
        if not inflating.eof or inflating.unused_data:
            raise InputError("That is not whole, or too much.")
        items = [item.partition("=") for item in data.decode().split("\0", 100)]
    except (ValueError, zlib.error, LabError):
        return {}, ["The packed part of the link is damaged or too large, so it is ignored."]
    return {name: value for name, _, value in items if name}, []


def _encoded(values: dict[str, str]) -> str:
    return urlencode(values, quote_via=quote, safe=":,/")


def _kind(f: Field[Any]) -> Kind[Any]:
    kind: Kind[Any] = f.metadata["kind"]
    return kind


def _unread(version: str | None) -> str:
    if version is None:
        return "The link doesn't say its version, so it is not read. Put v=1 at its beginning."
    return "The link is of a version that this Token Lab can't read. Ask for a newer link."

"""Reading what handlers return, without a page."""

from types import SimpleNamespace

from core.errors import LabError
from demos.ui import arrivals

LONG = "a" * 1_000_000
BAD_TEXTS = {
    "empty": "",
    "1 MB": LONG,
    "NUL": "a\0b",
    "lone surrogate": "a\ud800b",
    "not text": 5,
    "nothing": None,
}


class Counting:
    """An engine that counts how often it is asked to predict or to score."""

    def __init__(self, engine):
        self._engine = engine
        self.n_asked = 0

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def next(self, ids):
        self.n_asked += 1
        return self._engine.next(ids)

    def score(self, ids, **options):
        self.n_asked += 1
        return self._engine.score(ids, **options)


def visitor(name, number=None):
    """The request of a session, with the number of its arrival where it has one."""
    scope = {} if number is None else {arrivals.NUMBER: number}
    return SimpleNamespace(session_hash=name, request=SimpleNamespace(scope=scope))


def last(results):
    """The last result of a generator handler."""
    return list(results)[-1]


def facts(update):
    """A Facts update as {name: value}."""
    return {fact["name"]: fact["value"] for fact in update["facts"]}


def exact(update):
    """A Facts update as {name: exact value}."""
    return {fact["name"]: fact["exact"] for fact in update["facts"]}


def chip_ids(update):
    """The token ids of a strip update, without the "?" of the next token."""
    return [chip["id"] for chip in update["tokens"] if chip.get("mark") != "next"]


def chip_facts(chip):
    """What hovering over a chip says, as {term: value}."""
    return dict(map(tuple, chip["facts"]))


def chosen_rows(update):
    """The rows of a candidate list that are marked as chosen."""
    return [row for row in update["rows"] if row.get("chosen")]


def click(update, n):
    """What the page sends when candidate ``n`` of this list is clicked."""
    return {"id": update["rows"][n]["id"], "at": update["at"]}


def span(start, stop=None):
    """What the page sends when tokens start…stop-1 are selected."""
    return {"start": start, "stop": start + 1 if stop is None else stop}


def assert_sentence(error):
    """The error is a LabError whose message is whole sentences, without a traceback."""
    message = str(error.value)
    assert isinstance(error.value, LabError)
    assert message[-1] == "."
    assert 25 < len(message) < 400
    assert "Traceback" not in message
    assert "a" * 100 not in message


def passage_ids(cell):
    """The token ids of a table's cell of tokens."""
    return [token["id"] for token in cell]


def row_facts(row):
    """What hovering over a table's row says, as {term: value}."""
    return dict(map(tuple, row["facts"]))

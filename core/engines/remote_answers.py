"""What a vLLM server answers, as the plain values of the project.

JSON in, distributions and scored texts out. Knows nothing of how it came here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from core.engines.remote_wire import not_understood
from core.tokens import Distribution, Floats, Ids, Ints, ScoredText, unscored_columns

Json = dict[str, Any]
SMALLEST = float(np.finfo(np.float32).tiny)  # mass of a tail that rounding has made vanish
TOKEN_ID = re.compile(r"token_id:([0-9]+)")
MOST_ALLOWED = re.compile(r"max allowed: ([0-9]+)|--max-logprobs[^0-9]*([0-9]+)")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Known:
    """The tokens a server gave of one distribution, most likely first, ties by lowest id."""

    ids: Ints
    logprobs: Floats

    @classmethod
    def of(cls, logprob_by_id: Mapping[int, float]) -> "Known":
        """The tokens in order; the server lists a sampled token first, whatever its rank."""
        ids = np.fromiter(logprob_by_id, dtype=np.int64)
        logprobs = np.fromiter(logprob_by_id.values(), dtype=np.float32)
        order = np.lexsort((ids, -logprobs))
        return cls(ids[order], logprobs[order])

    @property
    def rest_mass(self) -> float:
        """What all others hold: 1 less the sum, so it is rounded to about 1e-6."""
        return max(SMALLEST, 1 - float(np.sum(np.exp(self.logprobs.astype(np.float64)))))

    def best(self, n: int) -> "Known":
        """The ``n`` most likely of them."""
        return Known(self.ids[:n], self.logprobs[:n])

    def distribution(self, vocab_size: int) -> Distribution:
        """With -inf for every other token, and all their mass as the tail."""
        logprobs = np.full(vocab_size, -np.inf, dtype=np.float32)
        named = self.ids < vocab_size
        inside = Known(self.ids[named], self.logprobs[named])
        logprobs[inside.ids] = inside.logprobs
        whole = len(inside.ids) == vocab_size
        return Distribution(logprobs, 0.0 if whole else inside.rest_mass)


def _readable(read: Callable[..., Answer]) -> Callable[..., Answer]:
    """Say so when an answer is not what a vLLM server gives."""

    @wraps(read)
    def checked(*values: Any) -> Answer:
        try:
            return read(*values)
        except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise not_understood() from error

    return checked


@_readable
def next_tokens(answer: Json, n_documents: int, n: int) -> list[Known]:
    """The ``n`` most likely after each document of one request, in the order of the documents."""
    choices = {int(choice["index"]): choice for choice in answer["choices"]}
    found = []
    for i in range(n_documents):
        (listed,) = choices[i]["logprobs"]["top_logprobs"]
        given = Known.of({_token_id(name): float(value) for name, value in listed.items()})
        found.append(given.best(n))
    return found


def _token_id(name: str) -> int:
    found = TOKEN_ID.fullmatch(name)
    if found is None:
        raise ValueError(name)
    return int(found[1])


@_readable
def scored_text(answer: Json, ids: Ids, top_n: int) -> ScoredText:
    """The rows of ``prompt_logprobs``: the ``top_n`` of each, and the token that stands there.

    Entropies are unknown (NaN): they need the whole vocabulary.
    """
    rows = answer["choices"][0]["prompt_logprobs"]
    if len(rows) != len(ids):
        raise ValueError("as many rows as tokens")
    logprobs, ranks, entropies, top_ids, top_logprobs, rest = unscored_columns(len(ids), top_n)
    for i in range(1, len(ids)):
        row = {int(name): entry for name, entry in rows[i].items()}
        here = row[int(ids[i])]
        best = Known.of({j: float(entry["logprob"]) for j, entry in row.items()}).best(top_n)
        place = np.flatnonzero(best.ids == ids[i])
        logprobs[i] = here["logprob"]
        # the server's rank puts a token behind those it is tied with
        ranks[i] = place[0] + 1 if len(place) else here.get("rank") or 0
        top_ids[i], top_logprobs[i], rest[i] = best.ids, best.logprobs, best.rest_mass
    return ScoredText(tuple(map(int, ids)), logprobs, ranks, entropies, top_ids, top_logprobs, rest)


@_readable
def token_ids(answer: Json) -> tuple[int, ...]:
    """The ids of a ``/tokenize`` answer."""
    return tuple(int(i) for i in answer["tokens"])


@_readable
def token_names(answer: Json) -> list[tuple[int, str]]:
    """(id, name in the tokenizer's own notation) of a ``/tokenize`` answer."""
    return list(zip(token_ids(answer), map(str, answer["token_strs"]), strict=True))


@_readable
def text_of(answer: Json) -> str:
    """The text of a ``/detokenize`` answer."""
    return str(answer["prompt"])


@_readable
def served_model(answer: Json) -> tuple[str, str, int]:
    """(name, where the server has it from, most tokens at once) of a ``/v1/models`` answer."""
    card = next(card for card in answer["data"] if not card.get("parent"))
    return str(card["id"]), str(card.get("root") or card["id"]), int(card["max_model_len"])


def allowed_logprobs(message: str, wanted: int) -> int | None:
    """How many log-probs a server takes that refused ``wanted``; None when it was not that."""
    found = MOST_ALLOWED.search(message)
    if found is None:
        return None
    allowed = int(found[1] or found[2])
    return allowed if allowed < wanted else None

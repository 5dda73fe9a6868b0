"""What the demos share between engine and components: strips, candidate lists, positions.

Functions from plain values to plain JSON for the components. Knows nothing of events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core import display
from core.document import Document, fingerprint
from core.engines import Engine
from core.errors import InputError, NoPrediction
from core.palette import heat_level
from core.sampling import SampledDistribution
from core.tokens import Distribution, Ids, ScoredText, Vocabulary, partial_characters
from demos.ui.glossary import fact

Json = dict[str, Any]
NEXT_CHIP: Json = {
    "id": -1,
    "parts": [["text", "?"]],
    "mark": "next",
    "facts": [["here", "the next token is predicted"]],
}


def chips(vocabulary: Vocabulary, ids: Ids, extras: Sequence[Json] | None = None) -> list[Json]:
    """A chip for every id; ``extras[i]`` is added to chip i."""
    tokens = vocabulary.tokens(ids)
    whole = partial_characters(tokens)
    extras = extras or [{}] * len(tokens)
    return [
        display.chip(token, character=character, **extra)
        for token, character, extra in zip(tokens, whole, extras, strict=True)
    ]


def document_chips(vocabulary: Vocabulary, document: Document) -> list[Json]:
    """The document's chips, chosen tokens marked with their numbers, and a "?" at its end."""
    chosen = [
        {"mark": "chosen", "facts": display.probability_facts(c.logprob, c.rank)}
        for c in document.chosen
    ]
    return [
        *chips(vocabulary, document.ids, [{}] * len(document.given) + chosen),
        NEXT_CHIP,
    ]


def scored_chips(
    vocabulary: Vocabulary, scored: ScoredText, n_done: int | None = None
) -> list[Json]:
    """Chips coloured by surprisal in bits."""
    extras: list[Json] = []
    for bits, logprob, rank in zip(
        scored.surprisals_bits, scored.logprobs, scored.ranks, strict=True
    ):
        if bits != bits:
            extras.append({"facts": [["surprisal", display.NO_PREDICTION]]})
        else:
            facts = display.probability_facts(float(logprob), int(rank))
            extras.append({"heat": heat_level(float(bits)), "facts": facts})
    return chips(vocabulary, scored.ids, extras)


@dataclass(frozen=True)
class Candidates:
    """What the candidate list shows for one position."""

    title: str
    rows: list[Json]
    rest: Json
    at: str

    def update(self) -> Json:
        """The component's props."""
        return {"title": self.title, "rows": self.rows, "rest": self.rest, "at": self.at}


def candidates(
    vocabulary: Vocabulary,
    distribution: Distribution,
    context: Ids,
    n: int,
    *,
    title: str,
    chosen: int | None = None,
    sampled: SampledDistribution | None = None,
) -> Candidates:
    """The ``n`` most likely tokens after ``context``; the chosen one marked, apart if unlisted."""
    listed = [int(i) for i in distribution.top(n)]
    shown = listed if chosen is None or chosen in listed else [*listed, chosen]
    rows = [
        _row(vocabulary, distribution, token_id, chosen, sampled, apart=token_id not in listed)
        for token_id in shown
    ]
    rest = display.rest_row(distribution, shown)
    if sampled is not None:
        left = max(0.0, 1.0 - sum(row["sampler_prob"] for row in rows))
        rest |= {"sampler_prob": left, "sampler_label": display.format_prob(left)}
    return Candidates(title, rows, rest, fingerprint(context))


def _row(
    vocabulary: Vocabulary,
    distribution: Distribution,
    token_id: int,
    chosen: int | None,
    sampled: SampledDistribution | None,
    apart: bool,
) -> Json:
    rank = distribution.rank_of(token_id)
    row = display.candidate(
        vocabulary.token(token_id), distribution.logprob_of(token_id), rank, apart=apart
    )
    if sampled is not None:
        prob = sampled.prob_of(token_id)
        row |= {"sampler_prob": prob, "sampler_label": display.format_prob(prob)}
        row["cut"] = prob == 0
        row["flag"] = "cut" if prob == 0 else ""
        row["facts"] = [*row["facts"], ["sampler's p", display.format_exact(prob)]]
    if token_id == chosen:
        row |= {"chosen": True, "flag": "chosen"}
    return row


def no_candidates(title: str) -> Json:
    """An empty list under a sentence, for a position without a prediction."""
    return {"title": title, "rows": [], "rest": None, "at": ""}


def position_title(vocabulary: Vocabulary, ids: Ids, position: int) -> str:
    """The candidate list's heading: what is predicted, after what."""
    before = display.label(vocabulary.token(ids[position - 1]))
    if position == len(ids):
        return f"Next token, after “{before}”"
    here = display.label(vocabulary.token(ids[position]))
    return f"What was predicted where “{here}” stands (token {position})"


def position_view(engine: Engine, ids: Ids, position: int, n: int) -> Json:
    """Candidate list props for what stands, or will stand, at ``position`` of a document."""
    if position == 0:
        return no_candidates("The first token has nothing before it: no prediction")
    chosen = ids[position] if position < len(ids) else None
    return candidates(
        engine.vocabulary,
        engine.next(ids[:position]),
        ids[:position],
        n,
        title=position_title(engine.vocabulary, ids, position),
        chosen=chosen,
    ).update()


def distribution_facts(distribution: Distribution, rest: Json) -> list[dict[str, str]]:
    """Entropy and the mass outside the list."""
    entropy = distribution.entropy_bits
    exact = "unknown: the engine gives only the most likely tokens" if entropy is None else ""
    return [
        fact("entropy", display.format_bits(entropy) + " bits", exact or f"{entropy:.6f} bits"),
        fact("everything else", rest["prob_label"], display.format_exact(rest["prob"])),
    ]


def picked_position(span: Any, n: int) -> int:
    """The position a strip's selection points at, 0…n; the end where nothing valid is selected."""
    start = span.get("start") if isinstance(span, dict) else None
    return start if isinstance(start, int) and 0 <= start <= n else n


def picked_span(span: Any, n: int) -> tuple[int, int]:
    """The selected tokens start…stop-1 within 0…n; all of them where nothing is selected."""
    if not isinstance(span, dict):
        return 0, n
    start, stop = span.get("start"), span.get("stop")
    if not isinstance(start, int) or not isinstance(stop, int) or not 0 <= start < stop:
        return 0, n
    return min(start, n), min(stop, n)


def picked_candidate(pick: Any, context: Ids, vocab_size: int) -> int | None:
    """The token id of a click on a candidate; None when the list was of another document.

    Raises InputError for a value no click can make.
    """
    if not isinstance(pick, dict) or pick.get("at") != fingerprint(context):
        return None
    token_id = pick.get("id")
    if not isinstance(token_id, int) or not 0 <= token_id < vocab_size:
        raise InputError("That token is not in this model's vocabulary. Click one in the list.")
    return token_id


def require_tokens(ids: Ids) -> Ids:
    """The ids, when something stands there to predict from; raises NoPrediction."""
    if not ids:
        raise NoPrediction("There is nothing to predict from yet. Type at least one character.")
    return ids

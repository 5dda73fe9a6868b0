"""What the demos share between engine and components: strips, candidate lists, positions.

Functions from plain values to plain JSON for the components. Knows nothing of how
events are connected.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from core import api, display
from core.candidates import candidate_after
from core.continuations import forced
from core.document import Document, fingerprint
from core.engines import Engine
from core.errors import InputError
from core.palette import heat_level
from core.sampling import SampledDistribution
from core.tokens import (
    LN2,
    Candidate,
    Distribution,
    Ids,
    ScoredText,
    Vocabulary,
    partial_characters,
)
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
    """The document's chips, picked tokens marked with their numbers, and a "?" at its end."""
    extras = [pick_extra(document.picks.get(i)) for i in range(len(document))]
    return [*chips(vocabulary, document.ids, extras), NEXT_CHIP]


def pick_extra(pick: Candidate | None) -> Json:
    """What a chip shows of a token that was picked; nothing for one that was given."""
    return {"mark": "chosen", "facts": display.probability_facts(pick)} if pick else {}


def scored_chips(vocabulary: Vocabulary, scored: ScoredText, still_to_come: Ids = ()) -> list[Json]:
    """Chips coloured by surprisal in bits, and pale ones for what follows and is not scored yet."""
    extras: list[Json] = []
    for i, bits in enumerate(scored.surprisals_bits):
        if scored.predicted[i]:
            facts = display.probability_facts(scored.candidate(i))
            extras.append({"heat": heat_level(float(bits)), "facts": facts})
        else:
            extras.append({"mark": "unscored", "facts": [["surprisal", display.NO_PREDICTION]]})
    extras += [{"mark": "unscored", "facts": [["surprisal", "not measured yet"]]}] * len(
        still_to_come
    )
    return chips(vocabulary, (*scored.ids, *still_to_come), extras)


@dataclass(frozen=True)
class Listing:
    """The tokens a candidate list shows at one position, and the mass of all others."""

    entries: tuple[Candidate, ...]
    rest_prob: float
    n_rest: int
    chosen: int | None = None

    @classmethod
    def of_distribution(
        cls, distribution: Distribution, n: int, chosen: int | None = None
    ) -> "Listing":
        """The ``n`` most likely tokens, and the chosen one after them if it is not among them."""
        ids = [int(i) for i in distribution.top(n)]
        ids += [chosen] if chosen is not None and chosen not in ids else []
        entries = tuple(distribution.candidate(i) for i in ids)
        rest = distribution.mass_outside(ids)
        return cls(entries, rest, distribution.vocab_size - len(ids), chosen)

    @classmethod
    def of_scored(cls, scored: ScoredText, i: int, vocab_size: int) -> "Listing":
        """What was predicted where token ``i`` of a scored text stands."""
        chosen, rest = scored.candidate(i), float(scored.rest_mass[i])
        top = zip(scored.top_ids[i], scored.top_logprobs[i], strict=True)
        entries = [
            Candidate(int(token_id), float(logprob), rank)
            for rank, (token_id, logprob) in enumerate(top, start=1)
        ]
        if chosen.id not in [entry.id for entry in entries]:
            entries.append(chosen)
            rest = max(0.0, rest - math.exp(chosen.logprob))
        return cls(tuple(entries), rest, vocab_size - len(entries), chosen.id)

    def props(
        self,
        vocabulary: Vocabulary,
        context: Ids,
        title: str,
        sampled: SampledDistribution | None = None,
    ) -> Json:
        """The candidate list's props; with ``sampled``, the sampler's probabilities beside."""
        rows = [self._row(vocabulary, n, sampled) for n in range(len(self.entries))]
        rest = display.rest_row(self.rest_prob, self.n_rest)
        if sampled is not None:
            left = sampled.mass_outside([entry.id for entry in self.entries])
            rest |= _sampler_columns(left, rest["facts"])
        return {"title": title, "rows": rows, "rest": rest, "at": place_of(context)}

    def _row(self, vocabulary: Vocabulary, n: int, sampled: SampledDistribution | None) -> Json:
        entry = self.entries[n]
        row = display.candidate_row(vocabulary.token(entry.id), entry)
        row["apart"] = n > 0 and n == len(self.entries) - 1 and entry.rank != n + 1
        if sampled is not None:
            row |= _sampler_columns(sampled.prob_of(entry.id), row["facts"])
        if entry.id == self.chosen:
            row |= {"chosen": True, "flag": "chosen"}
        return row


def _sampler_columns(prob: float, facts: list[list[str]]) -> Json:
    return {
        "sampler_prob": prob,
        "sampler_label": display.format_prob(prob) if prob else "cut",
        "cut": prob == 0,
        "facts": [*facts, ["sampler's p", display.format_exact(prob)]],
    }


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


def listing_at(
    engine: Engine, distribution: Distribution, ids: Ids, position: int, n: int
) -> Listing:
    """What the model gives at a position of a document: the ``n`` best and what stands there.

    ``distribution`` is the one there. The engine is asked again only when that does not hold
    the token that stands there.
    """
    chosen = ids[position] if position < len(ids) else None
    listing = Listing.of_distribution(distribution, n, chosen)
    if chosen is None or listing.entries[-1].known:
        return listing
    stands = candidate_after(engine, ids[:position], chosen)
    rest = max(0.0, listing.rest_prob - math.exp(stands.logprob))
    return replace(listing, entries=(*listing.entries[:-1], stands), rest_prob=rest)


def position_view(engine: Engine, ids: Ids, position: int, n: int) -> Json:
    """Candidate list props for what stands, or will stand, at ``position`` of a document."""
    if position == 0:
        return no_candidates("The first token has nothing before it: no prediction")
    listing = listing_at(engine, engine.next(ids[:position]), ids, position, n)
    title = position_title(engine.vocabulary, ids, position)
    return listing.props(engine.vocabulary, ids[:position], title)


def ahead_of(engine: Engine, ids: Ids, position: int, n_listed: int, n: int) -> Json | None:
    """What greedy decoding would write after each listed candidate: ``n`` tokens at most.

    One batch per step for all of them; the props of the candidate list's ``ahead``.
    """
    context = ids[:position]
    room = min(n, engine.info.context_length - position - 1)
    if not context or room < 1:
        return None
    chosen = ids[position] if position < len(ids) else None
    entries = Listing.of_distribution(engine.next(context), n_listed, chosen).entries
    listed = [entry.id for entry in entries]
    found = forced(engine.next, context, listed, room, engine.info.stop_ids)
    return {
        "at": place_of(context),
        "lines": [_ahead_line(engine.vocabulary, one.tokens[1:]) for one in found],
    }


def _ahead_line(vocabulary: Vocabulary, tokens: Sequence[Candidate]) -> Json:
    named = [vocabulary.token(token.id) for token in tokens]
    bits = sum(-token.logprob for token in tokens) / LN2
    facts = [[f"next {len(tokens)} tokens", f"{bits:.4f} bits together"]] if tokens else []
    return {"parts": [part for token in named for part in display.parts(token)], "facts": facts}


def distribution_facts(distribution: Distribution, rest: Json) -> list[dict[str, str]]:
    """Entropy and the mass outside the list."""
    entropy = distribution.entropy_bits
    if entropy is None:
        known = fact("entropy", "unknown", only_most_likely(distribution))
    else:
        known = fact("entropy", display.format_bits(entropy) + " bits", f"{entropy:.6f} bits")
    return [
        known,
        fact("everything else", rest["prob_label"], display.format_exact(rest["prob"])),
    ]


def only_most_likely(distribution: Distribution) -> str:
    """Why a number is not exact, or not known, with a distribution whose tail is unknown."""
    n = len(distribution.order)
    return f"not exact: this engine gives only its {n:,} most likely tokens"


def keep_selection(view: tuple[Any, ...]) -> tuple[Any, ...]:
    """A view (state, strip, …) without the selection: what the page has selected stays."""
    state, strip, *others = view
    return state, {key: prop for key, prop in strip.items() if key != "value"}, *others


def of_pick(view: tuple[Any, ...], span: Any) -> tuple[Any, ...]:
    """A view of a click on the strip, without the selection but its number.

    The page shows it already, or a later one: sent back it would undo the next arrow key. By the
    number the strip finds it again, where an earlier step's answer has come over it.
    """
    state, strip, *others = keep_selection(view)
    number = span.get("n") if isinstance(span, dict) else None
    return state, strip | {"picked": number if isinstance(number, int) else None}, *others


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


def place_of(context: Ids) -> str:
    """A name for the place after a context: its position, and what stands before it."""
    return f"{len(context)}:{fingerprint(context)}"


def picked_candidate(pick: Any, ids: Ids, vocab_size: int) -> tuple[int, int] | None:
    """(position, token id) of a click on a candidate; None when its list was of other tokens.

    Raises InputError for a value no click can make.
    """
    at = pick.get("at") if isinstance(pick, dict) else None
    position = at.partition(":")[0][:9] if isinstance(at, str) else ""
    if not position.isdecimal() or at != place_of(ids[: int(position)]):
        return None
    token_id = pick.get("id")
    if not isinstance(token_id, int) or not 0 <= token_id < vocab_size:
        raise InputError("That token is not in this model's vocabulary. Click one in the list.")
    return int(position), token_id


def start_ids(engine: Engine, text: str) -> tuple[int, ...]:
    """The ids of a text a demo starts from, when something stands there to predict from.

    Says so when the text is only spaces: nothing is wrong with it. Raises InputError.
    """
    ids = api.context_ids(engine, text)
    if text.isspace():
        gr.Info("This text is only white space. It is made of tokens like any other.")
    return ids

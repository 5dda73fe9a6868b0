"""A link's state held against the model that runs here: what can't be shown is left out.

Asks an engine to tokenize and to render, never to predict. Knows nothing of pages.
"""

from dataclasses import replace
from typing import Any

from core import api, tool_form
from core.engines import Engine, ModelInfo
from core.errors import ContextTooLong, LabError
from core.link_fields import MODEL
from core.link_states import ChatLink, LinkState, Notes, SamplingLink, TokenizerLink
from core.links import spelling_of
from core.sampling import Sampler

NOT_LENT = "This model can't be written to in Token Lab's tool form; its own template is used."
REFUSED = "This model's chat template can't write the link's messages, so they are left out."


def checked_for(engine: Engine, state: LinkState) -> tuple[Any, Notes]:
    """(the state as this engine can show it, sentences about what differs).

    Every id is in its vocabulary and means the same there, and what is left fits its context.
    """
    notes = _about_the_model(engine.info, state)
    if state.document_ids:
        why = _why_not(engine, state)
        if why:
            return _fitting(engine, state.without_ids(), [*notes, why])
    return _fitting(engine, state, notes)


def model_name(info: ModelInfo) -> str:
    """The model's name as a link can say it; "" for one that it can't."""
    try:
        return MODEL.read(info.name)
    except LabError:
        return ""


def made_elsewhere(info: ModelInfo, state: LinkState) -> bool:
    """Whether a link says that it was made with another model, or with other weights of it."""
    return bool(_about_the_model(info, state))


def _about_the_model(info: ModelInfo, state: LinkState) -> Notes:
    """What is repeated comes from the link: its form was checked, and it is plain text."""
    if state.model and state.model != model_name(info):
        return [f"This link was made with {state.model}; here {info.name} runs, so numbers differ."]
    theirs, ours = state.revision, info.revision
    # a link written by hand may hold the whole hash
    if not (theirs and ours) or theirs.startswith(ours) or ours.startswith(theirs):
        return []
    return [
        f"This link was made with other weights of {info.name}: revision {theirs}, here {ours}. "
        "Numbers differ."
    ]


def _why_not(engine: Engine, state: LinkState) -> str:
    """Why the document's ids can't be shown with this model; "" when they can."""
    ids, info = state.document_ids, engine.info
    anew = "The page starts from the link's words instead."
    if max(ids) >= info.vocab_size:
        return f"The link holds a token that this model's vocabulary does not. {anew}"
    spelling = getattr(state, "spelling", "")
    same_model = state.model in ("", model_name(info))
    if spelling != spelling_of(engine.vocabulary, ids) if spelling else not same_model:
        return f"The link's token ids mean other pieces of text to this model. {anew}"
    if len(ids) > info.context_length:
        return f"{ContextTooLong(len(ids), info.context_length)} {anew}"
    return ""


def _fitting(engine: Engine, state: LinkState, notes: Notes) -> tuple[LinkState, Notes]:
    """The state without texts, settings and messages that this engine can't take."""
    if isinstance(state, ChatLink):
        return _chat_fitting(engine, state, notes)
    if isinstance(state, SamplingLink):
        state, notes = _sampler_fitting(engine, state, notes)
    if state.text and not state.document_ids and not isinstance(state, TokenizerLink):
        n, most = len(api.context_ids(engine, state.text)), engine.info.context_length
        if n > most:
            return replace(state, text=""), [*notes, str(ContextTooLong(n, most))]
    return state, notes


def _sampler_fitting(
    engine: Engine, state: SamplingLink, notes: Notes
) -> tuple[SamplingLink, Notes]:
    """top-k within the vocabulary, for the sliders and for every draw."""
    size = engine.info.vocab_size
    found = [state.top_k, *(draw.sampler.top_k for draw in state.draws)]
    if max(found) <= size:
        return state, notes
    draws = tuple(replace(d, sampler=_within(d.sampler, size)) for d in state.draws)
    note = f"top-k in the link is larger than this vocabulary of {size:,} tokens, so it is off."
    top_k = state.top_k if state.top_k <= size else 0
    return replace(state, top_k=top_k, draws=draws), [*notes, note]


def _within(sampler: Sampler, size: int) -> Sampler:
    return replace(sampler, top_k=sampler.top_k if sampler.top_k <= size else 0)


def _chat_fitting(engine: Engine, state: ChatLink, notes: Notes) -> tuple[ChatLink, Notes]:
    """Messages that this model's template can write, in a document it can take."""
    if not state.messages:
        return state, notes
    if state.form == "tools" and not tool_form.fits(engine.vocabulary):
        state, notes = replace(state.without_ids(), form="own"), [*notes, NOT_LENT]
    first = state.messages[: state.first] if state.ids else state.messages
    try:
        written = engine.render_chat(
            first,
            tools=state.tools or None,
            add_generation_prompt=state.prompt,
            control_tokens=state.control_tokens,
            template=tool_form.template() if state.form == "tools" else None,
        )
        if len(written.ids) > engine.info.context_length:
            raise ContextTooLong(len(written.ids), engine.info.context_length)
    except LabError as error:
        # what a template says of messages may repeat them; a note never does
        why = str(error) if isinstance(error, ContextTooLong) else REFUSED
        return replace(state.without_ids(), messages=(), tools=()), [*notes, why]
    return state, notes

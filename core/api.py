"""The public API's answers: engine and plain values in, stable JSON out.

Everything a notebook can ask for. NaN never leaves: what was not predicted is null.
Knows nothing of Gradio.
"""

import math
from typing import Any

import numpy as np

from core import chat, limits
from core.engines import Engine
from core.measures import measure, surprisal_bits
from core.messages import parse_messages, parse_tools
from core.sampling import Sampler, generate
from core.tokens import Distribution, ScoredText, Token

Json = dict[str, Any]


def tokenize(engine: Engine, text: str, control_tokens: bool = False) -> Json:
    """The text's own tokens (no BOS), with counts."""
    limits.check_text(text)
    limits.check_bool(control_tokens, "control_tokens")
    tokens = engine.tokenize(text, control_tokens=control_tokens)
    return {
        "model": engine.info.name,
        "tokens": [_token(token) | {"bytes": token.piece.hex()} for token in tokens],
        "n_tokens": len(tokens),
        "n_characters": len(text),
        "n_bytes": len(text.encode()),
    }


def next_token(engine: Engine, text: str, top_n: int = 20) -> Json:
    """The most likely next tokens after a text, and what all others hold."""
    ids = context_ids(engine, text)
    top_n = limits.check_whole_number(top_n, "top_n", 1, limits.MAX_LISTED)
    distribution = engine.next(ids)
    best = [int(i) for i in distribution.top(top_n)]
    return {
        "model": engine.info.name,
        "context_ids": list(ids),
        "candidates": [_candidate(engine, distribution, i) for i in best],
        "rest": {
            "n_tokens": distribution.vocab_size - len(best),
            "prob": distribution.mass_outside(best),
        },
        "entropy_bits": distribution.entropy_bits,
    }


def sample(
    engine: Engine,
    text: str,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    seed: int = 0,
    max_new_tokens: int = 20,
) -> Json:
    """Continue a text token by token; every draw is in ``steps``."""
    ids = context_ids(engine, text)
    sampler = checked_sampler(engine, temperature, top_k, top_p, min_p)
    n = limits.check_whole_number(max_new_tokens, "max_new_tokens", 1, limits.MAX_NEW_TOKENS)
    rng = np.random.default_rng(checked_seed(seed))
    info = engine.info
    steps = list(generate(engine.next, ids, sampler, rng, n, info.stop_ids, info.context_length))
    return {
        "model": engine.info.name,
        "text": engine.decode([step.token.id for step in steps]),
        "steps": [
            {
                "id": step.token.id,
                "text": engine.vocabulary.token(step.token.id).text,
                "r": step.r,
                "logprob": step.token.logprob,
                "sampler_prob": step.sampler_prob,
                "rank": step.token.rank,
            }
            for step in steps
        ],
        "stopped": "end" if steps[-1].token.id in info.stop_ids else "length",
    }


def surprisal(engine: Engine, text: str, top_n: int = 5) -> Json:
    """One row for every id the model saw, BOS included; null where nothing was predicted."""
    ids = context_ids(engine, text)
    top_n = limits.check_whole_number(top_n, "top_n", 1, limits.MAX_LISTED)
    scored = engine.score(ids, top_n=top_n)
    tokens = engine.vocabulary.tokens(ids)
    whole = measure(scored, tokens, 0, len(ids))
    return {
        "model": engine.info.name,
        "tokens": [_scored_row(engine, scored, token, i) for i, token in enumerate(tokens)],
        "total_bits": whole.total_bits,
        "bits_per_token": whole.bits_per_token,
        "bits_per_byte": whole.bits_per_byte,
        "perplexity": whole.perplexity,
        "n_scored": whole.n_scored,
    }


def chat_document(
    engine: Engine, messages: str, tools: str = "", add_generation_prompt: bool = True
) -> Json:
    """The document a chat template makes of messages; messages and tools are JSON text."""
    limits.check_bool(add_generation_prompt, "add_generation_prompt")
    document = engine.render_chat(
        parse_messages(messages),
        tools=parse_tools(tools),
        add_generation_prompt=add_generation_prompt,
    )
    words = chat.roles(document, engine.vocabulary)
    tokens = engine.vocabulary.tokens(document.ids)
    return {
        "model": engine.info.name,
        "text": engine.decode(document.ids),
        "tokens": [
            _token(token) | {"role": word or None}
            for token, word in zip(tokens, words, strict=True)
        ],
    }


def context_ids(engine: Engine, text: str) -> tuple[int, ...]:
    """The ids the model sees for a text: what its tokenizer puts in front, then the text's own."""
    limits.check_text(text)
    return (*engine.info.prefix_ids, *(token.id for token in engine.tokenize(text)))


def checked_sampler(
    engine: Engine, temperature: float, top_k: int, top_p: float, min_p: float
) -> Sampler:
    """A Sampler of values that may be anything; raises InputError."""
    return Sampler(
        temperature=limits.check_number(temperature, "Temperature"),
        top_k=limits.check_top_k(top_k, engine.info.vocab_size),
        top_p=limits.check_number(top_p, "top-p"),
        min_p=limits.check_number(min_p, "min-p"),
    )


def checked_seed(seed: Any) -> int:
    """A seed for numpy's generator; raises InputError."""
    return limits.check_whole_number(seed, "The seed", 0, 2**32 - 1)


def _token(token: Token) -> Json:
    return {"id": token.id, "text": token.text, "special": token.special}


def _candidate(engine: Engine, distribution: Distribution, token_id: int) -> Json:
    logprob = distribution.logprob_of(token_id)
    return {
        "id": token_id,
        "text": engine.vocabulary.token(token_id).text,
        "prob": math.exp(logprob),
        "logprob": logprob,
        "surprisal_bits": surprisal_bits(logprob),
        "rank": distribution.rank_of(token_id),
    }


def _scored_row(engine: Engine, scored: ScoredText, token: Token, i: int) -> Json:
    if not scored.predicted[i]:
        unknown = dict.fromkeys(("logprob", "surprisal_bits", "rank", "entropy_bits", "top"))
        return _token(token) | unknown
    logprob, entropy = float(scored.logprobs[i]), float(scored.entropies_bits[i])
    top = zip(scored.top_ids[i], scored.top_logprobs[i], strict=True)
    return _token(token) | {
        "logprob": logprob,
        "surprisal_bits": surprisal_bits(logprob),
        "rank": int(scored.ranks[i]) or None,
        "entropy_bits": None if math.isnan(entropy) else entropy,
        "top": [
            {
                "id": int(token_id),
                "text": engine.vocabulary.token(int(token_id)).text,
                "prob": math.exp(value),
                "logprob": float(value),
            }
            for token_id, value in top
        ],
    }

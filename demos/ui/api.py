"""The five public endpoints: typed functions with docstrings over ``core.api``."""

from collections.abc import Callable
from typing import Any

import anyio
import gradio as gr

from core import api
from demos.ui.events import bind
from demos.ui.lab import Lab


class PublicApi:
    """The endpoints as methods; each waits for the engine and answers with plain JSON."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def _answer(self, question: Callable[..., dict[str, Any]], *values: Any) -> Any:
        """Wait for the engine without a thread, then answer in one."""
        await self._lab.wait()
        return await anyio.to_thread.run_sync(bind(self._lab, question), *values)

    async def tokenize(self, text: str, control_tokens: bool = False) -> dict[str, Any]:
        """Cut a text into the model's tokens.

        Parameters:
            text: any text of up to 20,000 characters.
            control_tokens: read text that spells a special token as that token.
        Returns:
            {model, tokens: [{id, text, bytes (hex), special}], n_tokens, n_characters,
            n_bytes}. The tokens are the text's own: no start token is added.
        """
        return await self._answer(api.tokenize, text, control_tokens)

    async def next_token(self, text: str, top_n: int = 20) -> dict[str, Any]:
        """The distribution of the token after a text.

        Parameters:
            text: the document so far.
            top_n: how many candidates to list, 1 to 100.
        Returns:
            {model, context_ids, candidates: [{id, text, prob, logprob, surprisal_bits,
            rank}], rest: {n_tokens, prob}, entropy_bits}. Probabilities are softmax over
            the whole vocabulary; logprob is the natural logarithm.
        """
        return await self._answer(api.next_token, text, top_n)

    async def sample(
        self,
        text: str,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int = 0,
        max_new_tokens: int = 20,
    ) -> dict[str, Any]:
        """Continue a text, one draw per token.

        Parameters:
            text: the document so far.
            temperature: 0 (greedy) to 10.
            top_k: keep the k most likely tokens; 0 is off.
            top_p: keep the smallest set whose mass reaches p; 1 is off.
            min_p: keep tokens with at least p times the top probability; 0 is off.
            seed: of numpy's default generator; the same seed gives the same text.
            max_new_tokens: 1 to 200.
        Returns:
            {model, text, steps: [{id, text, r, logprob, sampler_prob, rank}], stopped}.
            logprob is the model's own, sampler_prob is after the stages, r is null when
            greedy; stopped is "end" or "length".
        """
        settings = (temperature, top_k, top_p, min_p, seed, max_new_tokens)
        return await self._answer(api.sample, text, *settings)

    async def surprisal(self, text: str, top_n: int = 5) -> dict[str, Any]:
        """How surprising each token of a text is.

        Parameters:
            text: the text to score.
            top_n: how many of the model's guesses to list at each token, 1 to 100.
        Returns:
            {model, tokens: [{id, text, special, logprob, surprisal_bits, rank,
            entropy_bits, top}], total_bits, bits_per_token, bits_per_byte, perplexity,
            n_scored}: one row for every id the model saw, a start token included; null
            where nothing was predicted.
        """
        return await self._answer(api.surprisal, text, top_n)

    async def chat_document(
        self, messages: str, tools: str = "", add_generation_prompt: bool = True
    ) -> dict[str, Any]:
        """Write chat messages as the one document the model sees.

        Parameters:
            messages: JSON text, [{"role": "user", "content": "Hello"}, …].
            tools: JSON text, a list of tool definitions, or empty.
            add_generation_prompt: open the model's turn at the end.
        Returns:
            {model, text, tokens: [{id, text, special, role}]}. role is the word the
            template writes, null before the first turn.
        """
        return await self._answer(api.chat_document, messages, tools, add_generation_prompt)


def register_api(lab: Lab) -> None:
    """Register the endpoints in the Blocks under construction."""
    endpoints = PublicApi(lab)
    for name in ("tokenize", "next_token", "sample", "surprisal", "chat_document"):
        gr.api(getattr(endpoints, name), api_name=name, concurrency_id="model")

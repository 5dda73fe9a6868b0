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

        The answer is {model, tokens: [{id, text, bytes, special}], n_tokens, n_characters,
        n_bytes}; bytes are in hex. The tokens are the text's own: no start token is added.

        Parameters:
            text: any text of 1 to 20,000 characters.
            control_tokens: read text that spells a special token as that token; false by default.
        """
        return await self._answer(api.tokenize, text, control_tokens)

    async def next_token(self, text: str, top_n: int = 20) -> dict[str, Any]:
        """The model's distribution of the token after a text.

        The answer is {model, context_ids, candidates: [{id, text, prob, logprob,
        surprisal_bits, rank}], rest: {n_tokens, prob}, entropy_bits}. prob is softmax over the
        whole vocabulary at temperature 1, logprob its natural logarithm; rest is all that is
        not listed.

        Parameters:
            text: the document so far, 1 to 20,000 characters.
            top_n: how many candidates to list, 1 to 100.
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

        The stages are applied in the order of the parameters. The answer is {model, text,
        steps: [{id, text, r, logprob, sampler_prob, rank}], stopped}. r is the number drawn,
        null when greedy; logprob and rank are the model's own, sampler_prob is after the
        stages; stopped is "end" or "length".

        Parameters:
            text: the document so far, 1 to 20,000 characters.
            temperature: 0 (greedy) to 10.
            top_k: keep the k most likely tokens; 0, the default, is off.
            top_p: keep the smallest set whose mass reaches p; 1 is off.
            min_p: keep tokens with at least p times the top probability; 0, the default, is off.
            seed: of numpy's default generator: the same seed gives the same text; 0 by default.
            max_new_tokens: how many tokens at most, 1 to 200.
        """
        settings = (temperature, top_k, top_p, min_p, seed, max_new_tokens)
        return await self._answer(api.sample, text, *settings)

    async def surprisal(self, text: str, top_n: int = 5) -> dict[str, Any]:
        """How surprising the model finds each token of a text, in bits.

        The answer is {model, tokens: [{id, text, special, logprob, surprisal_bits, rank,
        entropy_bits, top}], total_bits, bits_per_token, bits_per_byte, perplexity, n_scored}:
        one row for every id the model saw, a start token included; null where nothing was
        predicted.

        Parameters:
            text: the text to score, 1 to 20,000 characters.
            top_n: how many of the model's guesses to list at each token, 1 to 100.
        """
        return await self._answer(api.surprisal, text, top_n)

    async def chat_document(
        self, messages: str, tools: str = "", add_generation_prompt: bool = True
    ) -> dict[str, Any]:
        """Write chat messages as the one document of tokens that the model sees.

        The answer is {model, text, tokens: [{id, text, special, role}]}. role is the word the
        chat template writes at the turn's start, null before the first turn.

        Parameters:
            messages: JSON text, [{"role": "user", "content": "Hello"}, …].
            tools: JSON text, a list of tool definitions; empty by default.
            add_generation_prompt: open the model's turn at the end.
        """
        return await self._answer(api.chat_document, messages, tools, add_generation_prompt)


EXAMPLES = {
    "tokenize": "Zürich café 🚀",
    "next_token": "The capital of France is",
    "sample": "Once upon a time",
    "surprisal": "The keys to the cabinet are on the table.",
    # as it stands between quotes: Gradio puts it there in its snippets, and escapes nothing
    "chat_document": r"[{\"role\": \"user\", \"content\": \"Hello\"}]",
}


def register_api(lab: Lab) -> None:
    """Register the endpoints in the Blocks under construction, each with its documentation."""
    endpoints = PublicApi(lab)
    for name, example in EXAMPLES.items():
        endpoint = getattr(endpoints, name)
        event = gr.api(endpoint, api_name=name, concurrency_id="model")
        _document(event, endpoint, example)


def _document(event: Any, endpoint: Callable[..., Any], example: str) -> None:
    """Give the API page what ``gr.api`` leaves out: each parameter's name, words, and an example.

    Of the docstring that page shows only what stands before the parameters.
    """
    blocks = gr.context.Context.root_block.blocks
    _, words, _ = gr.utils.get_function_description(endpoint)
    for block_id, (name, described) in zip(event["inputs"], words.items(), strict=True):
        blocks[block_id].label = name
        blocks[block_id]._api_info["additional_description"] = described[0].upper() + described[1:]
    blocks[event["inputs"][0]].example_payload = lambda: example
    blocks[event["outputs"][0]].label = "answer"

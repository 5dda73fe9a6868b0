"""The other libraries, each in a process of the peers' own environment.

This file runs on both sides: ``Peer`` here asks, and as a script it answers, one JSON line
for each. It imports nothing of Token Lab, which is not installed there.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

N_DECODED = 32


class Peer:
    """A library in its own process, ready for questions."""

    def __init__(self, python: str, name: str, model: str) -> None:
        self.name = name
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (why it ended, if it does)
        self._process = subprocess.Popen(
            [python, __file__, name, model],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True,
        )  # fmt: skip
        self._answer()

    def score(self, text: str) -> dict[str, Any]:
        """{seconds, logprobs} of a text."""
        return self._ask({"do": "score", "text": text})

    def decode(self, text: str) -> dict[str, Any]:
        """{seconds} of a step of decoding after a text."""
        return self._ask({"do": "decode", "text": text})

    def memory(self, text: str) -> int:
        """Extra bytes at the fullest moment of scoring a text."""
        return int(self._ask({"do": "memory", "text": text})["bytes"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._said.close()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                return dict(json.loads(line))
        self._said.seek(0)
        code, said = self._process.wait(), self._said.read()[-2000:]
        raise RuntimeError(f"{self.name} ended with exit code {code}: {said}")


def opened(name: str, model: str) -> Any:
    """A function: what, text -> answer, of one library."""
    if name == "llama.cpp":
        return _llama(model)
    scores = _minicons(model) if name == "minicons" else _surprisal(model)

    def answer(what: str, text: str) -> dict[str, Any]:
        if what == "memory":
            before = _reset()
            scores(text)
            return {"bytes": _status("VmHWM") - before}
        start = time.perf_counter()
        logprobs = scores(text)
        return {"seconds": time.perf_counter() - start, "logprobs": logprobs}

    return answer


def _minicons(folder: str) -> Any:
    from minicons import scorer

    model = scorer.IncrementalLMScorer(folder, "cpu")
    return lambda text: [logprob for _, logprob in model.token_score(text)[0]]


def _surprisal(folder: str) -> Any:
    import surprisal

    model = surprisal.AutoHuggingFaceModel.from_pretrained(folder, model_class="causal")
    return lambda text: [-float(nats) for nats in next(iter(model.surprise(text))).surprisals]


def _llama(file: str) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = file, 512, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    server = xllamacpp.Server(params)
    greedy = {"max_tokens": N_DECODED, "temperature": 0, "ignore_eos": True, "cache_prompt": False}

    def answer(what: str, text: str) -> dict[str, Any]:
        timings = server.handle_completions({"prompt": text, **greedy})["timings"]
        return {"seconds": timings["predicted_per_token_ms"] / 1000}

    return answer


def _reset() -> int:
    import ctypes

    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    answering = opened(sys.argv[1], sys.argv[2])
    print("{}", flush=True)
    for asked in sys.stdin:
        question = json.loads(asked)
        print(json.dumps(answering(question["do"], question["text"])), flush=True)

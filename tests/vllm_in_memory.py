"""A vLLM server in memory: what its HTTP interface answers, computed by a ToyEngine.

``Server.transport`` goes into a Wire. Real softmax numbers, the sampled token listed first,
ranks as vLLM counts them. Faults are given in advance, one for each request.
"""

import copy
import functools
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from core.config import Settings
from core.engines.memory import BoundedMemory
from core.engines.pieces import byte_stand_ins
from core.engines.remote import open_remote
from core.engines.remote_wire import Wire
from core.engines.toy import BOS, NAMES, ToyEngine
from core.errors import InputError

STAND_INS = {byte: sign for sign, byte in byte_stand_ins().items()}


@functools.lru_cache(maxsize=1000)
def ids_of(text):
    """What the toy makes of a text; every engine that is opened asks for the same 300 long ones."""
    return tuple(token.id for token in ToyEngine().tokenize(text, control_tokens=True))


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


class Server:
    """Answers requests; ``faults`` are responses, exceptions or functions for the next ones."""

    def __init__(
        self, *, key=None, model="toy", max_logprobs=20, max_model_len=4097, template=True
    ):
        self.toy = ToyEngine()
        self.key, self.model, self.template = key, model, template
        self.max_logprobs, self.max_model_len = max_logprobs, max_model_len
        self.faults, self.asked = [], []
        self.transport = httpx.MockTransport(self.answer)

    def wire(self, key=None, clock=None):
        clock = clock or Clock()
        return Wire("http://model.test/v1/", key, transport=self.transport,
                    sleep=clock.sleep, clock=clock)  # fmt: skip

    def open(self, tmp_path="/nowhere", **settings):
        chosen = Settings(tmp_path, engine_url="http://model.test", **settings)
        return open_remote(chosen, lambda progress: None, self.wire(), lambda seconds: None)

    def completions_asked(self):
        return [body for path, body in self.asked if path == "/v1/completions"]

    def answer(self, request):
        body = json.loads(request.content) if request.content else {}
        self.asked.append((request.url.path, body))
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            if fault is not None:
                return fault
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return httpx.Response(401, json={"error": "Unauthorized"})
        if body and body["model"] != self.model:
            return refused(f"The model `{body['model']}` does not exist.", 404)
        routes = {
            "/v1/models": self.models,
            "/v1/completions": self.completions,
            "/tokenize": self.tokenize,
            "/detokenize": self.detokenize,
        }
        return routes[request.url.path](body)

    def models(self, body):
        card = {"id": self.model, "root": self.model, "parent": None,
                "max_model_len": self.max_model_len}  # fmt: skip
        return httpx.Response(200, json={"object": "list", "data": [card]})

    def completions(self, body):
        for field, words in (("logprobs", "sample"), ("prompt_logprobs", "prompt")):
            if (wanted := body.get(field) or 0) > self.max_logprobs:
                return refused(
                    f"Requested {words} logprobs of {wanted}, which is greater than max allowed: "
                    f"{self.max_logprobs}"
                )
        prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
        for ids in prompts:
            if len(ids) + body["max_tokens"] > self.max_model_len:
                return refused(f"maximum context length is {self.max_model_len} tokens")
            if max(ids) >= self.toy.info.vocab_size:
                return refused(f"Token id {max(ids)} is out of vocabulary")
        choices = [self.choice(i, ids, body) for i, ids in enumerate(prompts)]
        return httpx.Response(200, json={"choices": choices[::-1]})

    def choice(self, index, ids, body):
        found = {"index": index, "text": "x", "finish_reason": "length", "logprobs": None}
        if (n := body.get("logprobs")) is not None:
            logprobs = self.logprobs(ids)
            best = np.argsort(-logprobs, kind="stable")
            assert body["temperature"] == 0
            assert body["return_tokens_as_token_ids"]
            # what was sampled stands first, then the others in no promised order
            listed = [best[0], *best[1:n][::-1]]
            top = {f"token_id:{i}": float(logprobs[i]) for i in listed}
            found["logprobs"] = {
                "tokens": [f"token_id:{best[0]}"],
                "token_logprobs": [float(logprobs[best[0]])],
                "top_logprobs": [top],
            }
        if (n := body.get("prompt_logprobs")) is not None:
            rows = [self.row(ids[:i], ids[i], n) for i in range(1, len(ids))]
            found["prompt_logprobs"] = [None, *rows]
        return found

    def row(self, before, token_id, n):
        logprobs = self.logprobs(before)
        best = np.argsort(-logprobs, kind="stable")[:n]
        at_least = int(np.count_nonzero(logprobs >= logprobs[token_id]))
        ranks = {token_id: at_least} | {int(i): rank for rank, i in enumerate(best, 1)}
        return {
            str(i): {"logprob": float(logprobs[i]), "rank": rank, "decoded_token": "?"}
            for i, rank in ranks.items()
        }

    def logprobs(self, ids):
        return self.toy.next(ids).logprob_by_id

    def tokenize(self, body):
        if "messages" in body:
            return self.templated(body)
        ids = ids_of(body["prompt"])
        ids = (BOS, *ids) if body.get("add_special_tokens", True) else ids
        names = [NAMES.get(i) or STAND_INS[i] for i in ids]
        return httpx.Response(
            200, json={"count": len(ids), "max_model_len": self.max_model_len, "tokens": ids,
                       "token_strs": names if body.get("return_token_strs") else None}
        )  # fmt: skip

    def templated(self, body):
        if not self.template:
            return refused("As of transformers v4.44, default chat template is no longer allowed")
        try:
            chat = self.toy.render_chat(
                body["messages"],
                add_generation_prompt=body["add_generation_prompt"],
                control_tokens=True,
            )
        except InputError as error:
            return refused(str(error))
        return httpx.Response(200, json={"count": len(chat.ids), "tokens": list(chat.ids)})

    def detokenize(self, body):
        return httpx.Response(200, json={"prompt": self.toy.decode(body["tokens"])})


@contextmanager
def listening(server, port):
    """The server at a real address, http://127.0.0.1:port, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # and POST
            length = int(self.headers.get("content-length", 0))
            url = f"http://127.0.0.1:{port}{self.path}"
            asked = httpx.Request(
                self.command, url, headers=dict(self.headers), content=self.rfile.read(length)
            )
            answer = server.answer(asked)
            self.send_response(answer.status_code)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *words):
            """Nothing on the terminal."""

    Handler.do_POST = Handler.do_GET
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown()
            thread.join()


def refused(message, status=400):
    error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
    return httpx.Response(status, json={"error": error})


def forgetting(engine):
    """The same remote engine, remembering nothing."""
    twin = copy.copy(engine)
    twin.memory, twin.scored = BoundedMemory(0), BoundedMemory(0)
    return twin


TEMPLATE = """<bos>{% for message in messages %}<turn>{{ message.role }}
{{ message.content }}</turn>
{% endfor %}{% if add_generation_prompt %}<turn>assistant
{% endif %}"""


def save_tokenizer(folder, shift=0):
    """The toy's tokens as the files of a Hugging Face tokenizer; ``shift``: other ids."""
    byte_ids = {STAND_INS[byte]: (byte + shift) % 256 for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab=byte_ids, merges=[]))
    tokenizer.add_special_tokens(list(NAMES.values()))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", BOS)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="</turn>",
        additional_special_tokens=["<turn>"],
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return folder

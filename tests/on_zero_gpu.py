"""A tiny model through the real ``spaces`` as on a ZeroGPU, its device API played on this machine.

Run by test_zero_gpu.py in a process of its own, for ``spaces`` patches torch for good. Only what
needs a card is replaced: starting CUDA in the worker, and the move onto it, which puts the weights
back where they are on the CPU.
"""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import torch


class DeviceAPI(BaseHTTPRequestHandler):
    """Lends one GPU, or says that the quota is gone."""

    quota_is_gone = False
    asked: ClassVar[list[str]] = []

    def do_POST(self):
        path = self.path.split("?")[0]
        self.asked.append(path)
        if path == "/schedule" and self.quota_is_gone:
            return self.answer(429, {"left": 0, "wait": 3600})
        lent = {"idle": True, "nvidiaIndex": 0, "nvidiaUUID": "none", "allowToken": "token"}
        return self.answer(200, lent if path == "/schedule" else {})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def is_in_bad_fork():
    """No CUDA was started before this process was forked."""
    return False


def real_spaces(url):
    """The package, imported as it is on a ZeroGPU, with a worker that stays on the CPU."""
    os.environ |= {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": url}
    torch.version.cuda = torch.version.cuda or "13.0"  # a torch without CUDA, as one with it
    if not hasattr(torch._C, "_cuda_init"):
        torch._C._cuda_init = lambda: None
        torch.cuda._is_in_bad_fork = is_in_bad_fork
    import spaces
    from spaces.zero import torch as on_card
    from spaces.zero import utils
    from spaces.zero.torch import patching

    def move(callback=None):
        for fake, original in patching.cuda_aliases.items():
            fake.data = original

    on_card.init, on_card.move = lambda uuid: None, move
    utils.self_cgroup_device_path = lambda: "/none"
    return spaces


def tiny_model():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
    )
    return LlamaForCausalLM(config).eval()


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), DeviceAPI)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    spaces = real_spaces(f"http://127.0.0.1:{server.server_port}")

    from core.engines.local.limits import Limits
    from core.engines.local.predictor import Predictor
    from core.engines.local.verified import way_through
    from core.engines.local.zero import LentPredictor, on_gpu, seconds_of

    lent_model, small = tiny_model(), tiny_model()
    limits = Limits(n_slots=2000, distribution_bytes=10**7, scored_bytes=10**6, n_lookahead=0)
    plain, told = Predictor(way_through(small), limits), []
    ask = spaces.GPU(on_gpu, duration=seconds_of)
    assert ask is not on_gpu
    way = type(way_through(lent_model))
    lent = LentPredictor(lent_model, way, limits, ask, ("the small one", plain), told.append)
    lent.lend()
    assert lent_model.device.type == "cuda"  # as ``spaces`` has it
    for ids in ((1, 2, 3), (1, 2, 3, 4), (9, 8)):
        found = lent.next(ids).logprob_by_id
        np.testing.assert_allclose(found, plain.next(ids).logprob_by_id, rtol=0, atol=1e-4)
    scored = lent.score((1, 2, 3, 4, 5), 3, None)
    expected = plain.score((1, 2, 3, 4, 5), 3, None)
    np.testing.assert_allclose(scored.logprobs, expected.logprobs, rtol=0, atol=1e-4)
    assert DeviceAPI.asked.count("/schedule") == DeviceAPI.asked.count("/release") == 4
    assert told == []
    DeviceAPI.quota_is_gone = True
    found = lent.next((7, 7, 7)).logprob_by_id
    np.testing.assert_allclose(found, plain.next((7, 7, 7)).logprob_by_id, rtol=0, atol=1e-4)
    assert "the small one answered this on the CPU" in told[0], told
    print("as it should be,", DeviceAPI.asked.count("/allow"), "worker")


if __name__ == "__main__":
    main()

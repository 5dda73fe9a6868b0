"""The Hugging Face Hub, played by a small server on this machine.

``huggingface_hub`` reads HF_ENDPOINT and HF_HOME when it is imported, so its
``constants`` are patched instead.
"""

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from types import MappingProxyType
from typing import ClassVar

from huggingface_hub import constants

ID = "someone/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def safetensors(n_bytes):
    header = {"w": {"dtype": "U8", "shape": [n_bytes], "data_offsets": [0, n_bytes]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(n_bytes)


FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "model.safetensors": safetensors(3_000_000),
    "pytorch_model.bin": b"not wanted",
    "README.md": b"not wanted",
}


class StandIn(BaseHTTPRequestHandler):
    """The four kinds of request that a download makes; the class's attributes are the script.

    A fault (``status``, ``seconds``, ``cut_after``, ``damaged``) is of the repositories whose id
    has ``whose`` in it, and of the requests that have ``where`` in their path.
    """

    status = 200
    code = ""
    headers_of_refusal = ()
    whose = where = ""
    seconds = 0  # before anything is answered
    gated = False
    may_read = True  # of a gated model, without a token
    token = "hf_accepted"
    files = FILES
    models = MappingProxyType({})  # id -> files, of repositories that have their own
    damaged = False  # one byte of the weights is another
    cut_after = None  # bytes of a file after which the connection is cut
    holds_after = None  # bytes of a file after which nothing comes until the client is gone
    held: ClassVar = Event()
    requests = ()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        type(self).requests = (*self.requests, path)
        self.at_fault = self.whose in path and self.where in path
        if self.at_fault:
            time.sleep(self.seconds)
        if self.status != 200 and self.at_fault:
            self.refuse(self.status, self.code)
        elif path.endswith("/auth-check"):
            self.send_json({}) if self.is_let_in() else self.refuse_at_the_gate()
        elif "/tree/" in path:
            self.send_json([entry | {"type": "file"} for entry in self.entries("path")])
        elif path.startswith("/api/"):
            names = self.entries("rfilename")
            gated = self.gated and self.whose in path
            self.send_json({"id": ID, "sha": COMMIT, "gated": gated, "siblings": names})
        elif self.gated and not self.is_let_in():
            self.refuse_at_the_gate()
        else:
            self.send_file(path.rsplit("/", 1)[1])

    def refuse_at_the_gate(self):
        self.refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")

    def is_let_in(self):
        bearer = self.headers.get("Authorization") == f"Bearer {self.token}"
        return self.may_read or bearer or self.whose not in self.path

    def repository(self):
        """The files of the repository that is asked for."""
        path = self.path.split("?")[0] + "/"
        return next((f for name, f in self.models.items() if f"/{name}/" in path), self.files)

    def entries(self, key):
        return [
            {key: name, "size": len(content), "oid": oid(content), **lfs(name, content)}
            for name, content in self.repository().items()
        ]

    def send_json(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, name):
        content = self.repository()[name]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{oid(content)}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            if self.at_fault and self.damaged and name.endswith(".safetensors"):
                content = content[:-1] + b"\1"
            if self.at_fault and self.holds_after is not None:
                self.wfile.write(content[start : self.holds_after])
                self.held.set()
                self.rfile.read(1)
            else:
                self.wfile.write(content[start : self.cut_after if self.at_fault else None])

    def refuse(self, status, code):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        for name, value in self.headers_of_refusal:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def oid(content):
    return hashlib.sha1(content).hexdigest()


def lfs(name, content):
    """What the Hub says of a large file."""
    if not name.endswith(".safetensors"):
        return {}
    sha256 = hashlib.sha256(content).hexdigest()
    return {"lfs": {"size": len(content), "sha256": sha256, "oid": sha256, "pointerSize": 134}}


@contextmanager
def serving(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def at(monkeypatch, url):
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )

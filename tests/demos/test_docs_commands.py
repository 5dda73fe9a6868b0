"""Every command in docs/links.md and docs/courses.md is run as it stands, on free ports.

So are those of docs/scale.md that need a model server, with one in memory; its script, which
fetches a real one, is held by unit/test_docs_scale.py.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager

import documents
import httpx
import pytest
import serving
import vllm_in_memory

DOCS = serving.ROOT / "docs"
PAGES = ("links.md", "courses.md")


def commands(page):
    """The lines of a page's bash blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    return "".join(blocks).replace("\\\n", " ").splitlines()


COMMANDS = [line for page in PAGES for line in commands(page)]
WITH_A_SERVER = [line for line in commands("scale.md") if "127.0.0.1:8000" in line]
WRITTEN_PORT = "8000"  # what http.server is given in the docs
SECONDS = 120


@contextmanager
def started(command, log):
    """A command of the docs in the repository root, ended at the end: the address it serves.

    Its own settings stay; the toy model and a free port are added where it names none.
    """
    words, port = shlex.split(command), str(serving.free_port())
    given = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    program = [port if word == WRITTEN_PORT else word for word in words[len(given) :]]
    assert program[0] == "python"
    environment = os.environ | {"LAB_MODEL": "toy", "GRADIO_SERVER_PORT": port} | given
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, *program[1:]],
            cwd=serving.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def fetched(address, log):
    """What an address answers, once there is somebody to answer."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return httpx.get(address, timeout=10)
        except httpx.TransportError:
            assert time.monotonic() < deadline, log.read_text("utf-8", "replace")
            time.sleep(0.2)


def test_the_course_is_served(tmp_path):
    """The lab of the example course says its title and opens a page for each of its demos."""
    (command,) = [command for command in COMMANDS if "LAB_COURSE" in command]
    log = tmp_path / "log.txt"
    with started(command, log) as address:
        page = fetched(f"{address}/?q=2", log)
        assert page.is_success
        assert "Unit 3: What a language model does" in page.text
        assert fetched(f"{address}/chat-document", log).is_success


def test_the_example_page_is_served(tmp_path):
    """The page around the demos, from a folder of files."""
    (command,) = [command for command in COMMANDS if "http.server" in command]
    log = tmp_path / "log.txt"
    with started(command, log) as address:
        page = fetched(f"{address}/course-page.html", log)
    assert page.text == (DOCS / "course-page.html").read_text("utf-8")


@pytest.fixture
def with_a_server(tmp_path):
    """A function: a line of docs/scale.md about a server in memory, whose model is the toy."""
    folder, port = vllm_in_memory.save_tokenizer(tmp_path), serving.free_port()

    def written(line):
        line = line.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        return line.replace("smollm2-135m-instruct", str(folder))

    with vllm_in_memory.listening(vllm_in_memory.Server(), port):
        yield written


def test_the_app_over_a_server_starts(tmp_path, with_a_server):
    """The line that starts the app once a server is there: it learns what the server runs."""
    [command] = [line for line in WITH_A_SERVER if line.endswith("python app.py")]
    log = tmp_path / "log.txt"
    with started(with_a_server(command), log) as address:
        assert fetched(address, log).is_success
        deadline = time.monotonic() + SECONDS
        while "Ready: " not in log.read_text("utf-8"):
            assert time.monotonic() < deadline, log.read_text("utf-8", "replace")
            time.sleep(0.2)


def test_the_contract_over_a_server_is_held(with_a_server):
    """The line that tests a server that is there already; it has no weights to compare with."""
    [command] = [line for line in WITH_A_SERVER if "pytest" in line]
    words = shlex.split(with_a_server(command))
    given = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    python, *program = words[len(given) :]
    assert python == "python"
    program += ["-q", "-p", "no:cacheprovider", "-k", "not transformers"]
    told = documents.run([sys.executable, *program], **given)
    assert re.search(r"^(\d\d+) passed, 4 deselected", told, re.MULTILINE)


def test_there_is_no_other_command():
    """A command that is added to these pages needs a test beside these."""
    assert len(COMMANDS) == len(WITH_A_SERVER) == 2


@pytest.mark.parametrize("page", PAGES)
def test_code_is_fenced_with_its_language_or_is_plain(page):
    """No fence hides a command from these tests."""
    languages = re.findall(r"^```(\w*)$", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert set(languages) <= {"", "bash", "toml"}

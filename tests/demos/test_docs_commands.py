"""Every command in docs/links.md and docs/courses.md is run as it stands, on free ports."""

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
import serving

DOCS = serving.ROOT / "docs"
PAGES = ("links.md", "courses.md")
COMMANDS = [
    line
    for page in PAGES
    for block in re.findall(r"```bash\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
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


def test_there_is_no_other_command():
    """A command that is added to these pages needs a test beside these."""
    assert len(COMMANDS) == 2


@pytest.mark.parametrize("page", PAGES)
def test_code_is_fenced_with_its_language_or_is_plain(page):
    """No fence hides a command from these tests."""
    languages = re.findall(r"^```(\w*)$", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert set(languages) <= {"", "bash", "toml"}

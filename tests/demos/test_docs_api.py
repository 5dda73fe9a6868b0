"""docs/api.md and the MCP server: the app is started by the page's own command, and every block
on the page, and README's Python, is run against it. The tools answer what ``core.api`` answers."""

import asyncio
import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError

import documents
import httpx
import pytest
import serving
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from core import api
from core.engines.toy import ToyEngine
from demos.ui import mcp
from demos.ui.page import make_lab

PAGE = "api.md"
PIP, START = "pip install", "python app.py"
SECONDS = 60
MESSAGES = json.dumps([{"role": "user", "content": "Grüezi"}])
TOOLS = json.dumps([{"type": "function", "function": {"name": "clock", "parameters": {}}}])
QUESTIONS = [
    ("tokenize", {"text": "Zürich 🚀 <turn>"}),
    ("tokenize", {"text": "Zürich 🚀 <turn>", "control_tokens": True}),
    ("next_token", {"text": "The cat", "top_n": 3}),
    ("sample", {"text": "The", "temperature": 0.8, "top_k": 5, "seed": 3, "max_new_tokens": 4}),
    ("sample", {"text": "The", "temperature": 0}),
    ("surprisal", {"text": "The cat sat."}),
    ("chat_document", {"messages": MESSAGES}),
    ("chat_document", {"messages": MESSAGES, "tools": TOOLS, "add_generation_prompt": False}),
]


def commands(*kinds):
    """The page's bash blocks that hold one of some words."""
    return [block for block in documents.blocks(PAGE, "bash") if any(k in block for k in kinds)]


@pytest.fixture(scope="module")
def lab():
    """The app with the toy model, started by the command on the page."""
    [command] = commands(START)
    *settings, python, program = shlex.split(command)
    assert python == "python"
    environment = dict(setting.split("=", 1) for setting in settings)
    server = serving.Server("toy", program=[program], **environment)
    yield server.wait_until_ready()
    server.stop()


def with_session(lab, ask):
    """What ``ask(session)`` gives in a session of an MCP client."""

    async def talk():
        address = f"{lab.url}/gradio_api/mcp/"
        async with (
            streamable_http_client(address) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return asyncio.run(asyncio.wait_for(talk(), SECONDS))


def called(lab, name, **values):
    """(whether it is an error, the text) of one tool's answer."""
    answer = with_session(lab, lambda session: session.call_tool(name, values))
    [content] = answer.content
    return answer.isError, content.text


# --- the page's blocks


@pytest.mark.parametrize(
    "block", documents.blocks(PAGE, "python") + documents.blocks("../README.md", "python")
)
def test_the_python_on_the_page_runs(lab, block):
    """Each block alone, as it stands (but for README's address), in an interpreter of its own."""
    block = block.replace('Client("http://127.0.0.1:7860")', f'Client("{lab.url}")')
    assert documents.run([sys.executable, "-c", block], LAB_URL=lab.url, LAB_MODEL="toy")


@pytest.mark.parametrize("block", commands("curl"))
def test_the_curl_on_the_page_gives_an_answer(lab, block):
    """The two steps end with an event and its data, which are the endpoint's answer."""
    event, data = documents.run(["bash", "-euo", "pipefail", "-c", block], LAB_URL=lab.url).split(
        "\n"
    )[-4:-2]
    assert event == "event: complete"
    [answer] = json.loads(data.removeprefix("data: "))
    assert answer == asked_in_process(
        "next_token", {"text": "The capital of France is", "top_n": 3}
    )


@pytest.mark.parametrize("block", commands(PIP))
def test_what_the_page_installs_is_what_the_tests_have(block):
    """Pip finds each requirement met, version included, without asking an index."""
    pip, *words = shlex.split(block)
    environment = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DRY_RUN": "1"}
    said = documents.run([sys.executable, "-m", pip, *words], **environment)
    assert "already satisfied" in said
    assert "Would install" not in said


def test_every_block_is_run():
    """No block on the page is of a kind that no test here runs."""
    every = documents.FENCED.findall((documents.DOCS / PAGE).read_text(encoding="utf-8"))
    assert {language for language, _ in every} == {"bash", "python", "json"}
    bash = documents.blocks(PAGE, "bash")
    assert sorted(bash) == sorted(commands("curl") + commands(PIP) + commands(START))


def test_the_address_for_assistants_is_the_servers(lab):
    """What is written into an assistant's settings ends where the server listens."""
    [block] = documents.blocks(PAGE, "json")
    [server] = json.loads(block)["mcpServers"].values()
    assert server["url"].startswith("http://127.0.0.1:7860/")
    address = server["url"].replace("http://127.0.0.1:7860", lab.url)
    assert httpx.get(address, timeout=SECONDS).is_success


# --- the tools


def asked_in_process(name, values):
    """The answer of ``core.api``, as JSON gives it back."""
    return json.loads(json.dumps(getattr(api, name)(ToyEngine(), **values)))


def test_exactly_five_tools_each_described(lab):
    """Name, sentence, and every parameter with a type and words; no other event is a tool."""
    tools = {tool.name: tool for tool in with_session(lab, lambda s: s.list_tools()).tools}
    assert sorted(tools) == ["chat_document", "next_token", "sample", "surprisal", "tokenize"]
    for tool in tools.values():
        assert "The answer is {model, " in tool.description
        assert ",," not in tool.description
        for value in tool.inputSchema["properties"].values():
            assert value["type"] in {"string", "integer", "number", "boolean"}
            assert len(value["description"]) > 10
    assert [tools[name].inputSchema["required"] for name in ("sample", "chat_document")] == [
        ["text"],
        ["messages"],
    ]


@pytest.mark.parametrize(("name", "values"), QUESTIONS)
def test_a_tool_answers_what_the_endpoint_answers(lab, name, values):
    """One text of JSON: the endpoint's answer, null and true included, and core's own."""
    failed, text = called(lab, name, **values)
    assert not failed
    assert json.loads(text) == asked_in_process(name, values)


def test_the_client_gets_the_same(lab):
    """Over gradio_client each question has the answer it has as a tool."""
    client = Client(lab.url, verbose=False)
    for name, values in QUESTIONS:
        assert client.predict(**values, api_name=f"/{name}") == asked_in_process(name, values)
    client.close()


def test_a_tool_says_what_can_not_be_done(lab):
    """An error whose text is the sentence of the page; the next call works."""
    assert called(lab, "next_token", text="") == (
        True,
        "The text is empty. Type at least one character.",
    )
    failed, sentence = called(lab, "sample", text="a", temperature=-1)
    assert failed
    assert sentence.startswith("Temperature is -1.0; it must be")
    assert called(lab, "next_token")[0]
    assert not called(lab, "tokenize", text="a")[0]


def test_questions_asked_together_keep_their_answers(lab):
    """Ten calls under way at once in one session each get their own answer."""
    texts = [f"The {'cat' * n}" for n in range(1, 11)]

    async def ask(session):
        calls = [session.call_tool("tokenize", {"text": text}) for text in texts]
        return await asyncio.gather(*calls)

    answers = [json.loads(answer.content[0].text) for answer in with_session(lab, ask)]
    assert [answer["n_characters"] for answer in answers] == [len(text) for text in texts]


def test_without_the_setting_there_are_no_tools(app):
    """An app started as usual has no such address."""
    assert httpx.get(f"{app.url}/gradio_api/mcp/", timeout=SECONDS).status_code == 404


@pytest.mark.parametrize(("installed", "why"), [(None, "it is not installed"), ("2.3.0", "2.3.0")])
def test_a_missing_package_ends_the_start_with_its_remedy(monkeypatch, installed, why):
    """LAB_MCP=1 without a usable mcp package: a sentence with the command, before any page."""

    def version(package):
        if installed is None:
            raise PackageNotFoundError(package)
        return installed

    monkeypatch.setattr(mcp, "version", version)
    monkeypatch.setenv("LAB_MCP", "1")
    with pytest.raises(SystemExit, match=f'LAB_MCP=1 .*{why}.*pip install "gradio.mcp.==') as end:
        make_lab()
    [command] = [block for block in commands(PIP) if "mcp" in block]
    assert command.strip() in str(end.value)
    monkeypatch.setenv("LAB_MCP", "0")
    make_lab()

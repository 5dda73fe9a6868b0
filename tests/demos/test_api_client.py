"""The running app's public API, as notebooks use it: gradio_client, and plain HTTP."""

import ast
import json
import math
import re
import sys
import threading

import documents
import httpx
import numpy as np
import pytest
import serving
from gradio_client import Client
from gradio_client.exceptions import AppError

MODEL = "smollm2-135m-instruct"
ENDPOINTS = ["/tokenize", "/next_token", "/sample", "/surprisal", "/chat_document"]
MESSAGES = json.dumps([{"role": "user", "content": "Hi"}])
SECONDS = 60
HTTP = httpx.Client(timeout=SECONDS)  # one for all: to make one takes longer than most answers


@pytest.fixture(scope="module")
def client(app):
    """A client of the running app."""
    client = Client(app.url, verbose=False)
    yield client
    client.close()


def post(app, endpoint, body):
    """(event, data) of a call with a raw JSON body, as any language would make it."""
    base = f"{app.url}/gradio_api/call"
    json_body = {"content-type": "application/json"}
    asked = HTTP.post(f"{base}/v2{endpoint}", content=body, headers=json_body)
    asked.raise_for_status()
    answer = HTTP.get(f"{base}{endpoint}/{asked.json()['event_id']}").text
    event, data = (line.partition(": ")[2] for line in answer.strip().splitlines()[-2:])
    return event, json.loads(data)


def is_number(value):
    return isinstance(value, float) and math.isfinite(value)


def test_exactly_five_endpoints(client):
    """The five endpoints have names and are all there is; no other event can be seen."""
    listed = client.view_api(return_format="dict", print_info=False)
    assert sorted(listed["named_endpoints"]) == sorted(ENDPOINTS)
    assert not listed["unnamed_endpoints"]


def test_info_page_documents_the_endpoints(app):
    """The page of the API says what each endpoint does, and names its parameters as promised."""
    info = httpx.get(f"{app.url}/gradio_api/info", timeout=SECONDS).json()
    assert sorted(info["named_endpoints"]) == sorted(ENDPOINTS)
    assert not info["unnamed_endpoints"]
    names = {
        endpoint: [parameter["parameter_name"] for parameter in described["parameters"]]
        for endpoint, described in info["named_endpoints"].items()
    }
    assert names["/tokenize"][0] == "text"
    assert names["/next_token"] == ["text", "top_n"]
    assert names["/sample"] == [
        "text", "temperature", "top_k", "top_p", "min_p", "seed", "max_new_tokens",
    ]  # fmt: skip
    assert names["/surprisal"] == ["text", "top_n"]
    assert names["/chat_document"] == ["messages", "tools", "add_generation_prompt"]
    for described in info["named_endpoints"].values():
        assert "The answer is {model, " in described["description"]
        first, *others = described["parameters"]
        assert not first["parameter_has_default"]
        assert all(parameter["parameter_has_default"] for parameter in others)
        for parameter in described["parameters"]:
            assert parameter["label"] == parameter["parameter_name"]
            assert len(parameter["python_type"]["description"]) > 10


def test_no_other_event_is_shown_anywhere(app):
    """Not in the page's own list, not to who asks for all, and not in the OpenAPI document."""
    config = httpx.get(f"{app.url}/config", timeout=SECONDS).json()
    shown = [e["api_name"] for e in config["dependencies"] if e["api_visibility"] != "private"]
    assert sorted(f"/{name}" for name in shown) == sorted(ENDPOINTS)
    every = httpx.get(f"{app.url}/gradio_api/info?all_endpoints=true", timeout=SECONDS).json()
    assert sorted(every["named_endpoints"]) == sorted(ENDPOINTS)
    paths = httpx.get(f"{app.url}/gradio_api/openapi.json", timeout=SECONDS).json()["paths"]
    posted = [path for path, ways in paths.items() if "post" in ways and "/call/" in path]
    assert sorted(posted) == sorted(f"/gradio_api/call/v2{name}" for name in ENDPOINTS)


def test_the_snippets_of_the_api_page_run(app):
    """What the page offers to copy works as it stands, each with an example worth asking."""
    info = httpx.get(f"{app.url}/gradio_api/info", timeout=SECONDS).json()
    snippets = [described["code_snippets"] for described in info["named_endpoints"].values()]
    python = "\n".join(snippet["python"] for snippet in snippets)
    told = documents.run([sys.executable, "-c", python])
    answers = [line for line in told.splitlines() if line.startswith("{")]
    assert [ast.literal_eval(answer)["model"] for answer in answers] == [MODEL] * 5
    for name, snippet in zip(info["named_endpoints"], snippets, strict=True):
        body = re.search(r"-d '(.*)'", snippet["bash"])[1]
        event, [answer] = post(app, name, body)
        assert (event, answer["model"]) == ("complete", MODEL)


def test_tokenize(client):
    """/tokenize gives the text's own tokens with their bytes in hex, and the counts."""
    text = "Zürich café 🚀"
    answer = client.predict(text, api_name="/tokenize")
    assert list(answer) == ["model", "tokens", "n_tokens", "n_characters", "n_bytes"]
    assert answer["model"] == MODEL
    assert all(set(token) == {"id", "text", "bytes", "special"} for token in answer["tokens"])
    assert b"".join(bytes.fromhex(t["bytes"]) for t in answer["tokens"]) == text.encode()
    assert answer["n_tokens"] == len(answer["tokens"])
    assert answer["n_characters"] == len(text)
    assert answer["n_bytes"] == len(text.encode())


def test_next_token(client):
    """/next_token gives 20 candidates by default, with the mass of all others and the entropy."""
    answer = client.predict("The capital of France is", api_name="/next_token")
    assert list(answer) == ["model", "context_ids", "candidates", "rest", "entropy_bits"]
    rows = answer["candidates"]
    assert len(rows) == 20
    assert all(
        set(row) == {"id", "text", "prob", "logprob", "surprisal_bits", "rank"} for row in rows
    )
    assert rows[0]["text"] == " Paris"
    assert [row["rank"] for row in rows] == list(range(1, 21))
    for row in rows:
        assert row["prob"] == pytest.approx(math.exp(row["logprob"]))
        assert row["surprisal_bits"] == pytest.approx(-math.log2(row["prob"]))
    assert set(answer["rest"]) == {"n_tokens", "prob"}
    assert answer["rest"]["n_tokens"] == 49152 - 20
    total = sum(row["prob"] for row in rows) + answer["rest"]["prob"]
    assert total == pytest.approx(1, abs=1e-5)
    assert is_number(answer["entropy_bits"])
    tokens = client.predict("The capital of France is", api_name="/tokenize")["tokens"]
    assert answer["context_ids"] == [token["id"] for token in tokens]


def test_sample(client):
    """/sample draws 20 tokens by default with numpy's generator, and repeats itself."""
    answer = client.predict("Once upon a time", api_name="/sample")
    assert list(answer) == ["model", "text", "steps", "stopped"]
    steps = answer["steps"]
    assert all(
        set(step) == {"id", "text", "r", "logprob", "sampler_prob", "rank"} for step in steps
    )
    assert len(steps) == 20 or answer["stopped"] == "end"
    assert answer["stopped"] in {"end", "length"}
    assert [step["r"] for step in steps] == list(np.random.default_rng(0).random(len(steps)))
    assert answer["text"] == "".join(step["text"] for step in steps)
    assert client.predict("Once upon a time", api_name="/sample") == answer


def test_sample_greedy(client):
    """At temperature 0 each step is the most likely token, and no r is drawn."""
    answer = client.predict("One two three", 0, max_new_tokens=5, api_name="/sample")
    assert [step["rank"] for step in answer["steps"]] == [1] * 5
    assert [step["r"] for step in answer["steps"]] == [None] * 5
    assert [step["sampler_prob"] for step in answer["steps"]] == [1] * 5
    assert answer["stopped"] == "length"


def test_surprisal(client):
    """/surprisal has one row for every id the model saw; sums and averages are of these rows."""
    answer = client.predict("The cat sat on the mat.", api_name="/surprisal")
    assert list(answer) == [
        "model", "tokens", "total_bits", "bits_per_token", "bits_per_byte", "perplexity",
        "n_scored",
    ]  # fmt: skip
    first, *others = answer["tokens"]
    keys = {"id", "text", "special", "logprob", "surprisal_bits", "rank", "entropy_bits", "top"}
    assert all(set(row) == keys for row in answer["tokens"])
    unknown = ("logprob", "surprisal_bits", "rank", "entropy_bits", "top")
    assert all(first[key] is None for key in unknown)
    assert all(row[key] is not None for row in others for key in unknown)
    assert all(len(row["top"]) == 5 for row in others)
    total = sum(row["surprisal_bits"] for row in others)
    assert answer["n_scored"] == len(others)
    assert answer["total_bits"] == pytest.approx(total, rel=1e-6)
    assert answer["bits_per_token"] == pytest.approx(total / len(others), rel=1e-6)
    assert answer["perplexity"] == pytest.approx(2 ** (total / len(others)), rel=1e-5)
    n_bytes = len("".join(row["text"] for row in others).encode())
    assert answer["bits_per_byte"] == pytest.approx(total / n_bytes, rel=1e-6)


def test_surprisal_of_a_single_token(client):
    """Where nothing was predicted at all, every number is null."""
    answer = client.predict("Hi", api_name="/surprisal")
    assert answer["n_scored"] == 0
    averages = (answer[key] for key in ("bits_per_token", "bits_per_byte", "perplexity"))
    assert list(averages) == [None, None, None]


def test_chat_document(client):
    """/chat_document is the template's document, each token with the role written in its turn."""
    answer = client.predict(MESSAGES, api_name="/chat_document")
    assert list(answer) == ["model", "text", "tokens"]
    assert all(set(token) == {"id", "text", "special", "role"} for token in answer["tokens"])
    assert answer["text"].endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert "".join(token["text"] for token in answer["tokens"]) == answer["text"]
    roles = dict.fromkeys(token["role"] for token in answer["tokens"])
    assert list(roles) == ["system", "user", "assistant"]
    without = client.predict(MESSAGES, add_generation_prompt=False, api_name="/chat_document")
    assert without["text"] == answer["text"].removesuffix("<|im_start|>assistant\n")


BAD_TEXTS = {
    "empty": '""',
    "1 MB": json.dumps("a" * 1_000_000),
    "NUL": r'"a\u0000b"',
    "lone high surrogate": r'"\ud800"',
    "lone low surrogate": r'"ok \udfff x"',
    "number": "5",
    "null": "null",
    "list": '["a"]',
    "too long for the model": json.dumps("! ? " * 4500),
}
BAD_SETTINGS = [
    ("temperature", "-1"), ("temperature", "NaN"), ("temperature", "1e9"), ("temperature", "1e999"),
    ("temperature", '"warm"'), ("temperature", "null"), ("top_k", "60000"), ("top_k", "-1"),
    ("top_k", "1.5"), ("top_p", "0"), ("top_p", "1.1"), ("min_p", "2"), ("min_p", "-0.1"),
    ("seed", "-1"), ("seed", "1.5"), ("max_new_tokens", "0"), ("max_new_tokens", "1e6"),
]  # fmt: skip
BAD_MESSAGES = {
    "not JSON": "nonsense",
    "half": '[{"role":"user","content":"Hi"}',
    "an object": "{}",
    "no messages": "[]",
    "numbers": "[1]",
    "no role": '[{"content":"Hi"}]',
    "no content": '[{"role":"user"}]',
    "content a number": '[{"role":"user","content":5}]',
    "content nothing": '[{"role":"user","content":null}]',
    "surrogate": r'[{"role":"user","content":"\ud800"}]',
    "surrogate in a key": r'[{"role":"user","content":"a","\ud800":1}]',
    "NUL": r'[{"role":"user","content":"\u0000"}]',
    "deep": '[{"role":"user","content":' + "[" * 800 + "]" * 800 + "}]",
    "very deep": "[" * 9000,
    "empty": "",
    "1 MB": json.dumps([{"role": "user", "content": "a" * 1_000_000}]),
}
BAD_TOOLS = {"not JSON": "nonsense", "an object": "{}", "numbers": "[1]", "words": '["x"]'}


def assert_sentence(app, endpoint, body):
    """The call is refused with a whole sentence, and the next call works."""
    event, data = post(app, endpoint, body)
    assert event == "error"
    assert data["title"] == "Not possible"  # ours, not an exception that got out
    assert data["error"][-1] == "."
    assert 25 < len(data["error"]) < 400
    assert data["error"][0].isupper() or data["error"].startswith(("top", "min-p", "max_"))
    event, data = post(app, "/tokenize", '{"text": "Hi"}')
    assert (event, data[0]["n_tokens"]) == ("complete", 1)


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_text_is_a_sentence(app, text):
    """Text that can't be used is refused with a clear sentence by every endpoint that takes one."""
    takes_any_length = text == BAD_TEXTS["too long for the model"]
    for endpoint in ("/tokenize", "/next_token", "/sample", "/surprisal"):
        if not (takes_any_length and endpoint == "/tokenize"):
            assert_sentence(app, endpoint, f'{{"text": {text}}}')


@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS)
def test_bad_settings_are_sentences(app, name, value):
    """A sampler setting that means nothing is refused with a clear sentence that names it."""
    assert_sentence(app, "/sample", f'{{"text": "Hi", "{name}": {value}}}')


@pytest.mark.parametrize("endpoint", ["/next_token", "/surprisal"])
@pytest.mark.parametrize("top_n", ["0", "101", "NaN", "2.5", '"x"'])
def test_bad_top_n_is_a_sentence(app, endpoint, top_n):
    """A number of candidates outside 1…100 is refused with a clear sentence."""
    assert_sentence(app, endpoint, f'{{"text": "Hi there", "top_n": {top_n}}}')


@pytest.mark.parametrize("messages", BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_bad_messages_are_sentences(app, messages):
    """Messages that can't be written are refused with a sentence that says what is wrong."""
    assert_sentence(app, "/chat_document", json.dumps({"messages": messages}))


@pytest.mark.parametrize("tools", BAD_TOOLS.values(), ids=BAD_TOOLS)
def test_bad_tools_are_sentences(app, tools):
    """Tools that can't be used are refused with a sentence that says what is wrong."""
    assert_sentence(app, "/chat_document", json.dumps({"messages": MESSAGES, "tools": tools}))


def test_only_spaces_are_tokens(client):
    """A text of spaces is a text: it is cut and scored like any other."""
    assert client.predict("   ", api_name="/tokenize")["n_characters"] == 3
    assert client.predict("   ", api_name="/next_token")["candidates"]


def test_the_client_raises_the_sentence(client):
    """In a notebook the sentence is the exception's message, and the client goes on working."""
    with pytest.raises(AppError, match=r"^Temperature is -1.*must be a number from 0"):
        client.predict("Hi", temperature=-1, api_name="/sample")
    with pytest.raises(AppError, match="Type at least one character"):
        client.predict("", api_name="/surprisal")
    assert client.predict("Hi", api_name="/tokenize")["n_tokens"] == 1


def test_two_clients_at_once(app, client):
    """Two clients that ask at the same time each get the answer to their own question."""
    texts = [f"Number {n} is followed by" for n in range(6)]
    alone = [client.predict(text, top_n=3, api_name="/next_token") for text in texts]
    together = {}

    def ask(name, order):
        with_own = Client(app.url, verbose=False)
        for i in order:
            together[name, i] = with_own.predict(texts[i], top_n=3, api_name="/next_token")
        with_own.close()

    asking = [
        threading.Thread(target=ask, args=("first", range(6))),
        threading.Thread(target=ask, args=("second", reversed(range(6)))),
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(SECONDS)
    assert len(together) == 12
    for (_, i), answer in together.items():
        assert answer["context_ids"] == alone[i]["context_ids"]
        assert [row["id"] for row in answer["candidates"]] == [
            row["id"] for row in alone[i]["candidates"]
        ]


@pytest.fixture(scope="module")
def nonsense():
    """The app started with a model that there is not."""
    server = serving.Server("nonsense-model")
    yield server.wait_until_served()
    server.stop()


def test_an_unknown_model_still_serves_the_page(nonsense):
    """The page is there, and the API says which models there are and how to choose one."""
    assert "Token Lab" in httpx.get(nonsense.url, timeout=SECONDS).text
    client = Client(nonsense.url, verbose=False)
    for _ in range(2):
        with pytest.raises(AppError, match=r"no model 'nonsense-model'.*LAB_MODEL.*smollm2"):
            client.predict("Hi", api_name="/tokenize")
    client.close()
    assert "Traceback" not in nonsense.log
    assert "LAB_MODEL" in nonsense.log


def test_a_bad_setting_ends_the_start_with_a_sentence():
    """A setting that can't be read ends the program with a sentence that names it."""
    server = serving.Server("toy", LAB_DTYPE="float8")
    with pytest.raises(AssertionError, match=r"can't start: LAB_DTYPE is 'float8'; it must be"):
        server.wait_until_served()
    assert "Traceback" not in server.log
    server.stop()


def test_the_terminal_stays_quiet(app, client):
    """Nothing a client sends wrongly prints a traceback where the app was started."""
    with pytest.raises(AppError):
        client.predict("", api_name="/tokenize")
    assert "Traceback" not in app.log

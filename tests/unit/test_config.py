"""The settings: every variable, its default, and the sentence for a value that can't be."""

from pathlib import Path

import pytest

from core.config import DEFAULT_MAX_TOKENS, Settings
from core.engines.remote_wire import Wire
from core.errors import ConfigError


def test_nothing_set_means_the_defaults():
    """An empty environment lets Token Lab choose, in the user's cache folder."""
    settings = Settings.from_env({})
    assert (settings.model, settings.dtype, settings.max_tokens) == (None, None, DEFAULT_MAX_TOKENS)
    assert settings.cache_dir.is_absolute()
    assert "token-lab" in settings.cache_dir.name


def test_every_variable_is_read():
    """And trimmed."""
    environ = {
        "LAB_MODEL": " gemma-3-270m ",
        "LAB_CACHE": "/tmp/x",
        "LAB_DTYPE": "bfloat16",
        "LAB_MAX_TOKENS": "128",
        "LAB_MEMORY_MB": "64",
        "LAB_LOOKAHEAD": "0",
        "LAB_COURSE": "/tmp/course.toml",
        "LAB_MCP": "1",
        "LAB_ENGINE_URL": "http://10.0.0.7:8000/v1",
        "LAB_ENGINE_KEY": "secret",
        "PATH": "/bin",
    }
    expected = Settings(
        Path("/tmp/x"), "gemma-3-270m", "bfloat16", 128, 64, 0, Path("/tmp/course.toml"),
        mcp=True, engine_url="http://10.0.0.7:8000/v1", engine_key="secret",
    )  # fmt: skip
    assert Settings.from_env(environ) == expected


def test_blank_is_unset():
    """A variable of spaces means its default, as on a Space whose setting was emptied."""
    names = ("MODEL", "CACHE", "DTYPE", "MAX_TOKENS", "MEMORY_MB", "LOOKAHEAD", "COURSE",
             "MCP", "ENGINE_URL", "ENGINE_KEY")  # fmt: skip
    environ = {f"LAB_{name}": "  " for name in names}
    assert Settings.from_env(environ) == Settings.from_env({})


def test_the_environment_is_read_when_asked_not_at_import(monkeypatch):
    """Changing it after the import changes the settings."""
    monkeypatch.setenv("LAB_MODEL", "toy")
    assert Settings.from_env().model == "toy"
    monkeypatch.delenv("LAB_MODEL")
    assert Settings.from_env().model is None


def test_a_relative_cache_and_a_home_become_absolute(monkeypatch, tmp_path):
    """The folder does not move when the working directory does."""
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env({"LAB_CACHE": "here"}).cache_dir == tmp_path / "here"
    assert Settings.from_env({"LAB_CACHE": "~/x"}).cache_dir == Path.home() / "x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAB_DTYPE", "int8"),
        ("LAB_DTYPE", "Float32"),
        ("LAB_MAX_TOKENS", "0"),
        ("LAB_MAX_TOKENS", "-5"),
        ("LAB_MAX_TOKENS", "1e3"),
        ("LAB_MAX_TOKENS", "many"),
        ("LAB_MAX_TOKENS", "²"),
        ("LAB_MEMORY_MB", "0"),
        ("LAB_LOOKAHEAD", "-1"),
        ("LAB_MCP", "yes"),
    ],
)
def test_a_value_that_can_not_be_used_is_named(name, value):
    """The sentence names the variable and says what it must be."""
    with pytest.raises(ConfigError, match=f"{name} is .* must be"):
        Settings.from_env({name: value})


@pytest.mark.parametrize(
    ("said", "is_lent"), [("true", True), ("1", True), ("false", False), ("", False)]
)
def test_a_space_says_itself_that_a_gpu_is_lent(said, is_lent):
    """SPACES_ZERO_GPU is set by Hugging Face, and read as its ``spaces`` package reads it."""
    assert Settings.from_env({"SPACES_ZERO_GPU": said}).zero_gpu is is_lent


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://a",
        "http://",
        "http://me:secret@a:8000",
        "http://a/?key=secret",
        "x y",
        "http://[::1",
        "http://a:port",
        "http://a:8000:8000",
        "http://model..test",
        "http://" + "a" * 64,
        "http://a\x7fb",
        "http://a/\x01",
    ],
)
def test_an_address_that_can_not_be_one_is_told(url):
    """With an example; what could be a password in it is not repeated."""
    with pytest.raises(ConfigError, match="LAB_ENGINE_URL must be the address") as caught:
        Settings.from_env({"LAB_ENGINE_URL": url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "https://gpu_1.example.org/lab/v1",
        "http://[::1]:8000",
        "http://modell-süd.test.",
        "http://vllm",
    ],
)
def test_an_address_that_can_be_one_is_taken(url):
    """As it stands, and as a client for HTTP takes it."""
    assert Settings.from_env({"LAB_ENGINE_URL": f" {url}\n"}).engine_url == url
    Wire(url).close()


@pytest.mark.parametrize("key", ["geheim-ключ", "two words", "a\x07b", "a\nb", "…"])
def test_a_key_that_no_request_can_carry_is_told(key):
    """At the start and not as a bug later; the key is not repeated."""
    with pytest.raises(ConfigError, match="LAB_ENGINE_KEY") as caught:
        Settings.from_env({"LAB_ENGINE_KEY": key})
    assert key not in str(caught.value)
    assert Settings.from_env({"LAB_ENGINE_KEY": " sk-1_a+/=.~\n"}).engine_key == "sk-1_a+/=.~"


def test_the_key_is_not_printed():
    """Settings in a log or a traceback don't show it."""
    assert "secret" not in repr(Settings.from_env({"LAB_ENGINE_KEY": "secret"}))

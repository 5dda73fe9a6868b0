"""The script that makes a Space of the checkout, and the front matter that the Space is read by."""

import re
from unittest.mock import create_autospec

import httpx2
import pytest
from huggingface_hub import HfApi, SpaceHardware
from huggingface_hub.cli import hf
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.repocard_data import SpaceCardData
from yaml import safe_load

import deploy_space
from core import catalogue

ROOT = deploy_space.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
FRONT = safe_load(README.split("---\n")[1])
GUIDE = (ROOT / "docs" / "space.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
COMMANDS = re.findall(r"^python deploy_space.py .*$", README + GUIDE, re.MULTILINE)
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def pinned(package):
    """The version of a package that requirements.txt asks for."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return re.search(rf"^{package}==(\S+)$", text, re.MULTILINE)[1]


# --- the front matter (huggingface.co/docs/hub/spaces-config-reference)


def test_the_front_matter_is_what_the_hub_reads():
    """Every field is known there, of the right kind, and says what the checkout says."""
    known = {
        "title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version",
        "app_file", "license", "short_description", "tags", "models", "suggested_hardware",
        "startup_duration_timeout",
    }  # fmt: skip
    assert set(FRONT) == known
    assert FRONT["sdk"] == "gradio"
    assert str(FRONT["sdk_version"]) == pinned("gradio")
    assert isinstance(FRONT["python_version"], str)  # 3.10 unquoted would be 3.1
    assert (ROOT / FRONT["app_file"]).is_file()
    assert {FRONT["colorFrom"], FRONT["colorTo"]} <= COLOURS
    assert len(FRONT["title"]) > 0
    assert not FRONT["emoji"].isascii()
    assert len(FRONT["short_description"]) <= 60
    assert FRONT["suggested_hardware"] in [flavour.value for flavour in SpaceHardware]
    assert re.fullmatch(r"\d+[mh]", FRONT["startup_duration_timeout"])
    assert SpaceCardData(**FRONT).to_dict()["sdk_version"] == pinned("gradio")


def test_the_models_of_the_front_matter_are_those_that_may_run_unasked():
    """The intended ones for GPU and CPU, and the fallback: all from the catalogue."""
    unasked = (
        catalogue.INTENDED_ON_GPU, catalogue.INTENDED_ON_CPU, catalogue.EMBEDDED_DEFAULT,
    )  # fmt: skip
    assert FRONT["models"] == [catalogue.find(name).hub_id for name in unasked]


def test_the_python_of_the_space_can_run_it():
    """The front matter's Python is one that pyproject.toml allows."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    least = re.search(r'requires-python = ">=3\.(\d+)"', project)[1]
    assert int(FRONT["python_version"].split(".")[1]) >= int(least)


# --- the script


@pytest.fixture
def api():
    """Takes only calls that the real HfApi takes."""
    api = create_autospec(HfApi, instance=True)
    api.create_repo.return_value = "https://huggingface.co/spaces/ada/token-lab"
    api.list_repo_files.return_value = ["README.md", ".gitattributes", "core/old.py", "notes.txt"]
    return api


def test_a_dry_run_prints_all_and_asks_nobody(api, capsys):
    """Every file, variable and secret by name; no secret's value; no call."""
    deploy_space.main(["ada/token-lab", "--dry-run", "--model", "toy"], api)
    said = capsys.readouterr().out
    assert "create the Gradio Space ada/token-lab (public, zero-a10g)" in said
    assert "set the variable LAB_MODEL to toy" in said
    assert "Nothing was done" in said
    assert api.method_calls == []
    listed = set(re.findall(r"^  (\S+) \([\d,]+ bytes\)$", said, re.MULTILINE))
    assert {"app.py", "README.md", "requirements.txt", "core/config.py"} <= listed
    assert {"demos/ui/token_strip.js", "docs/space.md", "core/templates/gemma3.jinja"} <= listed
    assert not [path for path in listed if "test" in path or "__pycache__" in path]


def test_what_is_done_is_what_was_printed(api, capsys, monkeypatch, tmp_path):
    """The same files, variables, secret and hardware, and files of an earlier version go."""
    course = tmp_path / "unit3.toml"
    course.write_text('title = "Unit 3"')
    monkeypatch.setattr(deploy_space, "get_token", lambda: "hf_very_secret")
    command = ["ada/token-lab", "--hardware", "cpu-basic", "--with-token", "--private"]
    deploy_space.main([*command, "--course", str(course)], api)
    said = capsys.readouterr().out
    assert "hf_very_secret" not in said
    assert "set the secret HF_TOKEN (not shown)" in said
    created = api.create_repo.call_args.kwargs
    assert (created["space_hardware"], created["private"]) == ("cpu-basic", True)
    api.add_space_variable.assert_called_once_with(
        repo_id="ada/token-lab", key="LAB_COURSE", value="course.toml"
    )
    api.add_space_secret.assert_called_once_with(
        repo_id="ada/token-lab", key="HF_TOKEN", value="hf_very_secret"
    )
    api.request_space_hardware.assert_called_once()
    operations = api.create_commit.call_args.kwargs["operations"]
    uploaded = {o.path_in_repo for o in operations if hasattr(o, "path_or_fileobj")}
    printed = set(re.findall(r"^  (\S+) \(", said, re.MULTILINE))
    assert uploaded == printed
    assert "course.toml" in uploaded
    deleted = {o.path_in_repo for o in operations} - uploaded
    assert deleted == {"core/old.py"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_line_of_the_pages_does_what_it_says(api, capsys, monkeypatch, line):
    """README's and docs/space.md's: a dry run asks nobody, the others make the Space."""
    monkeypatch.setattr(deploy_space, "get_token", lambda: "hf_very_secret")
    monkeypatch.chdir(ROOT)
    python, program, *command = line.split()
    assert (python, program) == ("python", "deploy_space.py")
    deploy_space.main(command, api)
    said = capsys.readouterr().out
    assert "create the Gradio Space OWNER/NAME" in said
    assert ("Nothing was done" in said) == ("--dry-run" in command) == (not api.method_calls)
    for option in set(command) & {"--with-token", "--course"}:
        assert {"--with-token": "secret HF_TOKEN", "--course": "LAB_COURSE"}[option] in said


def test_the_other_line_is_the_hubs_own():
    """Signing in is a command that ``huggingface_hub`` brings."""
    [line] = set(LINES) - set(COMMANDS)
    assert line == "hf auth login"
    with pytest.raises(SystemExit) as ended:
        hf.app([*line.split()[1:], "--help"])
    assert ended.value.code == 0


def test_hardware_that_was_not_asked_for_is_left_alone(api):
    """An update does not move a Space that its owner has moved elsewhere."""
    deploy_space.main(["ada/token-lab"], api)
    api.request_space_hardware.assert_not_called()
    api.add_space_secret.assert_not_called()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["token-lab"], "no Space.*OWNER/NAME"),
        (["a/b", "--course", "nowhere.toml"], "no course file nowhere"),
        (["a/b", "--with-token"], "no token here.*hf auth login"),
    ],
)
def test_a_mistake_is_a_sentence(api, monkeypatch, command, words):
    """Nothing is asked of the Hub before the command line makes sense."""
    monkeypatch.setattr(deploy_space, "get_token", lambda: None)
    with pytest.raises(SystemExit, match=words):
        deploy_space.main(command, api)
    assert api.method_calls == []


def test_a_refusal_says_what_to_check(api):
    """A free account that asks for paid hardware gets the Hub's words and ours."""
    response = httpx2.Response(402, request=httpx2.Request("POST", "https://huggingface.co"))
    api.create_repo.side_effect = HfHubHTTPError("Payment required", response=response)
    with pytest.raises(SystemExit, match=r"HTTP 402(.|\n)*may use this hardware"):
        deploy_space.main(["a/b"], api)

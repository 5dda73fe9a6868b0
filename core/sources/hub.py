"""Models of the Hugging Face Hub: what its cache holds, and what it is willing to give.

Knows nothing of the catalogue, of other sources, or of which model is wanted
instead. The Hub's own settings (HF_TOKEN, HF_HOME, HF_ENDPOINT, …) are read by
``huggingface_hub`` itself.
"""

import logging
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from threading import Event

import httpx2
from huggingface_hub import (
    HfApi,
    constants,
    hf_hub_download,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils.tqdm import disable_progress_bars

from core.errors import WeightsError
from core.progress import Describe, Progress, Report, call, in_megabytes
from core.sources import manifest, pieces
from core.sources.model_folder import cannot_write, missing_from, require_space

SECONDS_TO_ANSWER = 8.0
SECONDS_WITHOUT_BYTES = 180.0  # the storage's own retries take less; a Retry-After may take hours
WANTED = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "*.jinja",
    "chat_template.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
)
NOT_WEIGHTS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")

log = logging.getLogger(__name__)


class HubError(WeightsError):
    """The Hub does not give this model now; the sentence says why and what to do."""


class HubUnreachable(HubError):
    """The Hub gives nothing at all now, so there is no use in asking for another model."""


def cached_snapshot(hub_id: str) -> Path | None:
    """The newest complete copy in the Hub's local cache, without asking the network."""
    try:
        config = try_to_load_from_cache(hub_id, "config.json")
    except HFValidationError:
        return None
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    missing = missing_from(folder)
    if missing:
        log.warning("The cached copy of %s is not used: it has no %s.", hub_id, missing)
    return None if missing else folder


def download(hub_id: str, report: Report) -> Path:
    """A complete local snapshot of the model's newest version, fetched as far as needed.

    Raises HubError when the Hub does not give it, WeightsError when the disk does
    not take it. That the Hub can't be reached is known within 10 s.
    """
    try:
        folder = _fetch(hub_id, _ask(hub_id, report), report)
    except (httpx2.HTTPError, EntryNotFoundError, OSError, ValueError, LookupError) as error:
        log.info("%s could not be fetched from the Hub: %r", hub_id, error)
        raise _refusal(hub_id, error) from error
    if missing := missing_from(folder):
        raise _incomplete(hub_id, missing)
    return folder


def download_tokenizer(hub_id: str, report: Report) -> Path:
    """A folder with the model's newest tokenizer and settings; its weights stay where they are.

    What came earlier stands in when the Hub can't be reached, which is known within 10 s.
    Raises HubError when there is neither.
    """
    try:
        _ask(hub_id, report)
        disable_progress_bars()
        return Path(snapshot_download(hub_id, allow_patterns=list(NOT_WEIGHTS)))
    except (httpx2.HTTPError, EntryNotFoundError, OSError, ValueError, LookupError) as error:
        refusal = _refusal(hub_id, error)
        if isinstance(refusal, HubUnreachable):
            earlier = try_to_load_from_cache(hub_id, "tokenizer_config.json")
            if isinstance(earlier, str):
                return Path(earlier).parent
        raise refusal from error


def _ask(hub_id: str, report: Report) -> ModelInfo:
    """What the Hub says of a model this machine may have; raises as ``huggingface_hub`` does."""

    def ask() -> ModelInfo:
        info = HfApi().model_info(hub_id, timeout=SECONDS_TO_ANSWER, files_metadata=True)
        if info.gated:
            # a gated model's page is public, its files are not
            HfApi().auth_check(hub_id)
        return info

    stage = Progress(f"Asking the Hugging Face Hub for {hub_id}")
    return call(ask, lambda _: stage, report, deadline=SECONDS_TO_ANSWER)


def _fetch(hub_id: str, info: ModelInfo, report: Report) -> Path:
    files = [f for f in info.siblings or () if any(fnmatch(f.rfilename, p) for p in WANTED)]
    if not any(f.rfilename.endswith(".safetensors") for f in files):
        raise _incomplete(hub_id, "model.safetensors")
    total = sum(f.size or 0 for f in files)
    cache = Path(constants.HF_HUB_CACHE)
    blobs = cache / repo_folder_name(repo_id=hub_id, repo_type="model") / "blobs"
    left = pieces.left_behind(blobs, SECONDS_WITHOUT_BYTES)
    require_space(cache, total - pieces.bytes_come(blobs, left), "HF_HOME")
    disable_progress_bars()
    describe = _growing(f"Fetching {hub_id} from the Hugging Face Hub", blobs, left, total)
    names = [f.rfilename for f in files]
    over = Event()
    try:
        folder = call(lambda: _snapshot(hub_id, info.sha, names, over), describe, report)
    finally:
        over.set()
    if damaged := _damaged(folder, files, hub_id, report):
        raise _was_damaged(hub_id, damaged)
    return folder


def _growing(stage: str, blobs: Path, left: pieces.Sizes, total: int) -> Describe:
    """Describe a download by what has come of it; raises TimeoutError when nothing comes."""
    seen, since = -1, 0.0

    def describe(elapsed: float) -> Progress:
        nonlocal seen, since
        n_bytes = pieces.bytes_come(blobs, left)
        if n_bytes != seen:
            seen, since = n_bytes, elapsed
        elif elapsed - since > SECONDS_WITHOUT_BYTES:
            raise TimeoutError(f"nothing came for {SECONDS_WITHOUT_BYTES:g} s")
        return in_megabytes(stage, n_bytes, total)

    return describe


def _damaged(folder: Path, files: Sequence[RepoSibling], hub_id: str, report: Report) -> list[str]:
    """The large files that are not what the Hub says they are; each is deleted."""
    stage, n_read = f"Checking {hub_id}", 0
    large = [(file.rfilename, file.lfs.sha256) for file in files if file.lfs is not None]
    total = sum((folder / name).stat().st_size for name, _ in large)

    def count(n_bytes: int) -> None:
        nonlocal n_read
        n_read += n_bytes

    def find() -> list[str]:
        return [n for n, sha256 in large if manifest.sha256_of(folder / n, count) != sha256]

    found = call(find, lambda _: in_megabytes(stage, n_read, total), report)
    for name in found:
        (folder / name).resolve().unlink()
        (folder / name).unlink(missing_ok=True)
    return found


def _snapshot(hub_id: str, commit: str | None, names: Sequence[str], over: Event) -> Path:
    """Fetch the files one after another until ``over``, then have them named as the newest version.

    ``snapshot_download`` alone would fetch in a pool, whose threads Python waits for at its end:
    Ctrl-C would not end a process before the file, or the pause that the Hub asked for, had.
    """
    try:
        for name in names:
            if over.is_set():
                raise TimeoutError("given up")
            hf_hub_download(hub_id, name, revision=commit)
        return Path(snapshot_download(hub_id, allow_patterns=list(WANTED)))
    except RuntimeError as error:
        # what the Hub's storage client raises when a transfer breaks off
        raise ConnectionError(str(error)) from error


def _refusal(hub_id: str, error: BaseException) -> WeightsError:
    """The sentence for what ``huggingface_hub`` raised."""
    match error:
        case GatedRepoError():
            return _gated(hub_id)
        case HFValidationError() | RepositoryNotFoundError():
            return HubError(
                f"The Hugging Face Hub has no model {hub_id} that this machine may see. Check the "
                "spelling (for a private model, set HF_TOKEN) and start again."
            )
        case HfHubHTTPError():
            wait = error.response.headers.get("Retry-After", "")
            return _refusal_by_status(hub_id, error.response.status_code, wait)
        case OfflineModeIsEnabled():
            return HubUnreachable(
                "The Hugging Face Hub is switched off on this machine by HF_HUB_OFFLINE. "
                "Unset it and start again."
            )
        case EntryNotFoundError() if isinstance(error.__cause__, Exception):
            return _refusal(hub_id, error.__cause__)
        case OSError(errno=int()) if not isinstance(error, ConnectionError | TimeoutError):
            return cannot_write(Path(constants.HF_HUB_CACHE), error, "HF_HOME")
    return HubUnreachable(
        "The Hugging Face Hub can't be reached from this machine. Connect it to the internet "
        "(or set HF_ENDPOINT to a mirror it can reach) and start again."
    )


def _refusal_by_status(hub_id: str, status: int, retry_after: str) -> HubError:
    if status in (401, 403):
        return HubError(
            f"The Hugging Face Hub refused {hub_id} to this machine (HTTP {status}). Check that "
            f"HF_TOKEN is a valid token that may read https://huggingface.co/{hub_id}, and start "
            "again."
        )
    if status == 429:
        return HubUnreachable(
            "The Hugging Face Hub has had too many requests from this network (HTTP 429). Wait "
            f"{_waiting(retry_after)}, or set HF_TOKEN to be counted alone, and start again."
        )
    if status >= 500:
        return HubUnreachable(
            f"The Hugging Face Hub has trouble at the moment (HTTP {status}). Wait a few minutes, "
            "look at https://status.huggingface.co, and start again."
        )
    return HubError(
        f"The Hugging Face Hub did not give {hub_id} (HTTP {status}). Look at "
        f"https://huggingface.co/{hub_id}, and start again."
    )


def _waiting(retry_after: str) -> str:
    """How long to wait, from an HTTP header with seconds (or a date, or nothing)."""
    if not retry_after.strip().isdecimal():
        return "a few minutes"
    seconds = int(retry_after)
    return f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60):,} minutes"


def _was_damaged(hub_id: str, names: Sequence[str]) -> HubError:
    return HubError(
        f"What came of {hub_id} from the Hugging Face Hub was damaged on the way "
        f"({', '.join(names)}) and has been deleted. Start again to fetch it anew."
    )


def _gated(hub_id: str) -> HubError:
    return HubError(
        f"The Hugging Face Hub gives {hub_id} only to an account that accepted its licence. "
        f"Accept it at https://huggingface.co/{hub_id}, set HF_TOKEN to a token of that account, "
        "and start again."
    )


def _incomplete(hub_id: str, missing: str) -> HubError:
    return HubError(
        f"What the Hugging Face Hub has of {hub_id} can't be opened here: it has no {missing}. "
        "Choose a model with safetensors weights in the transformers format."
    )

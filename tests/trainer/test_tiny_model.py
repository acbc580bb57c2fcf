"""`datamix tiny-model`: small, the same each time, and good enough to tokenize, load and generate with."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from building import build_mix, entry, mix_of, pairs, write
from data_mix.errors import FormatError, OutputError
from data_mix.shards import Build
from data_mix.template import chat_template
from data_mix.tokens import control_tokens, load_tokenizer, tokenize_build
from data_mix_trainer.chat_tokenizer import chat_tokenizer
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.model import load_model
from data_mix_trainer.tiny_model import PADDING, TinyModel, make_tiny_model
from sample_tokenizers import PLAIN


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A small build."""
    folder = tmp_path_factory.mktemp("build")
    return build_mix(folder, mix_of(entry("own", write(folder / "raw.jsonl", pairs(300, "apple")))))


def digests(folder: Path) -> dict[str, str]:
    """The digest of each file."""
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_build_gives_the_same_bytes(built: Build, tmp_path: Path) -> None:
    """In another process, with other hashes and another number of threads, too; with another seed, only the weights differ."""
    make_tiny_model(built.path, tmp_path / "first")
    code = (
        "import sys; from pathlib import Path; from data_mix_trainer.tiny_model import make_tiny_model as make; "
        "make(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    environment = {"PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    subprocess.run([sys.executable, "-c", code, built.path, tmp_path / "second"], env=environment, check=True, timeout=300)
    make_tiny_model(built.path, tmp_path / "third", TinyModel(seed=1))
    first, second, third = (digests(tmp_path / name) for name in ("first", "second", "third"))
    assert first == second
    assert {name for name in first if first[name] != third[name]} == {"model.safetensors"}


def test_the_random_numbers_of_others_stay(built: Build, tmp_path: Path) -> None:
    """The weights are drawn aside."""
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    make_tiny_model(built.path, tmp_path / "out")
    assert torch.equal(torch.rand(1), wanted)


def test_it_is_loaded_as_any_model_is(built: Build, tmp_path: Path) -> None:
    """By transformers alone; its tokenizer spells every text, and it generates from it."""
    make_tiny_model(built.path, tmp_path / "out", TinyModel(vocabulary=400, context=64))
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "out")
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert [tokenizer.decode(tokenizer(text)["input_ids"]) for text in PLAIN] == list(PLAIN)
    assert len(tokenizer) == model.config.vocab_size <= 400
    assert (tokenizer.eos_token_id, tokenizer.pad_token) == (0, PADDING)
    assert model.generate(**tokenizer("What is", return_tensors="pt"), max_new_tokens=3).shape[1] > 1


def test_it_can_be_trained_on_its_build(built: Build, tmp_path: Path) -> None:
    """The build is tokenized with it, and the model takes the template's tokens."""
    make_tiny_model(built.path, tmp_path / "out")
    tokens, _ = tokenize_build(built.path, load_tokenizer(tmp_path / "out"))
    assert tokens.table("train").num_rows > 200
    template = chat_template("openassistant")
    control = control_tokens(load_tokenizer(tmp_path / "out"), template)
    assert len(chat_tokenizer(str(tmp_path / "out"), template)) == control.vocabulary
    settings = TrainSettings(model_name=str(tmp_path / "out"), max_length=512)
    known = control.vocabulary - 3
    assert load_model(settings, control, dtype=torch.float32).config.vocab_size >= known + 3


def test_its_eos_is_the_template_s(tmp_path: Path) -> None:
    """A build with another eos gets a tokenizer with that."""
    mix = mix_of(entry("own", write(tmp_path / "raw.jsonl", pairs(40))), template={"name": "openassistant", "eos": "</s>"})
    make_tiny_model(build_mix(tmp_path, mix).path, tmp_path / "model")
    assert load_tokenizer(tmp_path / "model").eos == "</s>"


def test_a_full_folder_is_not_written_into(built: Build, tmp_path: Path) -> None:
    """Nothing is overwritten."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is not empty"):
        make_tiny_model(built.path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_no_build_is_refused(built: Build, tmp_path: Path) -> None:
    """Nor a build with nothing to train on; and nothing is written."""
    with pytest.raises(FormatError, match="does not exist; make it with datamix build"):
        make_tiny_model(tmp_path / "none", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    manifest = json.loads((built.path / "manifest.json").read_text())
    (tmp_path / "empty" / "manifest.json").write_text(json.dumps(manifest | {"parts": []}))
    with pytest.raises(FormatError, match="its train split is empty"):
        make_tiny_model(tmp_path / "empty", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]

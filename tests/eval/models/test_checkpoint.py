"""A checkpoint is loaded, or one line says why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from asking import save_checkpoint, wide_model
from data_mix.errors import EvalError
from data_mix_eval.models.checkpoint import load_checkpoint
from hub_server import HubServer


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint of the test's own, to be broken."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


def refused(folder: Path, message: str) -> None:
    """The one line."""
    with pytest.raises(EvalError, match=message) as caught:
        load_checkpoint(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", None])
def test_dtype(checkpoint: Path, dtype: Any) -> None:
    """The weights are of the dtype asked for, float32 by default on a CPU."""
    loaded = load_checkpoint(str(checkpoint), dtype=dtype, device="cpu")
    assert loaded.model.dtype == getattr(torch, dtype or "float32")
    assert loaded.folder == checkpoint


def test_dtype_of_the_checkpoint(copied: Path, chat: Path) -> None:
    """`auto` is what the weights were saved in."""
    shutil.rmtree(copied)
    save_checkpoint(copied, chat)
    model = wide_model("llama", 1010).to(torch.bfloat16)
    model.save_pretrained(copied)
    assert load_checkpoint(str(copied), dtype="auto").model.dtype == torch.bfloat16
    assert load_checkpoint(str(copied), device="cpu").model.dtype == torch.float32


def test_context_and_ends(copied: Path) -> None:
    """The context is the model's; every token ends an answer that the model or its tokenizer names."""
    loaded = load_checkpoint(str(copied))
    assert loaded.context == 512
    config = json.loads((copied / "generation_config.json").read_text())
    (copied / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": [5, 0]}))
    assert set(load_checkpoint(str(copied)).ends) >= {5, 0, loaded.tokenizer.eos_token_id}


def test_no_such_folder(tmp_path: Path) -> None:
    """A path that is not there, or is a file, is no name of the hub's."""
    refused(tmp_path / "nothing", "is no folder, wanted one that holds a model")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "is no folder")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "holds no config.json, so it is no model"),
        ("model.safetensors", "holds no weights, wanted model.safetensors"),
        ("tokenizer.json", "holds no tokenizer, wanted tokenizer.json"),
    ],
)
def test_missing_files(copied: Path, missing: str, message: str) -> None:
    """What is missing is named."""
    (copied / missing).unlink()
    refused(copied, message)


def test_pickled_weights(copied: Path) -> None:
    """Weights that could run code are not loaded."""
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    refused(copied, "holds only weights that could run code")


def test_adapter(copied: Path) -> None:
    """An adapter has to be merged first."""
    (copied / "config.json").rename(copied / "adapter_config.json")
    refused(copied, "is an adapter without its base model; run `datamix merge .* -o DIR` and score DIR")


def test_broken_weights(copied: Path) -> None:
    """Weights that are cut off are an error in one line."""
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(copied, "cannot be loaded")


def test_missing_weights(copied: Path) -> None:
    """A model with weights missing is not scored with random ones in their place."""
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    refused(copied, "lacks 9 of the weights of LlamaForCausalLM")


def test_other_vocabulary(copied: Path, tmp_path: Path) -> None:
    """A tokenizer with tokens that the model does not know is another model's."""
    wide_model("llama", 500).save_pretrained(copied)
    refused(copied, "its tokenizer has the token 10.., its model knows 500 tokens; the tokenizer is another model's")


@pytest.mark.slow
def test_hub(hub: HubServer) -> None:
    """A name that the hub does not have is an error in one line."""
    refused(Path("nobody/nothing"), "cannot be loaded .* check the name and the folder, and the network for the hub")

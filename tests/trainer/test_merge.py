"""`datamix merge`: the merged model is the adapted one, and what cannot be merged is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data_mix.errors import ConfigError, DataMixError, OutputError
from data_mix.template import chat_template
from data_mix.tokens import control_tokens, load_tokenizer
from data_mix_trainer.chat_tokenizer import chat_tokenizer, set_ends
from data_mix_trainer.config import LoraSettings, TrainSettings
from data_mix_trainer.lora import add_lora, save_adapter
from data_mix_trainer.merge import merge
from data_mix_trainer.model import load_model
from sample_tokenizers import byte_level
from small_models import FAMILIES

ROWS: Final = {"neox": 1008, "llama": 1024, "bloom": 1008, "gpt2": 1024}
"""The tokenizer has 1007 tokens and gets three: two of these models are widened for them."""
IDS: Final = torch.tensor([[5, 700, 1007, 1009]])


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tokenizer."""
    return byte_level(tmp_path_factory.mktemp("tokenizer"))


def adapt(folder: Path, family: str, tokenizer_folder: Path, **keys: Any) -> Any:
    """Save a base and adapters that changed it below this folder; return the adapted model."""
    FAMILIES[family](ROWS[family]).save_pretrained(folder / "base")
    template = chat_template("openassistant")
    tokenizer, tokens = (
        chat_tokenizer(str(tokenizer_folder), template),
        control_tokens(load_tokenizer(tokenizer_folder), template),
    )
    given: dict[str, Any] = {"model_name": str(folder / "base"), "max_length": 32}
    settings = TrainSettings(**given | keys)
    model = load_model(settings, tokens, dtype=torch.float32)
    set_ends(model, tokenizer, template)
    adapted: Any = add_lora(model, LoraSettings(r=2), has_new_tokens=True)
    with torch.no_grad():
        for parameter in filter(lambda each: each.requires_grad, adapted.parameters()):
            parameter.add_(torch.randn_like(parameter) / 10)
    save_adapter(adapted, folder / "adapter")
    tokenizer.save_pretrained(folder / "adapter")
    return adapted.eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_merged_model_is_the_adapted_one(family: str, tokenizer_folder: Path, tmp_path: Path) -> None:
    """It gives the same logits without adapters and without its base, and its tokenizer the same ids."""
    wanted = adapt(tmp_path, family, tokenizer_folder)(IDS).logits
    merge(tmp_path / "adapter", tmp_path / "merged")
    shutil.rmtree(tmp_path / "base")
    merged: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert type(merged).__name__ == type(FAMILIES[family](ROWS[family])).__name__
    torch.testing.assert_close(merged.eval()(IDS).logits, wanted)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "merged")
    talk = [{"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(talk, return_dict=True)["input_ids"][0] == 1008
    assert merged.generation_config.pad_token_id == tokenizer.pad_token_id


def test_stretched_positions_stay_stretched(tokenizer_folder: Path, tmp_path: Path) -> None:
    """The adapters were trained on them, and the base's configuration knows nothing of them."""
    scaling = {"type": "linear", "factor": 4.0}
    wanted = adapt(tmp_path, "llama", tokenizer_folder, rope_scaling=scaling, max_length=100)(IDS).logits
    merge(tmp_path / "adapter", tmp_path / "merged")
    merged: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(merged.eval()(IDS).logits, wanted)
    assert merged.config.max_position_embeddings == 128


def refused(error: type[DataMixError], adapter: Path, out: Path) -> str:
    """The one line that says why there is no merged model, of which nothing is left."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(error) as caught:
        merge(adapter, out)
    assert sorted(out.parent.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_full_folder_is_not_written_into(tokenizer_folder: Path, tmp_path: Path) -> None:
    """Nothing is overwritten."""
    adapt(tmp_path, "neox", tokenizer_folder)
    assert f"{tmp_path / 'base'}: is not empty" in refused(OutputError, tmp_path / "adapter", tmp_path / "base")


def test_what_is_no_adapter_is_refused(tokenizer_folder: Path, tmp_path: Path) -> None:
    """A folder without an adapter's configuration, or with half of what belongs to one."""
    adapt(tmp_path, "neox", tokenizer_folder)
    for folder in (tmp_path / "base", tmp_path / "nothing"):
        assert f"{folder}: is no adapter: no adapter_config.json that names a base" in refused(
            ConfigError, folder, tmp_path / "out"
        )
    for file in ("tokenizer.json", "adapter_model.safetensors"):
        (tmp_path / "adapter" / file).unlink()
        assert f"is no whole adapter, it lacks {file}" in refused(ConfigError, tmp_path / "adapter", tmp_path / "out")


def test_a_base_that_is_gone_or_another_is_refused(tokenizer_folder: Path, tmp_path: Path) -> None:
    """The error names adapter and base."""
    adapt(tmp_path, "neox", tokenizer_folder)
    (tmp_path / "adapter" / "adapter_model.safetensors").write_text("x")
    assert "cannot be merged into" in refused(ConfigError, tmp_path / "adapter", tmp_path / "out")
    shutil.rmtree(tmp_path / "base")
    line = refused(ConfigError, tmp_path / "adapter", tmp_path / "out")
    assert line.startswith(f"{tmp_path / 'adapter'}: its base model cannot be had: {tmp_path / 'base'}: is no model")

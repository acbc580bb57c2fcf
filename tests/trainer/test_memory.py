"""The memory of a model's states, and its parameters, before a weight is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_mix.errors import ConfigError
from data_mix.tokens import ControlTokens
from data_mix_trainer.config import LoraSettings, TrainSettings
from data_mix_trainer.memory import ParameterCount, count_parameters, memory_by_stage, meta_model, run_parameters

LLAMA_7B = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
LAYER = 4 * 32 * 32 + 4 * 32 + 2 * 32 * 64 + 32 + 64 + 4 * 32
"""Parameters of a layer of TINY: attention, feed-forward, two norms."""
ADAPTERS = 4 * ((32 + 96) + (32 + 32) + 2 * (32 + 64))
"""Parameters of the adapters of such a layer, of rank 4."""
TINY = {"model_type": "gpt_neox", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def model_folder(folder: Path, config: dict[str, Any]) -> str:
    """A folder with nothing but a model's configuration."""
    (folder / "config.json").write_text(json.dumps({"vocab_size": 32000, **config}), encoding="utf8")
    return str(folder)


def device_memory(count: ParameterCount, world: int, dtype: str) -> list[int]:
    """The bytes on the device at each stage."""
    return [row.device for row in memory_by_stage(count, world=world, dtype=dtype)]


def test_the_figures_are_the_papers() -> None:
    """7.5 billion parameters on 64 processes take 120, 31.4, 16.6 and 1.9 GB, as the ZeRO paper's figure 1 has it."""
    found = device_memory(ParameterCount(trainable=7_500_000_000), 64, "fp16")
    assert [round(size / 1e9, 1) for size in found] == [120.0, 31.4, 16.6, 1.9, 0.0]


@pytest.mark.parametrize("dtype", ["fp16", "float16", "bf16", "bfloat16", "fp32", "float32"])
def test_a_single_process_keeps_everything_at_any_stage(dtype: str) -> None:
    """Shared by one, 16 bytes per parameter are 16 bytes, in 32 bits as in 16."""
    assert device_memory(ParameterCount(trainable=1000), 1, dtype) == [16_000] * 4 + [0]


def test_32_bits_take_more_weights_and_less_of_the_optimizer() -> None:
    """4 + 4 + 8 bytes: with four processes the stages share 8, then 12, then 16 of them."""
    assert device_memory(ParameterCount(trainable=1000), 4, "fp32") == [16_000, 10_000, 7_000, 4_000, 0]


def test_frozen_parameters_are_weights_and_no_more() -> None:
    """A frozen parameter has no gradient and no moments, and is shared at stage 3 alone."""
    assert device_memory(ParameterCount(trainable=0, frozen=1000), 4, "bf16") == [2000, 2000, 2000, 500, 0]
    both = device_memory(ParameterCount(trainable=100, frozen=1000), 4, "bf16")
    assert both == [2000 + 1600, 2000 + 700, 2000 + 550, 500 + 400, 0]


def test_offloading_moves_the_share_of_stage_3_to_the_machine() -> None:
    """The last row is stage 3 with all states in the machine's memory; no other row has any there."""
    *rows, offloaded = memory_by_stage(ParameterCount(trainable=1000), world=4, dtype="fp16")
    assert [(row.stage, row.is_offloaded, row.host) for row in rows] == [(stage, False, 0) for stage in range(4)]
    assert (offloaded.stage, offloaded.is_offloaded, offloaded.host) == (3, True, rows[3].device)


def test_shares_are_rounded_up() -> None:
    """What does not divide is not lost."""
    assert device_memory(ParameterCount(trainable=1), 3, "fp16") == [16, 4 + 4, 2 + 5, 6, 0]


def test_a_model_is_counted_by_its_configuration_alone(tmp_path: Path) -> None:
    """A folder without weights gives the 6,738,415,616 parameters of LLaMA 7B, which are held nowhere."""
    assert count_parameters(meta_model(model_folder(tmp_path, LLAMA_7B))) == ParameterCount(trainable=6_738_415_616, frozen=0)
    assert {parameter.device.type for parameter in meta_model(str(tmp_path)).parameters()} == {"meta"}


def test_weights_that_are_shared_count_once(tmp_path: Path) -> None:
    """A head that is the embedding adds nothing."""
    apart, tied = (
        count_parameters(meta_model(model_folder(tmp_path, TINY | {"tie_word_embeddings": is_tied}))).total
        for is_tied in (False, True)
    )
    assert apart - tied == 32000 * 32


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
@pytest.mark.parametrize(
    ("keys", "trainable", "frozen"),
    [
        ({}, 2 * 32016 * 32 + 2 * LAYER + 64, 0),
        ({"freeze_layer": 1}, 2 * 32016 * 32 + LAYER + 64, LAYER),
        ({"lora": LoraSettings(r=4)}, 2 * 32016 * 32 + 2 * ADAPTERS, 2 * 32016 * 32 + 2 * LAYER + 64),
    ],
)
def test_what_a_run_trains_is_counted(tmp_path: Path, keys: dict[str, Any], trainable: int, frozen: int) -> None:
    """New tokens have rows, a frozen layer no gradient; adapters come on top, with copies of embeddings and head to train."""
    settings = TrainSettings(model_name=model_folder(tmp_path, TINY), **keys)
    tokens = ControlTokens(ids={"<|user|>": 32000, "a": 32001, "b": 32002}, added=("<|user|>", "a", "b"), vocabulary=32003)
    assert run_parameters(settings, tokens) == ParameterCount(trainable=trainable, frozen=frozen)


@pytest.mark.parametrize("config", [None, {"model_type": "no_such_type"}, {"model_type": "vit"}])
def test_what_is_no_language_model_is_refused(tmp_path: Path, config: dict[str, Any] | None) -> None:
    """No configuration, one of an unknown kind, one of another kind of model: a line that names it."""
    name = str(tmp_path) if config is None else model_folder(tmp_path, config)
    with pytest.raises(ConfigError, match=r"^[^\n]*is no [^\n]*model[^\n]*$"):
        count_parameters(meta_model(name))

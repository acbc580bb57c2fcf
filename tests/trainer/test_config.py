"""The settings of training: the card's section, word for word, and the keys of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from data_mix.config import load
from data_mix.errors import ConfigError
from data_mix_trainer.config import LoraSettings, RopeScaling, TrainSettings, deepspeed_file
from reference_card import MODEL, paste


def settings(folder: Path, *sections: str, **overrides: str) -> TrainSettings:
    """Training's settings of some sections and overrides."""
    return load(sections, overrides, folder).settings(TrainSettings)


def test_the_reference_sections_give_the_reference_run(tmp_path: Path) -> None:
    """`--configs defaults redpajama-3b datasets --num_train_epochs 2` gives the card's values, one of them overridden."""
    found = settings(tmp_path, "defaults", "redpajama-3b", "datasets", num_train_epochs="2").model_dump(exclude_defaults=True)
    assert found == {
        "log_dir": "redpajama_3b",
        "model_name": "saved_models/RedPajama-INCITE-Base-3B-v1",
        "output_dir": "ikala_v4_3b",
        "max_length": 8196,
        "warmup_steps": 2000,
        "gradient_checkpointing": True,
        "per_device_train_batch_size": 1,
        "eval_steps": 500,
        "num_train_epochs": 2.0,
        "save_total_limit": 2,
    }


def test_every_key_of_the_card_is_known_and_kept(tmp_path: Path) -> None:
    """Each of the seventeen keys, pasted as printed, arrives with its value."""
    printed = YAML(typ="safe").load(MODEL)["redpajama-3b"]
    found = settings(paste(tmp_path, MODEL), "redpajama-3b").model_dump()
    assert len(printed) == 17
    assert {key: found[key] for key in printed} == printed


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("num_train_epochs", "0.5", 0.5),
        ("learning_rate", "1e-5", 1e-5),
        ("save_total_limit", "null", None),
        ("model_name", "160m", "160m"),
        ("report_to", "tensorboard,wandb", ("tensorboard", "wandb")),
        ("lora.r", "8", LoraSettings(r=8)),
        ("rope_scaling", "{type: yarn, factor: 4}", RopeScaling(type="yarn", factor=4)),
        ("gradient_checkpointing", "true", True),
    ],
)
def test_overrides_are_typed_by_the_model(tmp_path: Path, key: str, text: str, value: object) -> None:
    """Fractions of an epoch, exponents, names that look like numbers, lists and nested keys can all be typed."""
    assert getattr(settings(tmp_path, **{key: text}), key.split(".", maxsplit=1)[0]) == value


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("learning_rate: fast", 'learning_rate: found "fast", wanted a number'),
        ("learning_rate: .inf", "learning_rate: found Infinity, wanted a finite number"),
        ("max_length: 8196.5", "max_length: found 8196.5, wanted a whole number"),
        ("max_length: 0", "max_length: found 0, wanted more than 0"),
        ("dtype: fp8", "dtype: found \"fp8\", wanted 'fp16', 'float16', 'bf16', 'bfloat16', 'fp32' or 'float32'"),
        ("gradient_checkpointing: yes", 'gradient_checkpointing: found "yes", wanted true or false'),
        ("warm_up_steps: 1", "unknown key 'warm_up_steps', of no installed package; nearest: warmup_steps"),
        ("lora: {dropuot: 1}", "unknown key 'lora.dropuot'; nearest: dropout"),
    ],
)
def test_a_wrong_value_names_file_line_and_what_is_wanted(tmp_path: Path, line: str, said: str) -> None:
    """Every mistake in a section is one line."""
    with pytest.raises(ConfigError) as caught:
        settings(paste(tmp_path, f"mine:\n  {line}"), "mine")
    assert str(caught.value) == f"{tmp_path}/configs/mine.yaml:2: {said}"


@pytest.mark.parametrize("name", ["configs/zero3_config_sft.json", "zero3_config_sft.json"])
def test_the_cards_deepspeed_file_is_packaged(name: str) -> None:
    """The name that the card's section gives finds the packaged file, which is the card's: ZeRO stage 3, sizes left to auto."""
    found = json.loads(deepspeed_file(name).read_text(encoding="utf8"))
    assert (found["zero_optimization"]["stage"], found["fp16"]["initial_scale_power"]) == (3, 16)
    assert found["scheduler"]["type"] == "WarmupDecayLR"
    assert found["train_batch_size"] == "auto"


def test_the_packaged_deepspeed_file_is_the_cards(shared: Path) -> None:
    """What the card prints and what is packaged are the same JSON."""
    _, _, printed = (shared / "reference-card.md").read_text(encoding="utf8").partition("zero config:\n")
    assert json.loads(deepspeed_file("zero3_config_sft.json").read_text(encoding="utf8")) == json.loads(printed)


def test_a_deepspeed_file_of_ones_own_is_a_path(tmp_path: Path) -> None:
    """What is not packaged is looked for on disk, and missing there it is an error with the packaged names."""
    (tmp_path / "mine.json").write_text("{}")
    assert deepspeed_file(str(tmp_path / "mine.json")) == tmp_path / "mine.json"
    with pytest.raises(
        ConfigError,
        match=r"found no file 'zero9.json', wanted a path or one of zero2\.json, zero3_config_sft\.json, zero3_offload\.json$",
    ):
        deepspeed_file("zero9.json")

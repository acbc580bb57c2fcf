"""The sections and DeepSpeed files that come with the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

import data_mix_trainer
from data_mix.config import load
from data_mix.mix_settings import MixSettings
from data_mix.template import chat_template
from data_mix_trainer.config import TrainSettings, deepspeed_file

MODELS: Final = Path(data_mix_trainer.__path__[0]) / "configs/models.yaml"
SECTIONS: Final = tuple(YAML(typ="safe").load(MODELS))


def deepspeed_json(name: str) -> dict[str, Any]:
    """What a packaged DeepSpeed file holds."""
    found: dict[str, Any] = json.loads(deepspeed_file(name).read_text(encoding="utf8"))
    return found


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_gives_the_settings_of_a_run(tmp_path: Path, name: str) -> None:
    """A section is understood, names a model and a folder of its own, and a DeepSpeed file that is there."""
    settings = load([name], {}, tmp_path).settings(TrainSettings)
    assert settings.model_name is not None
    assert settings.output_dir != TrainSettings().output_dir
    assert deepspeed_file(settings.deepspeed_config).is_file()


def test_the_sections_are_those_that_the_pages_speak_of() -> None:
    """The reference model, its sibling, two models of other sizes, and the demonstration."""
    assert SECTIONS == ("redpajama-3b", "bloom-zh-3b", "pythia-1b", "llama-7b", "demo")


def test_every_section_says_what_it_is() -> None:
    """A line of comment stands above each section."""
    lines = MODELS.read_text(encoding="utf8").splitlines()
    above = {line[:-1]: lines[place - 1] for place, line in enumerate(lines) if line.removesuffix(":") in SECTIONS}
    assert [name for name, line in above.items() if not line.startswith("# ")] == []


@pytest.mark.parametrize("name", ["bloom-zh-3b", "llama-7b"])
def test_models_that_end_texts_in_another_way_bring_their_eos(tmp_path: Path, name: str) -> None:
    """Bloom and LLaMA end a text with `</s>`: the mix's template says so once their section is named."""
    template = load([name, "datasets"], {}, tmp_path).settings(MixSettings).template
    assert (template.name, chat_template(template.name, template.eos).eos) == ("openassistant", "</s>")


def test_the_demonstration_fits_a_laptop(tmp_path: Path) -> None:
    """The demonstration needs neither a GPU nor the hub, and passes an evaluation and a checkpoint on its few steps."""
    settings = load(["demo"], {}, tmp_path).settings(TrainSettings)
    assert (settings.dtype, settings.model_name, settings.max_length) == ("fp32", "tiny-model", 256)
    assert settings.max_steps is not None
    assert settings.eval_steps < settings.max_steps <= 50
    assert settings.save_steps % settings.eval_steps == 0


@pytest.mark.parametrize(("name", "stage"), [("zero2.json", 2), ("zero3_config_sft.json", 3), ("zero3_offload.json", 3)])
def test_deepspeed_files_differ_from_the_cards_in_zero_alone(name: str, stage: int) -> None:
    """Precision, optimizer, schedule and batch sizes are the card's in every file; only the stage's options are its own."""
    found, card = deepspeed_json(name), deepspeed_json("zero3_config_sft.json")
    assert found.pop("zero_optimization")["stage"] == stage
    del card["zero_optimization"]
    assert found == card


def test_the_offloading_file_takes_optimizer_and_weights_off_the_gpu() -> None:
    """Both lie in pinned memory of the machine; all else is the card's stage 3."""
    zero, card = (deepspeed_json(name)["zero_optimization"] for name in ("zero3_offload.json", "zero3_config_sft.json"))
    pinned = {"device": "cpu", "pin_memory": True}
    assert zero == card | {"offload_optimizer": pinned, "offload_param": pinned}

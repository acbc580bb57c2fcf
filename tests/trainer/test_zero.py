"""A DeepSpeed file → the configuration of a run."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from data_mix.errors import ConfigError
from data_mix_trainer.config import TrainSettings, deepspeed_file
from data_mix_trainer.zero import deepspeed_config, stage
from training import Place, losses, rates, train_here

PACKAGED: Final = ("zero2.json", "zero3_config_sft.json", "zero3_offload.json")
GATHER: Final = "stage3_gather_16bit_weights_on_model_save"
LINEAR: Final = {"type": "WarmupDecayLR", "params": {"warmup_num_steps": "auto", "warmup_type": "linear"}}
INSTEAD: Final = "its scheduler WarmupDecayLR is left out: lr_scheduler_type linear does the same, and not a step late"


def settings_of(file: Path | str, **keys: Any) -> TrainSettings:
    """Settings that name a DeepSpeed file."""
    return TrainSettings(deepspeed_config=str(file), **keys)


def own(folder: Path, content: object) -> Path:
    """A DeepSpeed file of one's own."""
    file = folder / "own.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf8")
    return file


def refusal(file: Path, **keys: Any) -> str:
    """What is said of a file that is refused."""
    with pytest.raises(ConfigError) as caught:
        deepspeed_config(settings_of(file, **keys), on_cpu=False)
    return str(caught.value)


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_file_is_used_as_it_is_on_a_gpu(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of a packaged file nothing is changed but that transformers' scheduler takes the place of its own, which is told."""
    config, file = deepspeed_config(settings_of(name), on_cpu=False), json.loads(deepspeed_file(name).read_text("utf8"))
    assert file.pop("scheduler")["type"] == "WarmupDecayLR"
    assert config == file
    assert caplog.messages == [f"{name}: {INSTEAD}"]


@pytest.mark.parametrize(("name", "found"), [("zero2.json", 2), ("zero3_config_sft.json", 3), ("zero3_offload.json", 3)])
def test_the_stage_is_the_files(name: str, found: int) -> None:
    """`stage` reads the ZeRO stage of a configuration."""
    assert stage(deepspeed_config(settings_of(name), on_cpu=True)) == found


def test_a_file_that_says_nothing_of_zero_is_stage_0(tmp_path: Path) -> None:
    """As in DeepSpeed itself; transformers wants the block, so it is made."""
    config = deepspeed_config(settings_of(own(tmp_path, {})), on_cpu=False)
    assert (stage(config), config["zero_optimization"]) == (0, {"stage": 0})


@pytest.mark.parametrize("name", PACKAGED)
def test_without_a_gpu_torchs_adam_steps_and_nothing_is_offloaded(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """On a processor no compiler is needed, and what the file wanted to offload is told."""
    config = deepspeed_config(settings_of(name), on_cpu=True)
    assert config["optimizer"]["params"]["torch_adam"] is True
    assert [key for key in config["zero_optimization"] if "offload" in key] == []
    left_out = ["offload_optimizer", "offload_param"] if "offload" in name else []
    told = [f"{name}: its {key} is left out: there is no GPU to offload from" for key in left_out]
    assert caplog.messages == [f"{name}: {INSTEAD}", *told]


def test_an_optimizer_of_another_kind_is_left_as_it_is(tmp_path: Path) -> None:
    """`torch_adam` is a word of Adam alone; a file without optimizer gets none."""
    lamb = deepspeed_config(settings_of(own(tmp_path, {"optimizer": {"type": "Lamb", "params": {}}})), on_cpu=True)
    assert "torch_adam" not in lamb["optimizer"]["params"]
    assert "optimizer" not in deepspeed_config(settings_of(own(tmp_path, {})), on_cpu=True)


@pytest.mark.parametrize("name", [GATHER, GATHER.removeprefix("stage3_")])
@pytest.mark.parametrize("said", [True, False, None])
def test_stage_3_always_writes_whole_weights(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, said: bool | None
) -> None:
    """However the file spells or forgets it, a checkpoint can be loaded without DeepSpeed; that it had to be set is told."""
    zero = {"stage": 3} | ({} if said is None else {name: said})
    config = deepspeed_config(settings_of(own(tmp_path, {"zero_optimization": zero})), on_cpu=False)
    assert config["zero_optimization"] == {"stage": 3, GATHER: True}
    told = [] if said else [f"own.json: {GATHER} is set: a checkpoint holds the weights as a whole"]
    assert caplog.messages == told


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("WarmupDecayLR", "linear", "lr_scheduler_type linear does the same, and not a step late"),
        ("WarmupLR", "constant_with_warmup", "lr_scheduler_type constant_with_warmup does the same, and not a step late"),
        ("WarmupCosineLR", "cosine", "lr_scheduler_type cosine does the same, and not a step late"),
        ("WarmupDecayLR", "cosine", "lr_scheduler_type is cosine"),
        ("WarmupLR", "linear", "lr_scheduler_type is linear"),
    ],
)
def test_the_scheduler_is_transformers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, kind: str, why: str
) -> None:
    """The file's is left out, which is told, whether it is what the settings say or not."""
    file = own(tmp_path, {"scheduler": LINEAR | {"type": name}})
    assert "scheduler" not in deepspeed_config(settings_of(file, lr_scheduler_type=kind), on_cpu=False)
    assert caplog.messages == [f"own.json: its scheduler {name} is left out: {why}"]


def test_a_warm_up_that_would_be_logarithmic_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """DeepSpeed's default of a file that does not name the kind of warm-up is another than the one that is done."""
    deepspeed_config(
        settings_of(own(tmp_path, {"scheduler": {"type": "WarmupLR"}}), lr_scheduler_type="constant"), on_cpu=False
    )
    deepspeed_config(settings_of(own(tmp_path, {"scheduler": {"type": "WarmupDecayLR"}})), on_cpu=False)
    why = ("is constant", "linear takes its place, the warm-up of which is linear and not logarithmic")
    names = ("WarmupLR", "WarmupDecayLR")
    told = [
        f"own.json: its scheduler {name} is left out: lr_scheduler_type {each}" for name, each in zip(names, why, strict=True)
    ]
    assert caplog.messages == told


@pytest.mark.parametrize("name", ["OneCycle", "LRRangeTest", None])
def test_a_scheduler_that_has_no_equal_is_refused(tmp_path: Path, name: str | None) -> None:
    """A run by another schedule than its file says would be a surprise, and one that is late another run without DeepSpeed."""
    assert refusal(own(tmp_path, {"scheduler": {"type": name}})) == (
        f"{tmp_path}/own.json: scheduler.type is {json.dumps(name)}, which no lr_scheduler_type is equal to; "
        "take the block out, and choose an lr_scheduler_type"
    )


def test_what_a_file_leaves_out_is_filled_from_the_settings(tmp_path: Path) -> None:
    """A learning rate or accumulation that the file forgets would be DeepSpeed's default; it is the settings' here."""
    file = own(tmp_path, {"optimizer": {"type": "AdamW"}, "fp16": {}})
    config = deepspeed_config(settings_of(file), on_cpu=False)
    for path in ("gradient_accumulation_steps", "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_clipping"):
        assert config[path] == "auto"
    assert config["optimizer"]["params"] == dict.fromkeys(("lr", "weight_decay", "betas", "eps"), "auto")
    assert config["fp16"] == {"enabled": "auto"}
    assert "bf16" not in config


def test_values_that_agree_become_auto(tmp_path: Path) -> None:
    """A resumed run on another number of processes has another accumulation, which only "auto" can follow."""
    sizes = {"train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 32, "train_batch_size": 256}
    config = deepspeed_config(settings_of(own(tmp_path, sizes)), on_cpu=False, world=4)
    assert {key: config[key] for key in sizes} == dict.fromkeys(sizes, "auto")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"train_micro_batch_size_per_gpu": 8}, "train_micro_batch_size_per_gpu is 8, but per_device_train_batch_size is 2"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps is 1, but gradient_accumulation_steps is 32 in the"),
        ({"train_batch_size": 32}, "train_batch_size is 32, but the settings make 64 of 2 rows, 32 forward passes and 1 proc"),
        ({"gradient_clipping": 1.0}, "gradient_clipping is 1.0, but max_grad_norm is 2.0"),
        ({"optimizer": {"type": "AdamW", "params": {"lr": 3e-4}}}, "optimizer.params.lr is 0.0003, but learning_rate is 1e-05"),
        ({"bf16": {"enabled": True}}, "bf16.enabled is true, but dtype is fp16"),
        ({"scheduler": {"type": "WarmupDecayLR", "params": {"warmup_num_steps": 9}}}, "is 9, but warmup_steps is 600"),
    ],
)
def test_a_file_that_contradicts_the_settings_is_refused(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    """The error names the file, its value and the setting's."""
    message = refusal(own(tmp_path, content))
    assert message.startswith(f"{tmp_path}/own.json: ")
    assert said in message
    assert message.endswith('; set it to "auto", or make both agree')


@pytest.mark.parametrize(
    ("key", "found", "wanted"),
    [
        ("total_num_steps", 1000, '"auto": it follows from the run'),
        ("warmup_type", "log", '"linear": the learning rate rises from 0, by as much at each step'),
        ("warmup_min_lr", 1e-6, "0: the learning rate rises from 0, by as much at each step"),
        ("warmup_min_ratio", 0.1, "0: the learning rate rises from 0, by as much at each step"),
        ("cos_min_ratio", 0.1, "0: the learning rate falls to 0"),
    ],
)
def test_a_schedule_that_no_setting_gives_is_refused(tmp_path: Path, key: str, found: object, wanted: str) -> None:
    """What the scheduler that takes its place cannot do is no reason to do something else in silence."""
    file = own(tmp_path, {"scheduler": {"type": "WarmupDecayLR", "params": {key: found}}})
    assert refusal(file) == f"{tmp_path}/own.json: scheduler.params.{key} is {json.dumps(found)}, wanted {wanted}"


def test_values_of_a_schedule_that_are_those_of_its_equal_are_taken(tmp_path: Path) -> None:
    """Numbers that say what is done anyway are no contradiction."""
    params = {"total_num_steps": "auto", "warmup_num_steps": 600, "warmup_type": "linear", "cos_min_ratio": 0.0001}
    for zero in ({"warmup_min_lr": 0}, {"warmup_min_ratio": 0.0}):
        file = own(tmp_path, {"scheduler": {"type": "WarmupCosineLR", "params": params | zero}})
        assert "scheduler" not in deepspeed_config(settings_of(file, lr_scheduler_type="cosine"), on_cpu=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "{\n fp16: 1}",
            ":2: found no JSON (Expecting property name enclosed in double quotes), wanted a DeepSpeed configuration",
        ),
        ("[]", ": found no JSON object, wanted a DeepSpeed configuration: {…}"),
        ({"zero_optimization": {"stage": 4}}, ": zero_optimization.stage is 4, wanted 0, 1, 2 or 3"),
        ({"zero_optimization": True}, ": zero_optimization.stage is true, wanted 0, 1, 2 or 3"),
        ({"optimizer": {"type": "AdamW", "params": []}}, ": optimizer.params: found [], wanted a JSON object: {…}"),
        ({"fp16": False}, ": fp16: found false, wanted a JSON object: {…}"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: object, said: str) -> None:
    """Broken JSON is named by its line, a wrong shape by its key."""
    assert refusal(own(tmp_path, content)) == f"{tmp_path}/own.json{said}"


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    """What is not UTF-8 is named."""
    (tmp_path / "own.json").write_bytes(b'{"\xff": 1}')
    assert refusal(tmp_path / "own.json") == f"{tmp_path}/own.json: found bytes that are not UTF-8; save the file as UTF-8"


def test_the_settings_file_itself_is_never_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two runs read the same file and get configurations of their own."""
    caplog.set_level(logging.ERROR)
    before = deepspeed_file("zero3_offload.json").read_bytes()
    one, other = (deepspeed_config(settings_of("zero3_offload.json"), on_cpu=on_cpu) for on_cpu in (True, False))
    assert "offload_param" not in one["zero_optimization"]
    assert "offload_param" in other["zero_optimization"]
    assert deepspeed_file("zero3_offload.json").read_bytes() == before


FILL: Final = """
import json, sys
from types import SimpleNamespace
import deepspeed, deepspeed.ops
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
deepspeed.init_distributed("gloo")
from transformers import TrainingArguments
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.zero import deepspeed_config
filled = {}
for name in json.loads(sys.argv[1]):
    settings = TrainSettings(deepspeed_config=name, dtype="fp32")
    arguments = TrainingArguments(
        output_dir=sys.argv[2], use_cpu=True, deepspeed=deepspeed_config(settings, on_cpu=True), warmup_steps=600,
        learning_rate=settings.learning_rate, max_grad_norm=settings.max_grad_norm, report_to=[],
        per_device_train_batch_size=2, gradient_accumulation_steps=32,
    )
    plugin = arguments.hf_deepspeed_config
    plugin.trainer_config_finalize(arguments, SimpleNamespace(config=SimpleNamespace(hidden_size=64)), 1000)
    deepspeed.DeepSpeedConfig(plugin.config)
    filled[name] = plugin.config
import torch.distributed
torch.distributed.destroy_process_group()
print(json.dumps(filled))
"""


def test_transformers_and_deepspeed_take_what_is_made(tmp_path: Path) -> None:
    """Of every packaged file they fill in every "auto" and refuse nothing."""
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", FILL, json.dumps(PACKAGED), str(tmp_path)],
        env=os.environ | alone | {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    filled = json.loads(ended.stdout.splitlines()[-1])
    assert '"auto"' not in json.dumps(filled)
    assert {config["train_batch_size"] for config in filled.values()} == {64}


def test_with_deepspeed_the_learning_rate_is_that_of_a_run_without(place: Place, out: Path) -> None:
    """By the card's file, which names a scheduler of DeepSpeed's, rates and losses of all steps are those of a plain run."""
    keys: dict[str, object] = {"warmup_steps": 3, "eval_steps": 100, "deepspeed_config": "zero3_config_sft.json"}
    train_here(*place.arguments(out / "plain", **keys))
    place.shell().ok("train", *place.arguments(out / "deepspeed", **keys), "--deepspeed")
    assert rates(out / "deepspeed") == pytest.approx(rates(out / "plain"), rel=1e-12)
    assert rates(out / "plain") == pytest.approx([1e-3 * share for share in (0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3)])
    assert losses(out / "deepspeed") == pytest.approx(losses(out / "plain"), abs=1e-5)

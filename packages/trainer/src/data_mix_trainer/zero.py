"""A DeepSpeed file → the configuration of this run.

The file has the last word on ZeRO and its buckets; where it could contradict the settings (batch sizes, learning rate, number
format), they have it. transformers fills its "auto" in from them, so every such value becomes "auto" here, one that is missing
too; a value that is another than theirs is refused. The scheduler is always transformers': DeepSpeed's have a step of their own
before the first one of the schedule, so that a run with DeepSpeed would be another than one without.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from data_mix.errors import ConfigError
from data_mix_trainer.config import TrainSettings, deepspeed_file

logger = logging.getLogger(__name__)

_AUTO: Final = "auto"
_GATHER: Final = (
    "stage3_gather_16bit_weights_on_model_save",
    "gather_16bit_weights_on_model_save",
    "stage3_gather_fp16_weights_on_model_save",
)
"""What DeepSpeed calls, and has called, the writing of whole weights at stage 3; transformers knows the first."""
_SCHEDULERS: Final = {"WarmupDecayLR": "linear", "WarmupLR": "constant_with_warmup", "WarmupCosineLR": "cosine"}
"""DeepSpeed's schedulers that have an equal, and the lr_scheduler_type that is it."""
_RISE: Final = "the learning rate rises from 0, by as much at each step"
_SETTLED: Final[dict[str, tuple[tuple[object, ...], str]]] = {
    "scheduler.params.total_num_steps": ((_AUTO,), "it follows from the run"),
    "scheduler.params.warmup_type": (("linear",), _RISE),
    "scheduler.params.warmup_min_lr": ((0,), _RISE),
    "scheduler.params.warmup_min_ratio": ((0,), _RISE),
    "scheduler.params.cos_min_ratio": ((0, 0.0001), "the learning rate falls to 0"),
}
"""What no setting changes: the values that can be, the first of them best, and why."""


def deepspeed_config(settings: TrainSettings, *, on_cpu: bool, world: int = 1) -> dict[str, Any]:
    """The configuration that `TrainingArguments(deepspeed=…)` takes, of a run on `world` processes.

    What is changed beyond "auto" is told in a warning. Raises ConfigError with the file's path where it is no JSON object, and
    where it contradicts the settings.
    """
    file = deepspeed_file(settings.deepspeed_config)
    config = _read(file)
    _check_stage(config, file)
    notice = _compare_scheduler(config, settings, file)
    _leave_to_settings(config, settings, world, file)
    if notice:
        logger.warning(notice)
        config.pop("scheduler", None)
    if on_cpu:
        _fit_to_cpu(config, file)
    if stage(config) == 3:
        _write_whole_weights(config, file)
    return config


def stage(config: dict[str, Any]) -> int:
    """The ZeRO stage of a configuration that `deepspeed_config` made."""
    return int(config["zero_optimization"]["stage"])


def _read(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}; change its permissions, or name another") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: found bytes that are not UTF-8; save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file}:{error.lineno}: found no JSON ({error.msg}), wanted a DeepSpeed configuration") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{file}: found no JSON object, wanted a DeepSpeed configuration: {{…}}")
    return config


def _check_stage(config: dict[str, Any], file: Path) -> None:
    zero = config.setdefault("zero_optimization", {})
    found = zero.setdefault("stage", 0) if isinstance(zero, dict) else zero
    if type(found) is not int or not 0 <= found <= 3:
        raise ConfigError(f"{file}: zero_optimization.stage is {json.dumps(found)}, wanted 0, 1, 2 or 3")


def _compare_scheduler(config: dict[str, Any], settings: TrainSettings, file: Path) -> str | None:
    """What is to be told where the file has a scheduler; one of another kind than the settings' is taken away at once."""
    if "scheduler" not in config:
        return None
    block, wanted = _node(config, ["scheduler"], file) or {}, settings.lr_scheduler_type
    name = block.get("type")
    kind = _SCHEDULERS.get(str(name))
    if kind is None:
        raise ConfigError(
            f"{file}: scheduler.type is {json.dumps(name)}, which no lr_scheduler_type is equal to; "
            "take the block out, and choose an lr_scheduler_type"
        )
    if kind != wanted:
        del config["scheduler"]
        why = f"lr_scheduler_type is {wanted}"
    elif "warmup_type" in (_node(config, ["scheduler", "params"], file) or {}):
        why = f"lr_scheduler_type {wanted} does the same, and not a step late"
    else:
        why = f"lr_scheduler_type {wanted} takes its place, the warm-up of which is linear and not logarithmic"
    return f"{file.name}: its scheduler {name} is left out: {why}"


def _leave_to_settings(config: dict[str, Any], settings: TrainSettings, world: int, file: Path) -> None:
    for path, (values, why) in _SETTLED.items():
        *above, key = path.split(".")
        found = (_node(config, above, file) or {}).get(key, _AUTO)
        if found not in (_AUTO, *values):
            raise ConfigError(f"{file}: {path} is {json.dumps(found)}, wanted {json.dumps(values[0])}: {why}")
    for path, (wanted, said) in _wanted(settings, world).items():
        *above, key = path.split(".")
        node = _node(config, above, file)
        if node is not None and node.get(key, _AUTO) not in (_AUTO, wanted):
            raise ConfigError(f'{file}: {path} is {json.dumps(node[key])}, but {said}; set it to "auto", or make both agree')
        if node is not None:
            node[key] = _AUTO


def _wanted(settings: TrainSettings, world: int) -> dict[str, tuple[object, str]]:
    """By path in the file, the value that the settings give and how they say it."""
    rows, passes = settings.per_device_train_batch_size, settings.gradient_accumulation_steps
    batch = f"the settings make {rows * passes * world} of {rows} rows, {passes} forward passes and {world} processes"
    betas = [settings.adam_beta1, settings.adam_beta2]
    rate, dtype = f"learning_rate is {settings.learning_rate}", f"dtype is {settings.dtype}"
    return {
        "train_micro_batch_size_per_gpu": (rows, f"per_device_train_batch_size is {rows}"),
        "gradient_accumulation_steps": (passes, f"gradient_accumulation_steps is {passes} in the settings"),
        "train_batch_size": (rows * passes * world, batch),
        "gradient_clipping": (settings.max_grad_norm, f"max_grad_norm is {settings.max_grad_norm}"),
        "optimizer.params.lr": (settings.learning_rate, rate),
        "optimizer.params.weight_decay": (settings.weight_decay, f"weight_decay is {settings.weight_decay}"),
        "optimizer.params.betas": (betas, f"adam_beta1 and adam_beta2 are {betas}"),
        "optimizer.params.eps": (settings.adam_epsilon, f"adam_epsilon is {settings.adam_epsilon}"),
        "scheduler.params.warmup_max_lr": (settings.learning_rate, rate),
        "scheduler.params.warmup_num_steps": (settings.warmup_steps, f"warmup_steps is {settings.warmup_steps}"),
        "fp16.enabled": (settings.dtype in {"fp16", "float16"}, dtype),
        "bf16.enabled": (settings.dtype in {"bf16", "bfloat16"}, dtype),
    }


def _node(config: dict[str, Any], keys: Sequence[str], file: Path) -> dict[str, Any] | None:
    """The object at a path, made where only its last part is missing; None where the block is not there."""
    if keys and keys[0] not in config:
        return None
    node: Any = config
    for key in keys:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{file}: {'.'.join(keys)}: found {json.dumps(node)}, wanted a JSON object: {{…}}")
    return node  # type: ignore[no-any-return]


def _fit_to_cpu(config: dict[str, Any], file: Path) -> None:
    """Nothing is offloaded from a processor to itself; and torch's AdamW needs no compiler, unlike DeepSpeed's."""
    zero = config["zero_optimization"]
    for name in [name for name in zero if name.startswith(("offload_", "cpu_offload"))]:
        del zero[name]
        logger.warning("%s: its %s is left out: there is no GPU to offload from", file.name, name)
    if str(config.get("optimizer", {}).get("type")).lower() in {"adam", "adamw"}:
        config["optimizer"]["params"]["torch_adam"] = True


def _write_whole_weights(config: dict[str, Any], file: Path) -> None:
    zero = config["zero_optimization"]
    said = [zero.pop(name, False) for name in _GATHER]
    zero[_GATHER[0]] = True
    if not any(said):
        logger.warning("%s: %s is set: a checkpoint holds the weights as a whole", file.name, _GATHER[0])

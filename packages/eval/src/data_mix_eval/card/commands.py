"""The commands that trained and scored a model, from what was written beside it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from data_mix_eval.results import OWN_SAMPLES, Results

_KEY: Final = "eval_"
"""Keys of scoring begin with it, options of `datamix eval` do not."""


def training_command(training: Mapping[str, Any]) -> str:
    """The command, as a shell takes it: by DeepSpeed's launcher, by torchrun, or by one process."""
    words = [*_launcher(training), "--configs", *training["sections"]]
    for key, text in training["overrides"].items():
        words += [f"--{key}", text]
    return shlex.join([*words, *(["--deepspeed"] if training["deepspeed"] else [])])


def eval_command(results: Results) -> str:
    """The command that scored a model."""
    settings = {"eval_tasks": list(results.tasks), **results.settings}
    words = ["datamix", "eval", str(results.model["name"])]
    for key, value in settings.items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{key.removeprefix(_KEY).replace('_', '-')}".replace("--tasks", "--task"), *map(str, values)]
    is_own = any(task.files == OWN_SAMPLES for task in results.tasks.values())
    return shlex.join([*words, *(["--samples"] if is_own else [])])


def _launcher(training: Mapping[str, Any]) -> list[str]:
    processes = training["processes"]
    if training["deepspeed"]:
        return ["deepspeed", "--num_accelerators", str(processes), "trainer_sft.py"]
    if processes > 1:
        return ["torchrun", "--nproc_per_node", str(processes), "-m", "data_mix_trainer"]
    return ["datamix", "train"]

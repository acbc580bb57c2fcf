"""The command that trained a model, from what the trainer wrote beside it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any


def training_command(training: Mapping[str, Any]) -> str:
    """The command, as a shell takes it: by DeepSpeed's launcher, by torchrun, or by one process."""
    words = [*_launcher(training), "--configs", *training["sections"]]
    for key, text in training["overrides"].items():
        words += [f"--{key}", text]
    return shlex.join([*words, *(["--deepspeed"] if training["deepspeed"] else [])])


def _launcher(training: Mapping[str, Any]) -> list[str]:
    processes = training["processes"]
    if training["deepspeed"]:
        return ["deepspeed", "--num_accelerators", str(processes), "trainer_sft.py"]
    if processes > 1:
        return ["torchrun", "--nproc_per_node", str(processes), "-m", "data_mix_trainer"]
    return ["datamix", "train"]

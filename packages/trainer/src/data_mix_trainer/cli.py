"""`datamix train`: settings as they would be used. Training itself is not in this version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer

from data_mix.config import as_yaml, describe_keys, load, parse_arguments
from data_mix.errors import DataMixError
from data_mix_trainer.config import TrainSettings, deepspeed_file

_FLAGS: Final = ("deepspeed", "help", "show")
_OPTIONS: Final = (*_FLAGS, "configs", "config-dir")
_HELP: Final = """Usage: datamix train --configs SECTION… [--KEY VALUE…] [--deepspeed] [--show]

--deepspeed   Train by DeepSpeed, with the file of the key deepspeed_config.
--show        Print the settings as YAML, and do nothing else.
--config-dir  Folder of YAML sections of your own [./configs].

Keys:
"""


def train(argv: Sequence[str]) -> int:
    """Run the command; return its exit code. Raises DataMixError."""
    arguments = parse_arguments(argv, flags=_FLAGS)
    if "help" in arguments.flags:
        typer.echo(_HELP + describe_keys(TrainSettings))
        return 0
    settings = load(arguments.sections, arguments.overrides, arguments.config_dir, options=_OPTIONS).settings(TrainSettings)
    if "deepspeed" in arguments.flags:
        deepspeed_file(settings.deepspeed_config)
    if "show" not in arguments.flags:
        raise DataMixError("training is not in this version yet; --show prints the settings that it would have")
    typer.echo(as_yaml(settings), nl=False)
    return 0

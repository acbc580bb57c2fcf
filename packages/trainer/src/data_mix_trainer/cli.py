"""`datamix train`, `datamix tiny-model` and `datamix merge`; and `trainer_sft.py`, which is the first of them for launchers."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from data_mix.config import Arguments, Config, as_yaml, describe_keys, load, parse_arguments
from data_mix.errors import DataMixError, UsageError
from data_mix_trainer.config import TrainSettings, deepspeed_file
from data_mix_trainer.machine import quiet, rank, world

if TYPE_CHECKING:
    from data_mix_trainer.plan import Plan

_FLAGS: Final = ("deepspeed", "dry-run", "help", "json", "show")
_OPTIONS: Final = (*_FLAGS, "configs", "config-dir", "without")
_HELP: Final = """Usage: datamix train --configs SECTION… [--KEY VALUE…] [--deepspeed] [--dry-run] [--show]

Fine-tune a model on a build, from its token shards.

--deepspeed   Train by DeepSpeed, with the file of the key deepspeed_config.
--dry-run     Print steps, tokens and memory, and do nothing else; with --json as JSON.
--show        Print the settings as YAML, and do nothing else.
--without     Entries of the mix that the build leaves out: ENTRY[,ENTRY].
--config-dir  Folder of YAML sections of your own [./configs].

Several processes: deepspeed trainer_sft.py …, or torchrun --nproc_per_node N -m data_mix_trainer … with the same arguments.

Keys:
"""
_TINY_HELP: Final = """Usage: datamix tiny-model OUT -o DIR

Make a small untrained GPT-NeoX and a tokenizer trained on the build OUT, to try everything out without a download.
"""
_MERGE_HELP: Final = """Usage: datamix merge ADAPTER -o DIR

Merge the low-rank adapters of the folder ADAPTER into their base model.
"""


def main() -> None:
    """Run `datamix train` for a launcher: what the user can mend is one line and exit code 1, of the first process alone."""
    logging.basicConfig(level=logging.WARNING if rank() == 0 else logging.ERROR, format="datamix: %(message)s")
    try:
        _end(train(sys.argv[1:]))
    except DataMixError as error:
        if rank() == 0 or _is_joined():
            typer.echo(f"datamix: {' '.join(str(error).split())}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)


def _end(code: int) -> NoReturn:
    """End the process; one of several without taking Python down, in which threads of gloo that are left abort it at times."""
    if world() == 1:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _is_joined() -> bool:
    """Whether the processes have joined: from then on an error may be that of one process alone."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.distributed.is_initialized())


def train(argv: Sequence[str]) -> int:
    """Fine-tune a model on a build.

    Returns the exit code of `datamix train`. Raises DataMixError.
    """
    arguments = parse_arguments(argv, flags=_FLAGS)
    if "help" in arguments.flags:
        typer.echo(_HELP + describe_keys(TrainSettings))
        return 0
    without = tuple(filter(None, arguments.overrides.get("without", "").split(",")))
    overrides = {key: text for key, text in arguments.overrides.items() if key != "without"}
    config = load(arguments.sections, overrides, arguments.config_dir, options=_OPTIONS)
    settings = config.settings(TrainSettings)
    if "deepspeed" in arguments.flags:
        deepspeed_file(settings.deepspeed_config)
    if "show" in arguments.flags:
        typer.echo(as_yaml(settings), nl=False)
    else:
        _train(arguments, config, settings, without)
    return 0


def _train(arguments: Arguments, config: Config, settings: TrainSettings, without: tuple[str, ...]) -> None:
    from data_mix_trainer.evaluators import make_evaluators
    from data_mix_trainer.plan import plan_run
    from data_mix_trainer.training_data import asked_mix, open_data

    data = open_data(settings, asked_mix(config, without))
    is_dry, by_deepspeed = "dry-run" in arguments.flags, "deepspeed" in arguments.flags
    plan = plan_run(settings, data, by_deepspeed=by_deepspeed, is_dry=is_dry, evaluators=make_evaluators(config))
    quiet()
    if is_dry:
        _print_dry_run(plan, as_json="json" in arguments.flags)
        return
    from data_mix_trainer.run import train as run

    run(plan, {"sections": list(arguments.sections), "overrides": dict(arguments.overrides)})


def tiny_model(argv: Sequence[str]) -> int:
    """Make a small untrained model, to try things out.

    Returns the exit code of `datamix tiny-model`. Raises DataMixError.
    """

    def make(build: Path, out: Path) -> None:
        from data_mix_trainer.tiny_model import make_tiny_model

        make_tiny_model(build, out)

    return _from_folder_to_folder(argv, _TINY_HELP, make)


def merge(argv: Sequence[str]) -> int:
    """Merge low-rank adapters into their base model.

    Returns the exit code of `datamix merge`. Raises DataMixError.
    """

    def make(adapter: Path, out: Path) -> None:
        from data_mix_trainer.merge import merge as merge_adapter

        merge_adapter(adapter, out)

    return _from_folder_to_folder(argv, _MERGE_HELP, make)


def _from_folder_to_folder(argv: Sequence[str], usage: str, make: Callable[[Path, Path], None]) -> int:
    """A command that takes a folder and makes another."""
    words = list(argv)
    if "--help" in words:
        typer.echo(usage, nl=False)
        return 0
    option = next((word for word in words if word in {"-o", "--out"}), None)
    place = words.index(option) if option else len(words)
    out, rest = words[place + 1 : place + 2], words[:place] + words[place + 2 :]
    if len(out) != 1 or len(rest) != 1 or rest[0].startswith("-"):
        raise UsageError(f"found {' '.join(argv) or 'nothing'!r}; wanted a folder and -o FOLDER: {usage.splitlines()[0]}")
    quiet()
    make(Path(rest[0]), Path(out[0]))
    typer.echo(f"{out[0]}: written")
    return 0


def _print_dry_run(plan: Plan, *, as_json: bool) -> None:
    """Print what a run would be."""
    from data_mix_trainer.dry_run import describe_run

    described = describe_run(plan)
    typer.echo(json.dumps(described.as_dict(), ensure_ascii=False, indent=1) if as_json else described.as_text())

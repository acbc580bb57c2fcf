"""What several commands ask, and what they make of it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from data_mix.mix import Mix

TAKES_CONFIGS: Final[dict[str, Any]] = {"allow_extra_args": True, "ignore_unknown_options": True}
"""`--configs a b c` takes any number of values and `--KEY VALUE` any key: our own parser reads what Typer leaves over."""

USAGE: Final = "--configs SECTION… [--KEY VALUE…] [OPTIONS]"
CONFIGS_HELP: Final = (
    "SECTION is a part of the configuration: a built-in one, such as datasets, or one of your own in ./configs; later ones win "
    "over earlier ones. KEY is any of their keys, with dots where one stands in another: --data_seed 7, "
    "--datasets.joke.val_split 0.1. `datamix schema` prints all keys."
)

ConfigDir = Annotated[
    Path | None, typer.Option("--config-dir", metavar="FOLDER", help="Folder of YAML sections of your own [./configs].")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
Without = Annotated[
    list[str] | None, typer.Option("--without", metavar="ENTRY", help="Leave this entry of the mix out; may be given again.")
]
Samples = Annotated[bool, typer.Option("--samples", help="Read the samples that are shipped, without network.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Workers = Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes that do the work [as many as cores].")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="A build folder.")]

TOKENIZER_HELP: Final = "a tokenizer's folder, its tokenizer.json, or a repository of the hub."
"""What `--tokenizer` names, as the end of a sentence."""


def mix_of(context: typer.Context, config_dir: Path | None, without: list[str] | None, *, samples: bool) -> Mix:
    """The mix that the command line asks for."""
    from data_mix.config import load, parse_arguments
    from data_mix.mix import resolve_mix

    arguments = parse_arguments(context.args)
    options = {name.removeprefix("--") for option in context.command.params for name in option.opts}
    config = load(arguments.sections, arguments.overrides, config_dir, options={*options, "configs"})
    return resolve_mix(config, without=without or (), samples=samples)


def cores() -> int:
    """Processes that this one may run beside one another."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say_errors_only() -> None:
    """Leave warnings out, as `--quiet` asks."""
    logging.getLogger().setLevel(logging.ERROR)

"""`datamix eval`: settings as they would be used. Scoring itself is not in this version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer

from data_mix.config import as_yaml, describe_keys, load, parse_arguments
from data_mix.errors import DataMixError
from data_mix_eval.config import EvalSettings

_FLAGS: Final = ("help", "show")
_OPTIONS: Final = (*_FLAGS, "configs", "config-dir")
_HELP: Final = """Usage: datamix eval [--configs SECTION…] [--KEY VALUE…] [--show]

--show        Print the settings as YAML, and do nothing else.
--config-dir  Folder of YAML sections of your own [./configs].

Keys:
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code. Raises DataMixError."""
    arguments = parse_arguments(argv, flags=_FLAGS)
    if "help" in arguments.flags:
        typer.echo(_HELP + describe_keys(EvalSettings))
        return 0
    settings = load(arguments.sections, arguments.overrides, arguments.config_dir, options=_OPTIONS).settings(EvalSettings)
    if "show" not in arguments.flags:
        raise DataMixError("scoring is not in this version yet; --show prints the settings that it would have")
    typer.echo(as_yaml(settings), nl=False)
    return 0

"""The program: its commands, those of other distributions, and how they end.

Commands of other distributions join by the entry-point group `data_mix.commands`: a function from argv to an exit code.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

import typer

from data_mix.cli.cards import check_card
from data_mix.cli.comparing import diff
from data_mix.cli.looking import inspect, schema, sources, verify
from data_mix.cli.making import build, plan, tokenize
from data_mix.cli.options import CONFIGS_HELP, TAKES_CONFIGS, USAGE
from data_mix.cli.publishing import publish, pull
from data_mix.cli.reporting import report, serve
from data_mix.errors import DataMixError, UsageError

PLUGINS: Final = "data_mix.commands"

_INTERRUPTED: Final = 130
"""What Typer ends with after Ctrl-C."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn a base model into a chat model: data, training, scores.",
)


def _add_commands() -> None:
    """Add our own commands, in the order of the help."""
    of_a_mix: dict[str, Any] = {"context_settings": TAKES_CONFIGS, "options_metavar": USAGE, "epilog": CONFIGS_HELP}
    app.command()(sources)
    app.command(**of_a_mix)(plan)
    app.command(**of_a_mix)(build)
    for command in (tokenize, inspect, report, serve, diff, verify, check_card, publish, pull, schema):
        app.command()(command)


_add_commands()


class _StandardError(logging.Handler):
    """Writes to what standard error is at the moment, so that a line does not run into the bars of progress."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(self.format(record), err=True)


def main() -> None:
    """Run the command line; what the user can mend is one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="datamix: %(message)s", handlers=[_StandardError()])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only is no reason to fail
    _add_plugins()
    try:
        app()
    except DataMixError as error:
        typer.echo(f"datamix: {' '.join(str(error).split())}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            typer.echo("datamix: interrupted; run again, a build goes on from here", err=True)
        raise


def _add_plugins() -> None:
    """Add the commands of other installed distributions; each parses its own arguments, and its docstring is its help."""
    settings: dict[str, Any] = {**TAKES_CONFIGS, "help_option_names": []}
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name):
        run = plugin.load()
        app.command(plugin.name, help=(run.__doc__ or "").partition("\n")[0], context_settings=settings)(_command(run))


def _command(run: Callable[[Sequence[str]], int]) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        raise typer.Exit(run(context.args))

    return command

"""`datamix …`: the one command of the project. It parses, calls, prints, and turns a DataMixError into one line.

Commands of other distributions join by the entry-point group `data_mix.commands`: a function from argv to an exit code.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from data_mix.errors import DataMixError, UsageError

if TYPE_CHECKING:
    from data_mix.mix import Mix

PLUGINS: Final = "data_mix.commands"

_TAKES_CONFIGS: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
"""`--configs a b c` takes any number of values and `--KEY VALUE` any key: our own parser reads what Typer leaves over."""

_USAGE: Final = "--configs SECTION… [--KEY VALUE…] [OPTIONS]"
_CONFIGS_HELP: Final = (
    "SECTION is a part of the configuration: a built-in one, such as datasets, or one of your own in ./configs; later ones win "
    "over earlier ones. KEY is any of their keys, with dots where one stands in another: --data_seed 7, "
    "--datasets.joke.val_split 0.1. `datamix schema` prints all keys."
)

_INTERRUPTED: Final = 130
"""What Typer ends with after Ctrl-C."""

_SHOWN_LANGUAGES: Final = 6

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn a base model into a chat model: data, training, scores.",
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
Out = Annotated[Path, typer.Argument(metavar="OUT", help="A build folder.")]


@app.command()
def sources(as_json: Json = False) -> None:
    """List the sources of data.

    Of each: name, licence, languages, rows upstream, where from.
    """
    from data_mix.source import sources as all_sources
    from data_mix.terminal import print_json, print_table

    columns = ["name", "licence", "languages", "rows", "homepage"]
    found = [(each.name, each.licence, each.languages, each.rows, each.homepage) for each in all_sources().values()]
    if as_json:
        print_json([dict(zip(columns, each, strict=True)) for each in found])
        return
    rows = [
        [name, licence, _in_short(languages), "?" if count is None else count, homepage or "a file of your own"]
        for name, licence, languages, count, homepage in found
    ]
    print_table(columns, rows, numbers=["rows"])


def _in_short(languages: tuple[str, ...]) -> str:
    """The languages, where they are few; else the first of them and how many there are."""
    if len(languages) <= _SHOWN_LANGUAGES:
        return ",".join(languages) or "any"
    return f"{','.join(languages[: _SHOWN_LANGUAGES - 2])}… ({len(languages)})"


@app.command(context_settings=_TAKES_CONFIGS, options_metavar=_USAGE, epilog=_CONFIGS_HELP)
def plan(
    context: typer.Context,
    without: Without = None,
    samples: Samples = False,
    config_dir: ConfigDir = None,
    as_json: Json = False,
) -> None:
    """Say what a build would fetch, and how many bytes.

    Nothing of the data is fetched; of capped Parquet files the footers are read, to know which row groups would be.
    """
    from data_mix.build import BuildOptions, plan_build
    from data_mix.terminal import print_json, print_table

    planned = plan_build(_mix(context, config_dir, without, samples=samples), BuildOptions(home=_home(), samples=samples))
    columns = ["entry", "bytes", "to fetch", "file"]
    rows: list[list[Any]] = [
        [entry.entry.name, file.remote.size, entry.bytes_to_fetch(file), file.remote.url]
        for entry in planned
        for file in entry.files
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        once = {row[-1]: row for row in rows}.values()  # entries may share a file
        sizes = [sum(row[place] or 0 for row in once) for place in (1, 2)]
        print_table(columns, [*rows, ["in all", *sizes, ""]], numbers=columns[1:3])


@app.command(context_settings=_TAKES_CONFIGS, options_metavar=_USAGE, epilog=_CONFIGS_HELP)
def build(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="The build folder [data_path, else $DATAMIX_HOME/builds/NAME]."),
    ] = None,
    without: Without = None,
    samples: Samples = False,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that read and write [as many as cores].")
    ] = None,
    keep_dropped: Annotated[
        bool, typer.Option("--keep-dropped", help="Write dropped rows to OUT/dropped, to be read.")
    ] = False,
    rehash: Annotated[bool, typer.Option("--rehash", help="Take the digest of every raw file anew.")] = False,
    config_dir: ConfigDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Build a mix into Arrow shards.

    A build that was interrupted goes on where it was; one with nothing changed ends in a moment.
    """
    from data_mix.build import BuildOptions, default_folder
    from data_mix.build import build as build_mix
    from data_mix.terminal import print_counts, print_json, print_line, print_remarks, progress

    if quiet:
        logging.getLogger().setLevel(logging.ERROR)
    mix = _mix(context, config_dir, without, samples=samples)
    home = _home()
    options = BuildOptions(home=home, workers=workers or _cores(), samples=samples, keep_dropped=keep_dropped, rehash=rehash)
    with progress(quiet=quiet or as_json) as report:
        built, was_there = build_mix(mix, out or default_folder(mix, home), options, report)
    if as_json:
        print_json(built.manifest | {"out": str(built.path), "was_there": was_there})
    elif not quiet:
        print_counts(built.manifest["sources"])
        print_remarks(built.manifest["sources"])
        print_line(f"{built.path}: {'nothing had changed' if was_there else 'built'}", "bold")


@app.command()
def tokenize(
    out: Out,
    tokenizer: Annotated[
        str,
        typer.Option(metavar="NAME_OR_FOLDER", help="A tokenizer's folder, its tokenizer.json, or a repository of the hub."),
    ],
    workers: Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes that encode [as many as cores].")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a build's token shards, to train from.

    A run that was interrupted goes on where it was.
    """
    from data_mix.terminal import print_json, print_line, print_table, progress
    from data_mix.tokens import load_tokenizer, tokenize_build

    if quiet:
        logging.getLogger().setLevel(logging.ERROR)
    with progress(quiet=quiet or as_json) as report:
        tokens, was_there = tokenize_build(out, load_tokenizer(tokenizer), workers=workers or _cores(), report=report)
    files, columns = tokens.manifest["files"], ["rows", "tokens", "trained"]
    if as_json:
        print_json(tokens.manifest | {"path": str(tokens.path), "was_there": was_there})
    elif not quiet:
        rows = [[split, *(files[split][name] for name in columns)] for split in files]
        print_table(["split", *columns], rows, numbers=columns)
        print_line(f"{tokens.path}: {'nothing had changed' if was_there else 'written'}", "bold")


@app.command()
def inspect(
    out: Out,
    source: Annotated[str | None, typer.Option(metavar="SOURCE", help="Only this source.")] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="train, validation or dropped.")] = "train",
    rows: Annotated[int, typer.Option(min=0, metavar="N", help="Conversations to show of each source.")] = 1,
    as_json: Json = False,
) -> None:
    """Show a build: counts and conversations.

    Conversations are coloured by role; a bar marks what is trained on.
    """
    from data_mix.inspection import chosen_sources, first_rows
    from data_mix.shards import open_build
    from data_mix.terminal import print_conversation, print_counts, print_json, print_remarks

    build = open_build(out)
    conversations = first_rows(build, split=split, source=source, rows=rows)
    if as_json:
        print_json({"manifest": build.manifest, "conversations": conversations})
        return
    shown = chosen_sources(build, source)
    print_counts(shown)
    print_remarks(shown)
    for conversation in conversations:
        print_conversation(conversation)


@app.command()
def verify(out: Out, as_json: Json = False) -> None:
    """Check every file of a build against the manifest's digests."""
    from data_mix.shards import verify as find_problems
    from data_mix.terminal import print_json, print_line

    problems = find_problems(out)
    if as_json:
        print_json({"problems": problems})
    else:
        for problem in problems or [f"{out}: every file is as it was built"]:
            print_line(problem)
    if problems:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON schema of the YAML sections, for editors."""
    from data_mix.config import json_schema
    from data_mix.terminal import print_json

    print_json(json_schema())


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
    """Add the commands of other installed distributions; each parses its own arguments."""
    settings: dict[str, Any] = {**_TAKES_CONFIGS, "help_option_names": []}
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name):

        def command(context: typer.Context, name: str = plugin.name) -> None:
            raise typer.Exit(entry_points(group=PLUGINS)[name].load()(context.args))

        app.command(plugin.name, help=plugin.dist.metadata["Summary"] if plugin.dist else None, context_settings=settings)(
            command
        )


def _mix(context: typer.Context, config_dir: Path | None, without: list[str] | None, *, samples: bool) -> Mix:
    """The mix that the command line asks for."""
    from data_mix.config import load, parse_arguments
    from data_mix.mix import resolve_mix

    arguments = parse_arguments(context.args)
    options = {name.removeprefix("--") for option in context.command.params for name in option.opts}
    config = load(arguments.sections, arguments.overrides, config_dir, options={*options, "configs"})
    return resolve_mix(config, without=without or (), samples=samples)


def _home() -> Path:
    from data_mix.home import datamix_home

    return datamix_home()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The commands that make a build and its token shards."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from data_mix.cli.options import (
    TOKENIZER_HELP,
    ConfigDir,
    Json,
    Out,
    Quiet,
    Samples,
    Without,
    Workers,
    cores,
    mix_of,
    say_errors_only,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data_mix.build import Report
    from data_mix.mix import Mix
    from data_mix.shards import Build
    from data_mix.steps.forecast import Figure, Forecast
    from data_mix.tokens import Tokenizer, Tokens

    Written = tuple[Tokens, bool]  # token shards, and whether they stood there already


def plan(
    context: typer.Context,
    without: Without = None,
    samples: Samples = False,
    config_dir: ConfigDir = None,
    as_json: Json = False,
) -> None:
    """Say what a build would fetch, and what it would come to.

    Nothing of the data is fetched; of Parquet files the footers are read. Rows are exact where an earlier build has read them;
    what is estimated has a ~ before it.
    """
    from data_mix.build import BuildOptions, plan_build
    from data_mix.home import datamix_home
    from data_mix.steps.forecast import forecast
    from data_mix.terminal import print_json, print_table

    mix, home = mix_of(context, config_dir, without, samples=samples), datamix_home()
    planned = plan_build(mix, BuildOptions(home=home, samples=samples))
    columns = ["entry", "bytes", "to fetch", "file"]
    rows: list[list[Any]] = [
        [entry.entry.name, file.remote.size, entry.bytes_to_fetch(file), file.remote.url]
        for entry in planned
        for file in entry.files
    ]
    found = forecast(mix, planned, home)
    if as_json:
        files = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"files": files, "entries": [asdict(each) for each in found]})
        return
    _print_forecast(found)
    once = {row[-1]: row for row in rows}.values()  # entries may share a file
    sizes = [sum(row[place] or 0 for row in once) for place in (1, 2)]
    print_table(columns, [*rows, ["in all", *sizes, ""]], numbers=columns[1:3])


_FIGURES: Final = ("read", "train", "validation", "tokens", "bytes", "seconds")


def _print_forecast(found: Sequence[Forecast]) -> None:
    """What each entry would come to: rows, tokens of train, bytes of the build, minutes of one process to read and write."""
    from data_mix.terminal import print_line, print_table

    columns = ["entry", "read", "train", "validation", "tokens", "bytes", "minutes"]
    rows = [[each.entry, *(_shown(name, [getattr(each, name)]) for name in _FIGURES)] for each in found]
    rows.append(["in all", *(_shown(name, [getattr(each, name) for each in found]) for name in _FIGURES)])
    print_table(columns, rows, numbers=columns[1:])
    print_line("")


def _shown(name: str, figures: Sequence[Figure]) -> str:
    """The sum of the figures, marked where one of them is an estimate."""
    value, mark = sum(each.value for each in figures), "" if all(each.is_exact for each in figures) else "~"
    return f"{mark}{value / 60:,.1f}" if name == "seconds" else f"{mark}{value:,}"


def build(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="The build folder [data_path, else $DATAMIX_HOME/builds/NAME]."),
    ] = None,
    without: Without = None,
    samples: Samples = False,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_FOLDER", help=f"Write token shards too: {TOKENIZER_HELP}"),
    ] = None,
    workers: Workers = None,
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
    from data_mix.home import datamix_home
    from data_mix.terminal import print_json, progress

    if quiet:
        say_errors_only()
    mix, home, processes = mix_of(context, config_dir, without, samples=samples), datamix_home(), workers or cores()
    fitting = _fitting_tokenizer(tokenizer, mix) if tokenizer else None
    options = BuildOptions(home=home, workers=processes, samples=samples, keep_dropped=keep_dropped, rehash=rehash)
    with progress(quiet=quiet or as_json) as report:
        built, was_there = build_mix(mix, out or default_folder(mix, home), options, report)
        written = _write_tokens(built.path, fitting, processes, report) if fitting else None
    if as_json:
        print_json(_build_as_json(built, was_there, written))
    elif not quiet:
        _print_build(built, was_there, written)


def tokenize(
    out: Out,
    tokenizer: Annotated[str, typer.Option(metavar="NAME_OR_FOLDER", help=TOKENIZER_HELP.capitalize())],
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a build's token shards, to train from.

    A run that was interrupted goes on where it was.
    """
    from data_mix.terminal import print_json, progress
    from data_mix.tokens import load_tokenizer

    if quiet:
        say_errors_only()
    with progress(quiet=quiet or as_json) as report:
        written = _write_tokens(out, load_tokenizer(tokenizer), workers or cores(), report)
    if as_json:
        print_json(_tokens_as_json(*written))
    elif not quiet:
        _print_tokens(*written)


def _fitting_tokenizer(name: str, mix: Mix) -> Tokenizer:
    """The tokenizer, refused before anything is built where it does not fit the mix's template."""
    from data_mix.template import chat_template
    from data_mix.tokens import load_tokenizer, prepare

    template, tokenizer = chat_template(mix.settings.template.name, mix.settings.template.eos), load_tokenizer(name)
    prepare(tokenizer, template.name, template.eos)
    return tokenizer


def _write_tokens(out: Path, tokenizer: Tokenizer, workers: int, report: Report) -> Written:
    from data_mix.tokens import tokenize_build  # apart, since a build without token shards needs nothing of this package

    return tokenize_build(out, tokenizer, workers=workers, report=report)


def _build_as_json(built: Build, was_there: bool, written: Written | None) -> dict[str, Any]:
    tokens = {"tokens": _tokens_as_json(*written)} if written else {}
    return built.manifest | {"out": str(built.path), "was_there": was_there} | tokens


def _tokens_as_json(tokens: Tokens, was_there: bool) -> dict[str, Any]:
    return tokens.manifest | {"path": str(tokens.path), "was_there": was_there}


def _print_build(built: Build, was_there: bool, written: Written | None) -> None:
    from data_mix.terminal import print_counts, print_line, print_remarks

    print_counts(built.manifest["sources"])
    print_remarks(built.manifest)
    print_line(f"{built.path}: {'nothing had changed' if was_there else 'built'}", "bold")
    if written:
        _print_tokens(*written)


def _print_tokens(tokens: Tokens, was_there: bool) -> None:
    from data_mix.terminal import print_line, print_table

    files, columns = tokens.manifest["files"], ["rows", "tokens", "trained"]
    print_table(["split", *columns], [[split, *(files[split][name] for name in columns)] for split in files], numbers=columns)
    print_line(f"{tokens.path}: {'nothing had changed' if was_there else 'written'}", "bold")

"""The commands that show what there is: sources, builds, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from data_mix.cli.options import Json, Out

_SHOWN_LANGUAGES: Final = 6


def sources(
    as_json: Json = False,
    cards: Annotated[
        Path | None, typer.Option("--cards", metavar="FOLDER", help="Bring the tables in the cards of this folder up to date.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="With --cards: only say which card is not, and end with 1.")] = False,
) -> None:
    """List the sources of data, or keep their cards.

    Of each: name, licence, languages, rows upstream, where from.
    """
    from data_mix.source import sources as all_sources
    from data_mix.terminal import print_json, print_table

    if cards is not None or check:
        _keep_cards(cards, only_check=check)
        return
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


def _keep_cards(folder: Path | None, *, only_check: bool) -> None:
    """Write what the sources say into their cards, or say which card says something else."""
    from data_mix.cards.source_cards import stale_cards, write_cards
    from data_mix.errors import UsageError
    from data_mix.terminal import print_line

    if folder is None:
        raise UsageError("found --check alone, wanted the folder of the cards as well: --cards data_cards")
    said = stale_cards(folder) if only_check else [f"{path}: written" for path in write_cards(folder)]
    for line in said or [f"{folder}: every card says what its source says"]:
        print_line(line)
    if only_check and said:
        raise typer.Exit(1)


def _in_short(languages: tuple[str, ...]) -> str:
    """The languages, where they are few; else the first of them and how many there are."""
    if len(languages) <= _SHOWN_LANGUAGES:
        return ",".join(languages) or "any"
    return f"{','.join(languages[: _SHOWN_LANGUAGES - 2])}… ({len(languages)})"


def inspect(
    out: Out,
    source: Annotated[str | None, typer.Option(metavar="SOURCE", help="Only this source.")] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="train, validation or dropped.")] = "train",
    rows: Annotated[int, typer.Option(min=0, metavar="N", help="Conversations to show of each source.")] = 1,
    dropped: Annotated[bool, typer.Option("--dropped", help="Short for --split dropped.")] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="Only what was dropped for this reason; implies --dropped.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a build: counts and conversations.

    Conversations are coloured by role; a bar marks what is trained on. What was dropped can be read where the build was made
    with --keep-dropped.
    """
    from data_mix.inspection import chosen_sources, first_rows
    from data_mix.shards import DROPPED, open_build
    from data_mix.terminal import print_conversation, print_counts, print_json, print_remarks

    build = open_build(out)
    if dropped or reason is not None:
        split = DROPPED
    conversations = first_rows(build, split=split, source=source, rows=rows, reason=reason)
    if as_json:
        print_json({"manifest": build.manifest, "conversations": conversations})
        return
    shown = chosen_sources(build, source)
    print_counts(shown)
    print_remarks({**build.manifest, "sources": shown})
    for conversation in conversations:
        print_conversation(conversation)


def verify(out: Out, as_json: Json = False) -> None:
    """Check every file of a build against its digest.

    Token shards beside it are checked against the digests in their own manifests.
    """
    from data_mix.shards import verify as verify_build
    from data_mix.terminal import print_json, print_line
    from data_mix.tokens import verify_tokens

    problems = [*verify_build(out), *verify_tokens(out)]
    if as_json:
        print_json({"problems": problems})
    else:
        for problem in problems or [f"{out}: every file is as it was built"]:
            print_line(problem)
    if problems:
        raise typer.Exit(1)


def schema() -> None:
    """Print the JSON schema of the YAML sections, for editors."""
    from data_mix.config import json_schema
    from data_mix.terminal import print_json

    print_json(json_schema())

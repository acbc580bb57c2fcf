"""The command that compares two builds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from data_mix.cli.options import Json

if TYPE_CHECKING:
    from data_mix.comparison import Comparison, Rows, SourceDifference

_KINDS: Final = {
    "only_a": "only in A",
    "only_b": "only in B",
    "text": "other text",
    "split": "other split",
    "lang": "other language",
    "trained": "other turns trained",
}


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A build folder.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another build folder.")],
    source: Annotated[str | None, typer.Option(metavar="SOURCE", help="Only this source.")] = None,
    rows: Annotated[int, typer.Option(min=0, metavar="N", help="Ids to list of each kind of difference.")] = 0,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 1 where the builds differ.")] = False,
    as_json: Json = False,
) -> None:
    """Say how two builds differ: settings, raw files, rows.

    Why a row is not in a build is known where that build was made with --keep-dropped.
    """
    from data_mix.comparison import compare
    from data_mix.shards import open_build
    from data_mix.terminal import print_json

    found = compare(open_build(a), open_build(b), source)
    if as_json:
        print_json(_as_json(found, rows))
    else:
        _print(found, a, b, rows)
    if exit_code and not found.is_alike:
        raise typer.Exit(1)


def _as_json(found: Comparison, rows: int) -> dict[str, Any]:
    return {
        "alike": found.is_alike,
        "options": [{"key": key, "a": one, "b": other} for key, one, other in found.options],
        "files": [{"source": name, "file": url, "a": one, "b": other} for name, url, one, other in found.files],
        "sources": {each.name: _source_as_json(each, rows) for each in found.sources},
    }


def _source_as_json(source: SourceDifference, rows: int) -> dict[str, Any]:
    kinds = {
        kind: {"rows": len(each.ids), "why": each.reasons, "ids": dict(_listed(each, rows))}
        for kind, each in source.kinds.items()
    }
    return {"rows": {"a": source.rows[0], "b": source.rows[1]}, **kinds}


def _listed(kind: Rows, rows: int) -> list[tuple[str, str]]:
    return list(zip(kind.ids[:rows], kind.why[:rows], strict=True))


def _print(found: Comparison, a: Path, b: Path, rows: int) -> None:
    from data_mix.comparison import LEARN
    from data_mix.terminal import print_line, print_table

    if found.is_alike:
        print_line(f"{a} and {b}: nothing differs", "bold")
        return
    if found.options:
        print_table(["setting", "A", "B"], [[key, _said(one), _said(other)] for key, one, other in found.options])
    if found.files:
        print_table(
            ["source", "file", "A", "B"], [[name, url, _file(one), _file(other)] for name, url, one, other in found.files]
        )
    columns = ["source", "A", "B", *_KINDS.values()]
    counts: list[list[Any]] = [
        [each.name, *each.rows, *(len(kind.ids) for kind in each.kinds.values())] for each in found.sources
    ]
    total = ["in all", *(sum(int(row[place]) for row in counts) for place in range(1, len(columns)))]
    print_table(columns, [*counts, total] if len(counts) > 1 else counts, numbers=columns[1:])
    for each in found.sources:
        _print_source(each, rows)
    for lacks, build in zip(found.lacks_dropped, (a, b), strict=True):
        if lacks:
            print_line(f"{build}: {LEARN}", "dim")


def _print_source(source: SourceDifference, rows: int) -> None:
    from data_mix.terminal import print_line, visible

    for kind, each in source.kinds.items():
        if each.ids:
            why = ", ".join(f"{reason} {count:,}" for reason, count in each.reasons.items())
            print_line(visible(f"{source.name}, {_KINDS[kind]}: {why}"))
        for name, reason in _listed(each, rows):
            print_line(visible(f"  {name}  {reason}"))


def _said(value: Any) -> str:
    """A setting's value as one cell; what a mix does not say is a dash."""
    import json

    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _file(facts: dict[str, Any] | None) -> str:
    """What tells a raw file from another of its name: revision and digest, in short."""
    if facts is None:
        return "-"
    ranges = f"{len(facts['ranges'])} row groups" if "ranges" in facts else None
    known = (facts.get("revision"), facts.get("sha256") or facts.get("etag"))
    return " ".join([*(str(each)[:12] for each in known if each), *([ranges] if ranges else [])])

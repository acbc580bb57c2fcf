"""Reading conversations of a build, to be looked at."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data_mix.errors import ConfigError
from data_mix.shards import DROPPED, Build


def chosen_sources(build: Build, source: str | None) -> dict[str, Any]:
    """What the manifest says of the source, or of all where none is named; ConfigError where the build has no such source."""
    known: dict[str, Any] = build.manifest["sources"]
    if source is not None and source not in known:
        raise ConfigError(f"source {source!r} is not in this build; it has {', '.join(known)}")
    return known if source is None else {source: known[source]}


def first_rows(build: Build, *, split: str, source: str | None, rows: int, reason: str | None = None) -> list[dict[str, Any]]:
    """The first `rows` conversations of each source (or of one) in a split, in the order of the mix.

    With `reason`, only those that were dropped for it. Raises ConfigError where the build has no such source, split or reason.
    """
    names = chosen_sources(build, source)
    if reason is not None:
        _check_reason(names, reason)
    splits = dict.fromkeys(part.split for part in build.parts)
    if split not in splits:
        hint = "; build with --keep-dropped, to have it" if split == DROPPED else ""
        raise ConfigError(f"split {split!r} is not in this build; it has {', '.join(splits) or 'none'}{hint}")
    return [row for name in names for row in _of_source(build, split, name, rows, reason)]


def _check_reason(sources: dict[str, Any], reason: str) -> None:
    known = {name: None for source in sources.values() for name in source["rows"]["dropped"]}
    if reason not in known:
        raise ConfigError(f"no row was dropped as {reason!r}, wanted one of {', '.join(known) or 'none: every row was kept'}")


def _of_source(build: Build, split: str, source: str, rows: int, reason: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _, table in build.tables(split, source):
        found += _because(table, reason).slice(0, rows - len(found)).to_pylist()
    return found


def _because(table: pa.Table, reason: str | None) -> pa.Table:
    """The rows that were dropped for the reason; all where none is given."""
    return table if reason is None else table.filter(pc.equal(table["drop"], reason))

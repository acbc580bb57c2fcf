"""Reading conversations of a build, to be looked at."""

from __future__ import annotations

from typing import Any

from data_mix.errors import ConfigError
from data_mix.shards import DROPPED, Build


def chosen_sources(build: Build, source: str | None) -> dict[str, Any]:
    """What the manifest says of the source, or of all where none is named; ConfigError where the build has no such source."""
    known: dict[str, Any] = build.manifest["sources"]
    if source is not None and source not in known:
        raise ConfigError(f"source {source!r} is not in this build; it has {', '.join(known)}")
    return known if source is None else {source: known[source]}


def first_rows(build: Build, *, split: str, source: str | None, rows: int) -> list[dict[str, Any]]:
    """The first `rows` conversations of each source (or of one) in a split, in the order of the mix.

    Raises ConfigError where the build has no such source or split.
    """
    names = chosen_sources(build, source)
    splits = dict.fromkeys(part.split for part in build.parts)
    if split not in splits:
        hint = "; build with --keep-dropped, to have it" if split == DROPPED else ""
        raise ConfigError(f"split {split!r} is not in this build; it has {', '.join(splits) or 'none'}{hint}")
    return [row for name in names for row in _of_source(build, split, name, rows)]


def _of_source(build: Build, split: str, source: str, rows: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _, table in build.tables(split, source):
        found += table.slice(0, rows - len(found)).to_pylist()
    return found

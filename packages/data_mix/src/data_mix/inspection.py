"""Reading conversations of a build, to be looked at."""

from __future__ import annotations

from typing import Any

from data_mix.errors import ConfigError
from data_mix.shards import Build


def first_rows(build: Build, *, split: str, source: str | None, rows: int) -> list[dict[str, Any]]:
    """The first `rows` conversations of each source (or of one) in a split, in the order of the mix."""
    names = [source] if source else list(build.manifest["sources"])
    unknown = set(names) - set(build.manifest["sources"])
    if unknown:
        raise ConfigError(f"source {unknown.pop()!r} is not in this build; it has {', '.join(build.manifest['sources'])}")
    if split not in {part.split for part in build.parts}:
        found = ", ".join(sorted({part.split for part in build.parts})) or "none"
        raise ConfigError(
            f"split {split!r} is not in this build; it has {found}"
            + (" (dropped: build with --keep-dropped)" if split == "dropped" else "")
        )
    return [row for name in names for row in _of_source(build, split, name, rows)]


def _of_source(build: Build, split: str, source: str, rows: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _, table in build.tables(split, source):
        found += table.slice(0, rows - len(found)).to_pylist()
    return found

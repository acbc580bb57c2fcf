"""A folder that has cards, as their checks see it: its data files, and what its manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

from data_mix.cards.card_file import arrow_files
from data_mix.files import file_sha256
from data_mix.shards import AUDIT, DROPPED, MANIFEST, read_manifest

_SUFFIXES: Final = {".arrow", ".parquet"}
_NO_SPLITS: Final = (DROPPED, "tokens", AUDIT)
"""Folders of a build that hold no rows of a split."""


@dataclass(frozen=True)
class CardFolder:
    """A folder with cards."""

    path: Path

    @cached_property
    def manifest(self) -> Mapping[str, Any] | None:
        """That of the build; None where there is none. Raises FormatError where it cannot be read."""
        return read_manifest(self.path) if (self.path / MANIFEST).exists() else None

    @cached_property
    def data_files(self) -> dict[str, int]:
        """Sizes by path of the files that hold rows of a split."""
        found = (path for path in sorted(self.path.rglob("*")) if path.suffix in _SUFFIXES and path.is_file())
        sizes = {path.relative_to(self.path).as_posix(): path.stat().st_size for path in found}
        return {path: size for path, size in sizes.items() if PurePosixPath(path).parts[0] not in _NO_SPLITS}

    def matching(self, pattern: object) -> list[str]:
        """The data files that a glob names; none where it is no text."""
        is_glob = isinstance(pattern, str) and pattern
        return [path for path in self.data_files if PurePosixPath(path).match(str(pattern))] if is_glob else []

    def digest(self, path: str) -> str:
        """SHA-256 of a data file: what the manifest says of it, else that of its bytes."""
        known = {part.path: part.sha256 for part in arrow_files(self.manifest or {"parts": ()})}
        return known[path] if path in known else file_sha256(self.path / path)

    def rows(self) -> dict[str, int]:
        """Rows of each split by the manifest; empty where there is none."""
        counts: dict[str, int] = {}
        for part in arrow_files(self.manifest or {"parts": ()}):
            counts[part.split] = counts.get(part.split, 0) + part.rows
        return counts

    def columns(self, path: str) -> set[str]:
        """The columns of a Parquet file."""
        from pyarrow import parquet  # noqa: PLC0415  slow to import, and for this alone

        return set(parquet.read_schema(self.path / path).names)

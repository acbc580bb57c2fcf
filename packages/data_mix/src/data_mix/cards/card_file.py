"""A data file as a card lists it: an Arrow part of a build, or one of the Parquet files that are published of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, Literal, NamedTuple

from data_mix.schema import SPLITS

Layout = Literal["arrow", "parquet"]
"""What the data files of a folder are."""

MEDIA_TYPES: Final[dict[Layout, str]] = {
    "arrow": "application/vnd.apache.arrow.file",
    "parquet": "application/x-parquet",  # as Croissant spells it
}


class CardFile(NamedTuple):
    """A data file."""

    path: str
    """Relative to the folder of the card, with forward slashes."""
    sha256: str
    bytes: int
    rows: int
    split: str


def arrow_files(manifest: Mapping[str, Any]) -> list[CardFile]:
    """The parts of a build that hold a split; dropped rows are none."""
    return [
        CardFile(part["path"], part["sha256"], part["bytes"], part["rows"], part["split"])
        for part in manifest["parts"]
        if part["split"] in SPLITS
    ]


def by_split(files: Sequence[CardFile]) -> dict[str, list[CardFile]]:
    """The files of each split, train before validation; a split without files is left out."""
    found = {split: [file for file in files if file.split == split] for split in SPLITS}
    return {split: own for split, own in found.items() if own}


def patterns(split: str, files: Sequence[CardFile]) -> list[str]:
    """Globs that name the files of a split and no others; the paths themselves where no glob does."""
    own = [file.path for file in files if file.split == split]
    first = PurePosixPath(own[0])
    for pattern in (first.with_name(f"*{first.suffix}"), first.with_name(f"{split}-*{first.suffix}")):
        if [file.path for file in files if PurePosixPath(file.path).match(str(pattern))] == own:
            return [str(pattern)]
    return own

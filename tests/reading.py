"""Reading a source as a build reads it: its options checked, its rows in the columns of a frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from data_mix.schema import as_frame
from data_mix.source import Entry, LocalFile, RawFile, Source

ROOT: Final = Path(__file__).parent.parent
SAMPLES: Final = ROOT / "packages/data_mix/src/data_mix/samples"
GOLDEN: Final = ROOT / "tests/data_mix/golden"

COLUMNS: Final = ("key", "lang", "messages", "drop")


def make_entry(source: Source, **options: Any) -> Entry:
    """An entry of a source, its options checked as a build checks them."""
    entry = Entry(name=source.name, source=source, params={}, options=source.options.model_validate(options), seed=7)
    if source.check:
        source.check(entry)
    return entry


def local(path: Path) -> LocalFile:
    """A raw file that is on this machine."""
    return LocalFile(name=path.name, path=path, sha256="")


def read(source: Source, *paths: Path, **options: Any) -> pl.DataFrame:
    """Files read as one entry, all of its frames as one."""
    return read_files(make_entry(source, **options), [local(path) for path in paths])


def read_files(entry: Entry, files: Sequence[LocalFile]) -> pl.DataFrame:
    """Files read as an entry reads them: all together, or each alone."""
    units = [tuple(files)] if entry.source.together else [(file,) for file in files]
    return pl.concat(as_frame(frame) for unit in units for frame in entry.source.read(entry, unit))


def read_sample(source: Source, *paths: str, **options: Any) -> list[dict[str, Any]]:
    """The rows of a shipped sample, given by its files below the source's folder."""
    return read(source, *(SAMPLES / source.name / path for path in paths), **options).select(COLUMNS).to_dicts()


def golden(name: str) -> list[dict[str, Any]]:
    """The rows that a source must give for its sample, written down and read through by eye."""
    return [json.loads(line) for line in (GOLDEN / name).read_text(encoding="utf8").splitlines()]


def texts(rows: pl.DataFrame, place: int) -> list[str]:
    """What is said in one message of each row, counted from 0, or from the end where it is negative."""
    return rows["messages"].list.get(place).struct.field("content").to_list()


def write_lines(folder: Path, *records: object, name: str = "own.jsonl") -> Path:
    """A file of JSON Lines, each a value or bytes as they are."""
    lines = (record if isinstance(record, bytes) else json.dumps(record).encode() for record in records)
    (folder / name).write_bytes(b"".join(line + b"\n" for line in lines))
    return folder / name


class NoHub:
    """A hub for sources that name their files without asking: it has nothing, and says so."""

    def list_files(self, repo: str, revision: str | None) -> list[str]:
        """Refuse."""
        raise LookupError(f"asked for the files of {repo} at {revision}")

    def read_text(self, repo: str, revision: str | None, path: str) -> str | None:
        """Refuse."""
        raise LookupError(f"asked for {path} of {repo} at {revision}")


def named_files(source: Source, **options: Any) -> list[RawFile]:
    """The files that a source names without asking the hub."""
    return source.files(make_entry(source, **options), NoHub())

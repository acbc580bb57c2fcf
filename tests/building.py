"""Small mixes of a source of the tests' own, built as `datamix build` builds them.

A record of a raw file is `{"q": question, "a": answer}`, and may have `key`, `group`, `lang` and `turn_ids`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from data_mix.build import BuildOptions, build
from data_mix.mix import Mix
from data_mix.mix_settings import MixSettings
from data_mix.records import read_records, record_key
from data_mix.schema import pair, unless_dropped
from data_mix.shards import Build
from data_mix.source import Entry, LocalFile, RawFile, Source, SourceOptions

Record = Mapping[str, Any]

_TEXTS: Final = ("q", "a", "key", "group", "lang")
_COLUMNS: Final = {**dict.fromkeys(_TEXTS, pl.String()), "turn_ids": pl.List(pl.String())}


def write(path: Path, records: Sequence[Record]) -> RawFile:
    """A raw file with these records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return RawFile(path=str(path))


def pairs(count: int, word: str = "") -> list[Record]:
    """So many records, no two alike."""
    return [{"q": f"What is {word} {number}?", "a": f"{word} {number}."} for number in range(count)]


def read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    """Conversations of one question and one answer, in frames of at most 50 rows."""
    for file in files:
        for records in read_records(file, entry, _COLUMNS):
            key = pl.coalesce("key", record_key(file))
            yield from records.select(unless_dropped(pair("q", "a")), "drop", "group", "lang", "turn_ids", key=key).iter_slices(
                50
            )


def entry(name: str, *files: RawFile, seed: int = 0, **options: Any) -> Entry:
    """An entry of a mix that reads these files."""
    source = Source(
        name="own",
        licence="MIT",
        homepage="https://example.org",
        languages=("en",),
        rows=None,
        files=lambda _entry, _hub: list(files),
        read=read,
    )
    return Entry(name=name, source=source, params={}, options=SourceOptions.model_validate(options), seed=seed)


def mix_of(*entries: Entry, **settings: Any) -> Mix:
    """A mix of these entries."""
    return Mix(name="own-mix", entries=entries, settings=MixSettings.model_validate(settings))


def build_mix(folder: Path, mix: Mix, *, out: str = "out", **options: Any) -> Build:
    """The mix built into a folder below this one, with a cache beside it."""
    return build(mix, folder / out, BuildOptions(home=folder / "home", **options))[0]


def rows_of(built: Build, split: str, source: str | None = None) -> list[dict[str, Any]]:
    """The conversations of a split."""
    return [row for _, table in built.tables(split, source) for row in table.to_pylist()]


def splits_of(built: Build, source: str | None = None) -> dict[str, str]:
    """The split of every kept row, by its id."""
    return {row["id"]: split for split in ("train", "validation") for row in rows_of(built, split, source)}

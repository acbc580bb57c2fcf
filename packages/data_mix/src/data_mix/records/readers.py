"""Raw files → frames of records: JSON Lines, CSV and Parquet, with every record counted.

A frame has the columns asked for, of exactly the types asked for, and two more:

    record   UInt64   its number in the file, from 0: its line in JSON Lines and CSV (blank ones count), its row in Parquet
    drop     String   "bad_record" where a broken record is dropped (all its columns are null), else null

A record is broken where it is not UTF-8, not JSON, no object, too long (`max_record_bytes`), or holds a value of another type
than asked for, or a key asked for twice; a key that it lacks is null. Under `on_bad_record: error` it raises BadRecordError
with its place. A file that is broken as a whole, or a table that lacks a column, raises RawFileError whatever the option says.
Memory grows with the longest record (and the row group of Parquet), not with the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from data_mix.records.compressed import CHUNK_BYTES, line_chunks
from data_mix.records.csv_rows import csv_frames
from data_mix.records.json_chunk import JsonReader, numbered
from data_mix.records.json_record import BrokenRecordError, checked, parse, unique
from data_mix.records.parquet_rows import ParquetReader
from data_mix.records.record_frame import Wanted
from data_mix.source import Entry, LocalFile

Schema = Mapping[str, pl.DataType]
"""The columns asked for: String, Boolean, Int64, Float64, and List and Struct of these."""


@dataclass(frozen=True)
class BadRecord:
    """Stands for a broken record that is to be a counted drop."""

    what: str
    """What was found and what was wanted."""


def read_records(file: LocalFile, entry: Entry, schema: Schema) -> Iterator[pl.DataFrame]:
    """The records of a file of any kind: Parquet by its first bytes, CSV and TSV by its name, else JSON Lines."""
    if is_parquet(file):
        return parquet_records(file, entry, schema)
    unpacked = file.name.removesuffix(".gz").removesuffix(".zst")
    if unpacked.endswith((".csv", ".tsv")):
        return csv_records(file, entry, schema)
    return json_records(file, entry, schema)


def is_parquet(file: LocalFile) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    if file.row_group is not None:
        return True
    with file.path.open("rb") as opened:
        return opened.read(4) == b"PAR1"


def json_records(file: LocalFile, entry: Entry, schema: Schema) -> Iterator[pl.DataFrame]:
    """The objects of a JSON Lines file, plain, gzip or zstd, in frames of some megabytes."""
    reader = JsonReader(Wanted(file, entry, schema))
    frames: list[pl.DataFrame] = []
    size = 0
    for lines in line_chunks(file, entry.max_record_bytes):
        frames += (frame for frame in reader.frames(lines) if frame.height)
        size += len(lines.data)
        if frames and size >= CHUNK_BYTES:
            yield pl.concat(frames, rechunk=True)
            frames, size = [], 0
    if frames:
        yield pl.concat(frames, rechunk=True)


def json_values(file: LocalFile, entry: Entry) -> Iterator[tuple[int, object]]:
    """The values of a JSON Lines file one by one, with their line from 0: for trees and other ragged JSON.

    Any JSON value is one, nested up to `json_record.MAX_DEPTH` levels; a key that comes twice in an object breaks the record.
    A broken record is a `BadRecord` under `on_bad_record: drop`.
    """
    wanted = Wanted(file, entry, {})
    for lines in line_chunks(file, entry.max_record_bytes):
        for number, line in numbered(lines):
            yield number, _value(wanted, number, line)


def _value(wanted: Wanted, number: int, line: bytes) -> object:
    try:
        return parse(checked(line, wanted.longest), unique)
    except BrokenRecordError as error:
        wanted.refuse(number, error)
        return BadRecord(str(error))


def csv_records(file: LocalFile, entry: Entry, columns: Schema) -> Iterator[pl.DataFrame]:
    """The rows of a CSV file (or TSV, by its name) whose first row names the columns.

    An empty field is an empty string, and null in a column of another type.
    """
    delimiter = "\t" if ".tsv" in file.name else ","
    yield from csv_frames(Wanted(file, entry, columns), delimiter)


def parquet_records(file: LocalFile, entry: Entry, columns: Schema) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file, or of its one row group that was fetched, of only the columns asked for.

    A struct may hold more fields than asked for. A row is too long where its columns take more than `max_record_bytes`.
    """
    yield from ParquetReader(Wanted(file, entry, columns)).frames()


def record_key(file: LocalFile) -> pl.Expr:
    """The key of a row whose publisher gave it none: `<file stem>:<record number>`."""
    return pl.concat_str(pl.lit(f"{file.stem}:"), pl.col("record").cast(pl.String)).alias("key")

"""The rows of CSV (RFC 4180) and TSV: quoted line ends belong to their field, and every row knows the line on which it begins.

A line end is part of a row where the number of quotes before it is odd. Each row is then read by itself with the standard
library's parser, so that a broken one spoils no other.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from data_mix.errors import RawFileError
from data_mix.records.compressed import CHUNK_BYTES, line_chunks
from data_mix.records.json_record import BrokenRecordError, Pairs, checked, decoded, fit, parse, shown, wanted_value
from data_mix.records.record_frame import Wanted
from data_mix.source import LocalFile


class RawRow(NamedTuple):
    """A row as it stands in the file, without its line end."""

    line: int
    """Number of its first line in the file, from 0."""
    data: bytes


def raw_rows(file: LocalFile, longest: int) -> Iterator[RawRow]:
    """The rows of a file that are not blank, the header among them; one of more than `longest` bytes ends at some line end.

    Raises RawFileError where the file ends inside quotes.
    """
    parts: list[bytes] = []
    first = quotes = size = 0
    for number, line in _lines(file, longest):
        first = first if parts else number
        parts.append(line)
        quotes += line.count(b'"')
        size += len(line) + 1
        if quotes % 2 and size <= longest:
            continue
        if line.strip(b"\r") or len(parts) > 1:
            yield RawRow(first, b"\n".join(parts))
        parts, quotes, size = [], 0, 0
    if parts:
        raise RawFileError(
            f"{file.name}:{first + 1}: a quote that opens here is never closed; close it, or fetch the file again"
        )


def _lines(file: LocalFile, longest: int) -> Iterator[tuple[int, bytes]]:
    for lines in line_chunks(file, longest):
        yield from enumerate(lines.data.removesuffix(b"\n").split(b"\n"), lines.first)


def csv_frames(wanted: Wanted, delimiter: str) -> Iterator[pl.DataFrame]:
    """The rows below the header as frames of records; raises RawFileError where the header lacks a column."""
    csv.field_size_limit(max(csv.field_size_limit(), wanted.longest))  # of the whole process, and only ever raised
    rows = raw_rows(wanted.file, wanted.longest)
    header = next(rows, None)
    if header is None:
        return
    table = CsvTable(_names(header, wanted, delimiter), delimiter, wanted)
    for chunk in _chunks(rows):
        yield wanted.frame(chunk, table.read)


def _chunks(rows: Iterator[RawRow]) -> Iterator[list[RawRow]]:
    """Rows in lists of about `CHUNK_BYTES`."""
    chunk, size = list[RawRow](), 0
    for row in rows:
        chunk.append(row)
        size += len(row.data)
        if size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _names(header: RawRow, wanted: Wanted, delimiter: str) -> list[str]:
    """The names in the header, each column wanted once among them."""
    try:
        names = split_row(checked(header.data, wanted.longest), delimiter)
    except BrokenRecordError as error:
        raise RawFileError(f"{wanted.file.name}:{header.line + 1}: the header is broken: {error}; check the file") from None
    for name in wanted.schema:
        if names.count(name) != 1:
            raise RawFileError(
                f"{wanted.file.name}: has the columns {', '.join(map(shown, names))}, wanted {name!r} once among them; "
                "check that this is the right file"
            )
    return names


@dataclass(frozen=True)
class CsvTable:
    """What the header says of the rows below it."""

    names: list[str]
    delimiter: str
    wanted: Wanted

    def read(self, row: bytes) -> dict[str, Any]:
        """What a row holds in the columns wanted; raises BrokenRecordError where it is broken."""
        fields = split_row(checked(row, self.wanted.longest), self.delimiter)
        if len(fields) != len(self.names):
            raise BrokenRecordError(f"holds {len(fields)} fields, wanted {len(self.names)} as in the header")
        found = dict(zip(self.names, fields, strict=True))
        return {name: _value(found[name], dtype, name) for name, dtype in self.wanted.schema.items()}


def split_row(row: bytes, delimiter: str) -> list[str]:
    """The fields of one row; raises BrokenRecordError where its quotes do not fit or it is not UTF-8."""
    try:
        return next(csv.reader([decoded(row)], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise BrokenRecordError(f"not CSV ({error}), wanted RFC 4180") from None


def _value(text: str, dtype: pl.DataType, column: str) -> Any:
    """A field as polars takes it: a string as it stands, else as JSON writes it, or null where it is empty."""
    if isinstance(dtype, pl.String):
        return text
    try:
        return fit(parse(text.lower().encode(), Pairs), dtype, column) if text else None  # Python writes True and False
    except BrokenRecordError:
        raise BrokenRecordError(f"column {shown(column)} holds {shown(text)}, wanted {wanted_value(dtype)}") from None

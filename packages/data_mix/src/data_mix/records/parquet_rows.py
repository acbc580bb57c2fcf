"""The rows of a Parquet file → frames of records, a few thousand at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from data_mix.errors import RawFileError
from data_mix.fetch.ranges import open_parquet
from data_mix.records.compressed import CHUNK_BYTES
from data_mix.records.json_record import BrokenRecordError, instance, shown
from data_mix.records.record_frame import BAD_RECORD, Wanted

_FEWEST: Final = 64
_MOST: Final = 16_384


@dataclass(frozen=True)
class ParquetReader:
    """Turns a Parquet file, or one row group of it, into frames of the columns wanted, `record` and `drop`."""

    wanted: Wanted

    def frames(self) -> Iterator[pl.DataFrame]:
        """The frames in the order of the file."""
        group = self.wanted.file.row_group
        with self._open() as opened:
            self._check(opened.schema_arrow)
            rows = [opened.metadata.row_group(index).num_rows for index in range(opened.metadata.num_row_groups)]
            record, end = (0, opened.metadata.num_rows) if group is None else (sum(rows[:group]), sum(rows[: group + 1]))
            for batch in self._batches(opened, None if group is None else [group]):
                yield self._frame(_without_dictionaries(batch), record)
                record += batch.num_rows
        if record != end or sum(rows) != opened.metadata.num_rows:
            raise self._broken(f"holds rows up to {record:,}, wanted {end:,} as its footer says")

    def _open(self) -> pq.ParquetFile:
        try:
            return open_parquet(self.wanted.file)
        except UnicodeDecodeError as error:
            raise self._broken(f"has a column whose name is not UTF-8 ({error}), wanted UTF-8") from None

    def _check(self, found: pa.Schema) -> None:
        """Refuse a file that lacks a column or has it in another type."""
        names = found.names
        for name, dtype in self.wanted.schema.items():
            if names.count(name) != 1:
                raise self._broken(f"has the columns {', '.join(names)}, wanted {name!r} once among them")
            if not _fits(found.field(name).type, dtype):
                raise self._broken(f"column {name!r} is {found.field(name).type}, wanted {dtype}")

    def _batches(self, opened: pq.ParquetFile, groups: list[int] | None) -> Iterator[pa.RecordBatch]:
        rows, names = _batch_rows(opened.metadata), list(self.wanted.schema)
        try:
            yield from opened.iter_batches(rows, row_groups=groups, columns=names, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise self._broken(f"is corrupt ({_first_line(error)}), wanted whole pages") from error

    def _frame(self, batch: pa.RecordBatch, first: int) -> pl.DataFrame:
        bad = self._bad_rows(batch, first)
        if bad:  # a row taken from nowhere is null throughout
            batch = batch.take(pa.array([None if row in bad else row for row in range(batch.num_rows)], pa.int64()))
        records = pl.int_range(first, first + batch.num_rows, dtype=pl.UInt64, eager=True).alias("record")
        drops = pl.Series("drop", [BAD_RECORD if row in bad else None for row in range(batch.num_rows)], pl.String)
        return self._columns(batch).with_columns(records, drops)

    def _columns(self, batch: pa.RecordBatch) -> pl.DataFrame:
        try:
            return pl.DataFrame(batch).select(pl.col(name).cast(dtype) for name, dtype in self.wanted.schema.items())
        except pl.exceptions.InvalidOperationError as error:  # a number too large for the type wanted
            raise self._broken(f"{_first_line(error)}, wanted values that fit") from None

    def _bad_rows(self, batch: pa.RecordBatch, first: int) -> set[int]:
        """Rows that are broken, where the entry wants those dropped; raises BadRecordError where it does not."""
        if batch.nbytes <= self.wanted.longest and _is_sound(batch):
            return set()
        bad = set()
        for row in range(batch.num_rows):
            try:
                self._check_row(batch.take(pa.array([row])))  # a slice would still hold the lists of all rows
            except BrokenRecordError as error:
                self.wanted.refuse(first + row, error)
                bad.add(row)
        return bad

    def _check_row(self, row: pa.RecordBatch) -> None:
        if row.nbytes > self.wanted.longest:
            raise BrokenRecordError(f"{row.nbytes:,} bytes long, wanted at most {self.wanted.longest:,} (max_record_bytes)")
        for name in self.wanted.schema:
            if not _is_sound(row.column(name)):
                raise BrokenRecordError(f"column {shown(name)} is not UTF-8, wanted UTF-8")

    def _broken(self, what: str) -> RawFileError:
        return RawFileError(f"{self.wanted.file.name}: {what}; check that this is the right file, or fetch it again")


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Rows that take about `CHUNK_BYTES` together."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    size = max(1, sum(int(group.total_byte_size) for group in groups))
    return min(max(CHUNK_BYTES * int(metadata.num_rows) // size, _FEWEST), _MOST)


def _without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with each value in its own row, so that a row can be looked at alone."""
    columns = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names) if columns else batch


def _is_sound(values: pa.RecordBatch | pa.Array) -> bool:
    """Whether all strings are UTF-8."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _fits(found: pa.DataType, dtype: pl.DataType) -> bool:
    """Whether a column of Parquet can be cast to the type wanted without a change of meaning."""
    types = pa.types
    if types.is_null(found):
        return True
    if types.is_dictionary(found):
        return _fits(found.value_type, dtype)
    if isinstance(dtype, pl.List):
        is_list = types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found)
        return is_list and _fits(found.value_type, instance(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return types.is_struct(found) and all(_has_field(found, field) for field in dtype.fields)
    return _fits_scalar(found, dtype)


def _has_field(found: pa.StructType, field: pl.Field) -> bool:
    index = found.get_field_index(field.name)  # -1 where it is missing or comes twice
    return index >= 0 and _fits(found.field(index).type, instance(field.dtype))


def _fits_scalar(found: pa.DataType, dtype: pl.DataType) -> bool:
    types = pa.types
    if dtype.is_integer():
        return bool(types.is_integer(found))
    if dtype.is_float():
        return bool(types.is_floating(found) or types.is_integer(found))
    if isinstance(dtype, pl.String):
        return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))
    return isinstance(dtype, pl.Boolean) and bool(types.is_boolean(found))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

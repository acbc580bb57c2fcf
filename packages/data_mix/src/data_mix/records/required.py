"""Records that must hold something: one that lacks a field is broken, not empty."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from data_mix.errors import BadRecordError
from data_mix.records.record_frame import BAD_RECORD, record_place
from data_mix.source import Entry, LocalFile


def required(records: pl.DataFrame, file: LocalFile, entry: Entry, columns: Iterable[str]) -> pl.DataFrame:
    """Return the records, those dropped as broken that lack a value in one of the columns.

    Raises BadRecordError at the first of them where the entry does not want broken records dropped.
    """
    lacking = records.filter(pl.col("drop").is_null() & pl.any_horizontal(pl.col(*columns).is_null()))
    if lacking.is_empty():
        return records
    if entry.options.on_bad_record == "error":
        missing = next(name for name in columns if lacking[name][0] is None)
        raise BadRecordError(record_place(file, lacking["record"][0]), f"there is no {missing!r}, wanted a value under it")
    is_lacking = pl.col("record").is_in(lacking["record"].implode())
    return records.with_columns(drop=pl.when(is_lacking).then(pl.lit(BAD_RECORD)).otherwise("drop"))

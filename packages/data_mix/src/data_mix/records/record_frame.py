"""What is asked of a raw file's records, and the frame that they make where they are read one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from data_mix.errors import BadRecordError, ConfigError
from data_mix.records.json_record import BrokenRecordError, instance
from data_mix.source import Entry, LocalFile

BAD_RECORD: Final = "bad_record"
"""The reason why a broken record is dropped."""

OWN_COLUMNS: Final[dict[str, pl.DataType]] = {"record": pl.UInt64(), "drop": pl.String()}


def record_place(file: LocalFile, record: int) -> str:
    """Where a record stands, for an error: `export.jsonl.gz:17` is its 17th line."""
    return f"{file.name}:{record + 1}"


@dataclass(frozen=True)
class Wanted:
    """What is asked of the records of one file: the columns and their types, and what a broken record does."""

    file: LocalFile
    entry: Entry
    schema: Mapping[str, pl.DataType]

    def __post_init__(self) -> None:
        taken = sorted(set(self.schema) & set(OWN_COLUMNS))
        if taken:
            raise ConfigError(
                f"{self.file.name}: a column cannot be called {taken[0]!r}, that name is taken; rename it in the file"
            )
        object.__setattr__(self, "schema", {name: instance(dtype) for name, dtype in self.schema.items()})

    @property
    def longest(self) -> int:
        """Bytes that a record may have."""
        return self.entry.max_record_bytes

    def refuse(self, record: int, error: BrokenRecordError) -> None:
        """Raise BadRecordError, unless the entry wants broken records dropped."""
        if self.entry.options.on_bad_record == "error":
            raise BadRecordError(record_place(self.file, record), str(error)) from None

    def frame(self, records: Iterable[tuple[int, bytes]], read: Callable[[bytes], dict[str, Any]]) -> pl.DataFrame:
        """A frame of numbered records, where `read` gives the columns of one or raises BrokenRecordError."""
        rows = [self._row(number, record, read) for number, record in records]
        dtypes = {**self.schema, **OWN_COLUMNS}
        return pl.DataFrame([pl.Series(name, [row.get(name) for row in rows], dtype) for name, dtype in dtypes.items()])

    def _row(self, number: int, record: bytes, read: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
        try:
            return {**read(record), "record": number}
        except BrokenRecordError as error:
            self.refuse(number, error)
            return {"record": number, "drop": BAD_RECORD}

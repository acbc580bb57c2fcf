"""What is asked of records, and the frame of those that are read one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data_mix.errors import BadRecordError, ConfigError
from data_mix.records.json_record import BrokenRecordError
from data_mix.records.record_frame import BAD_RECORD, Wanted
from raw_files import entry, raw


def half(record: bytes) -> dict[str, Any]:
    """Read an even number; refuse an odd one."""
    if int(record) % 2:
        raise BrokenRecordError("odd")
    return {"n": int(record) // 2}


def test_a_record_that_cannot_be_read_is_a_row_without_contents(tmp_path: Path) -> None:
    """Every record is a row: those that are broken have a reason, and null in all columns."""
    wanted = Wanted(raw(tmp_path, b""), entry("drop"), {"n": pl.Int64()})
    frame = wanted.frame([(3, b"4"), (7, b"5")], half)
    assert frame.rows() == [(2, 3, None), (None, 7, BAD_RECORD)]


def test_a_record_that_cannot_be_read_ends_the_reading_by_default(tmp_path: Path) -> None:
    """The error holds the file, the place counted from 1, and what was found."""
    wanted = Wanted(raw(tmp_path, b"", "own.x"), entry(), {"n": pl.Int64()})
    with pytest.raises(BadRecordError, match=r"^own\.x:8: odd; mend the record, or set on_bad_record: drop"):
        wanted.frame([(3, b"4"), (7, b"5")], half)


def test_no_records_make_an_empty_frame_of_the_right_types(tmp_path: Path) -> None:
    """Types do not depend on what is there; and polars' type classes serve as types."""
    wanted = Wanted(raw(tmp_path, b""), entry(), {"n": pl.Int64})  # type: ignore[dict-item]
    assert wanted.frame([], half).schema == {"n": pl.Int64(), "record": pl.UInt64(), "drop": pl.String()}


@pytest.mark.parametrize("name", ["record", "drop"])
def test_our_own_columns_cannot_be_asked_for(tmp_path: Path, name: str) -> None:
    """A file's column of such a name would be lost, so that it is an error."""
    with pytest.raises(ConfigError, match=f"a column cannot be called '{name}'"):
        Wanted(raw(tmp_path, b""), entry(), {name: pl.String()})

"""Records that lack a value which they must have."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from data_mix.errors import BadRecordError
from data_mix.records import json_records
from data_mix.records.required import required
from raw_files import entry, raw

SCHEMA = {"a": pl.String(), "b": pl.String()}
LINES = b'{"a": "1", "b": "2"}\n\n{"a": "3"}\n{"a": null, "b": "4"}\n{broken\n{"a": "", "b": ""}\n'


def test_a_lacking_record_is_named(tmp_path: Path) -> None:
    """The error holds the file, the line (a blank one counts) and the missing field."""
    file = raw(tmp_path, b'{"a": "1", "b": "2"}\n\n{"a": "3"}\n')
    [records] = json_records(file, entry(), SCHEMA)
    with pytest.raises(BadRecordError, match=r"raw\.jsonl:3: there is no 'b'"):
        required(records, file, entry(), SCHEMA)


def test_lacking_records_are_dropped_on_request(tmp_path: Path) -> None:
    """Each is a bad record, beside those that are bad already, and no row is lost; an empty text lacks nothing."""
    file, wishes = raw(tmp_path, LINES), entry("drop")
    [records] = json_records(file, wishes, SCHEMA)
    rows = required(records, file, wishes, SCHEMA)
    assert rows["record"].to_list() == [0, 2, 3, 4, 5]
    assert rows["drop"].to_list() == [None, "bad_record", "bad_record", "bad_record", None]


def test_only_the_columns_named_are_needed(tmp_path: Path) -> None:
    """A record may lack what is not asked for, and is then returned as it is."""
    file = raw(tmp_path, b'{"a": "3"}\n')
    [records] = json_records(file, entry(), SCHEMA)
    assert required(records, file, entry(), ["a"]) is records

"""Rows of Parquet: columns and their types, row groups, broken rows, broken files."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_mix.errors import BadRecordError, RawFileError
from data_mix.records import parquet_records
from data_mix.source import LocalFile
from raw_files import entry

PAIR = pl.Struct({"en": pl.String, "zh": pl.String})


def write(folder: Path, table: pa.Table, **options: Any) -> LocalFile:
    """A Parquet file of this table."""
    path = folder / "own.parquet"
    pq.write_table(table, path, **options)
    return LocalFile(name=path.name, path=path, sha256="")


def read(file: LocalFile, columns: dict[str, pl.DataType], *, drop: bool = False, longest: int = 64_000_000) -> pl.DataFrame:
    """The whole frame of a file."""
    wanted = entry("drop" if drop else "error", max_record_bytes=longest)
    return pl.concat(list(parquet_records(file, wanted, columns)))


def strings(*values: bytes) -> pa.Array:
    """A column of strings with these bytes, UTF-8 or not."""
    offsets = np.cumsum([0, *map(len, values)]).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))])


def test_only_the_columns_asked_for_are_read_and_structs_come_whole(tmp_path: Path) -> None:
    """Columns come in the order asked for; of a struct its fields by name, without those that nobody asks for."""
    pairs = [{"zh": "一", "en": "one", "note": 1}, None]
    file = write(tmp_path, pa.table({"z": [1, 2], "translation": pairs, "q": ["x", None]}))
    frame = read(file, {"q": pl.String(), "translation": PAIR})
    assert frame.rows() == [("x", {"en": "one", "zh": "一"}, 0, None), (None, None, 1, None)]
    assert frame.schema == {"q": pl.String(), "translation": PAIR, "record": pl.UInt64(), "drop": pl.String()}


CASTS: list[tuple[pa.Array, pl.DataType]] = [
    (pa.array(["a", None], pa.large_string()), pl.String()),
    (pa.array(["a", None]).dictionary_encode(), pl.String()),
    (pa.array([1, None], pa.int32()), pl.Int64()),
    (pa.array([1, None], pa.uint8()), pl.Float64()),
    (pa.array([1.5, None], pa.float32()), pl.Float64()),
    (pa.array([True, None]), pl.Boolean()),
    (pa.array([["a"], None], pa.large_list(pa.string())), pl.List(pl.String())),
    (pa.array([[1, 2], None], pa.list_(pa.int32(), 2)), pl.List(pl.Int64())),
    (pa.array([[{"role": "user", "x": 1}], None]), pl.List(pl.Struct({"role": pl.String()}))),
    (pa.nulls(2), pl.String()),
    (pa.nulls(2), PAIR),
]


@pytest.mark.parametrize(("column", "dtype"), CASTS, ids=str)
def test_a_column_of_a_kindred_type_is_cast_to_exactly_the_one_wanted(
    tmp_path: Path, column: pa.Array, dtype: pl.DataType
) -> None:
    """How a writer stored a string, a number or a list does not show."""
    frame = read(write(tmp_path, pa.table({"c": column})), {"c": dtype})
    assert frame.schema["c"] == dtype
    assert frame["c"][1] is None


WRONG: list[tuple[pa.Array, pl.DataType]] = [
    (pa.array([1]), pl.String()),
    (pa.array([b"x"]), pl.String()),
    (pa.array(["1"]), pl.Int64()),
    (pa.array([1.0]), pl.Int64()),
    (pa.array([1]), pl.Boolean()),
    (pa.array(["x"]), pl.List(pl.String())),
    (pa.array([[1]]), pl.List(pl.String())),
    (pa.array([{"en": "x"}]), PAIR),
    (pa.array(["x"]), PAIR),
]


@pytest.mark.parametrize(("column", "dtype"), WRONG, ids=str)
def test_a_column_of_another_type_is_refused(tmp_path: Path, column: pa.Array, dtype: pl.DataType) -> None:
    """A column that cannot mean what is wanted raises RawFileError with both types, whatever the option says."""
    with pytest.raises(RawFileError, match=r"^own\.parquet: column 'c' is .*, wanted "):
        read(write(tmp_path, pa.table({"c": column})), {"c": dtype}, drop=True)


def test_a_number_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """A number too large for the type wanted raises RawFileError, instead of becoming another one or null."""
    with pytest.raises(RawFileError, match="wanted values that fit"):
        read(write(tmp_path, pa.table({"c": pa.array([1, 2**63], pa.uint64())})), {"c": pl.Int64()}, drop=True)


@pytest.mark.parametrize("names", [["a", "b"], ["q", "q"]])
def test_a_column_that_is_missing_or_comes_twice_is_refused(tmp_path: Path, names: list[str]) -> None:
    """The error names the columns found and the one wanted."""
    file = write(tmp_path, pa.Table.from_arrays([pa.array(["x"])] * 2, names=names))
    with pytest.raises(RawFileError, match=f"^own.parquet: has the columns {', '.join(names)}, wanted 'q' once among them"):
        read(file, {"q": pl.String()}, drop=True)


def test_a_row_group_alone_keeps_the_numbers_of_the_whole_file(tmp_path: Path) -> None:
    """Where one row group is asked for only it is read, and its rows count from the file's start."""
    file = write(tmp_path, pa.table({"n": list(range(10))}), row_group_size=4)
    frames = [read(LocalFile(name="own", path=file.path, sha256="", row_group=group), {"n": pl.Int64()}) for group in range(3)]
    assert [frame["record"].to_list() for frame in frames] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert pl.concat(frames).equals(read(file, {"n": pl.Int64()}))


def test_a_large_file_comes_in_frames_of_bounded_size(tmp_path: Path) -> None:
    """A row group is not read into one frame, however large it is, and no row is lost between frames."""
    file = write(tmp_path, pa.table({"q": ["x" * 2_000] * 20_000, "n": list(range(20_000))}), use_dictionary=False)
    frames = list(parquet_records(file, entry(), {"q": pl.String(), "n": pl.Int64()}))
    assert all(frame.estimated_size() < 20_000_000 for frame in frames)
    assert pl.concat(frames)["n"].to_list() == pl.concat(frames)["record"].to_list() == list(range(20_000))


@pytest.mark.parametrize("bad", [0, 2, 4], ids=["start", "middle", "end"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_string_that_is_not_utf8_breaks_its_row_alone(tmp_path: Path, bad: int, dictionary: bool) -> None:
    """It is an error that names the row and the column, or one counted drop."""
    values = [b"sound"] * 5
    values[bad] = b"\xff\xfe"
    column = strings(*values).dictionary_encode() if dictionary else strings(*values)
    file = write(tmp_path, pa.table({"q": column, "n": [0, 1, 2, 3, 4]}))
    with pytest.raises(BadRecordError, match=f"^own.parquet:{bad + 1}: column 'q' is not UTF-8"):
        read(file, {"q": pl.String()})
    frame = read(file, {"q": pl.String(), "n": pl.Int64()}, drop=True)
    assert frame.row(bad) == (None, None, bad, "bad_record")
    assert frame.drop_nulls("q").rows() == [("sound", row, row, None) for row in range(5) if row != bad]


def test_a_string_that_is_not_utf8_deep_in_a_list_is_found(tmp_path: Path) -> None:
    """No depth hides bytes that are no text."""
    column = pa.ListArray.from_arrays(pa.array([0, 1, 2]), strings(b"sound", b"\xff"))
    frame = read(write(tmp_path, pa.table({"q": column})), {"q": pl.List(pl.String())}, drop=True)
    assert frame.rows() == [(["sound"], 0, None), (None, 1, "bad_record")]


def test_a_row_that_is_too_long_is_broken(tmp_path: Path) -> None:
    """Beyond `max_record_bytes` a row is an error that names it, or one counted drop."""
    file = write(tmp_path, pa.table({"q": ["x", "x" * 2_000, "x"]}))
    with pytest.raises(BadRecordError, match=r"^own.parquet:2: 2,0\d\d bytes long, wanted at most 1,000"):
        read(file, {"q": pl.String()}, longest=1_000)
    assert read(file, {"q": pl.String()}, drop=True, longest=1_000)["drop"].to_list() == [None, "bad_record", None]


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    """Each part of a Parquet file that is not all of it raises RawFileError with its name, whatever the option says."""
    file = write(tmp_path, pa.table({"q": ["x", "y"]}))
    data = file.path.read_bytes()
    for size in range(0, len(data), 7):
        file.path.write_bytes(data[:size])
        with pytest.raises(RawFileError, match=r"^own\.parquet: "):
            read(file, {"q": pl.String()}, drop=True)


def test_corrupt_bytes_raise_nothing_but_an_error_of_ours(tmp_path: Path) -> None:
    """Bytes changed at random anywhere end in all rows or in RawFileError, never in another exception or a crash."""
    file = write(tmp_path, pa.table({"q": [f"text {n}" for n in range(30)]}), write_page_checksum=True, compression="none")
    data, chance = file.path.read_bytes(), random.Random(5)
    for _ in range(300):
        broken = bytearray(data)
        broken[chance.randrange(len(data))] = chance.randrange(256)
        file.path.write_bytes(broken)
        with suppress(RawFileError):
            assert read(file, {"q": pl.String()}, drop=True).height == 30


def test_the_real_wmt_file_is_read_as_polars_reads_it(shared: Path) -> None:
    """On a real file of the hub rows and numbers are those of polars' own reader."""
    path = shared / "hub/datasets/wmt/wmt19/zh-en/train-00003-of-00013.parquet"
    frame = read(LocalFile(name=path.name, path=path, sha256=""), {"translation": PAIR})
    assert frame.select("translation").equals(pl.read_parquet(path).select(pl.col("translation").cast(PAIR)))

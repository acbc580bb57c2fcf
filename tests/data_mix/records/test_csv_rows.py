"""Rows of CSV: quoted line ends, line numbers, broken rows, broken files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_mix.errors import BadRecordError, RawFileError
from data_mix.records import csv_records
from data_mix.records.csv_rows import raw_rows, split_row
from data_mix.records.json_record import BrokenRecordError
from raw_files import entry, raw

COLUMNS: dict[str, pl.DataType] = {"q": pl.String(), "n": pl.Int64(), "b": pl.Boolean()}
CELLS = st.text(alphabet='ab,"\r\n\té ', max_size=8)


def read(folder: Path, data: bytes, name: str = "own.csv", *, drop: bool = False) -> pl.DataFrame:
    """The whole frame of a CSV file, whose records may have 500 bytes."""
    wanted = entry("drop" if drop else "error", max_record_bytes=500)
    return pl.concat(list(csv_records(raw(folder, data, name), wanted, COLUMNS)))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_all_that_the_standard_library_writes_is_read(tmp_path: Path, rows: list[tuple[str, str]], ending: str) -> None:
    """Cells with quotes, commas and line ends come back as they were, each row under the line on which it begins."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL)
    lines = []
    for row in [("a", "b"), *rows]:
        lines.append(text.getvalue().count("\n"))
        writer.writerow(row)
    file = raw(tmp_path, text.getvalue().encode())
    frame = pl.concat(list(csv_records(file, entry(), {"a": pl.String(), "b": pl.String()})))
    assert frame.select("a", "b").rows() == rows
    assert frame["record"].to_list() == lines[1:]


def test_columns_are_found_by_name_and_typed(tmp_path: Path) -> None:
    """The order of columns is the file's own, others are left out, and an empty cell is null unless text is wanted."""
    frame = read(tmp_path, b"\xef\xbb\xbfz,b,n,q\n1,True,-5,x\n\n2,,,\n")
    assert frame.rows() == [("x", -5, True, 1, None), ("", None, None, 3, None)]


def test_tabs_part_the_cells_of_tsv(tmp_path: Path) -> None:
    """A file is TSV by its name."""
    assert read(tmp_path, b'q\tn\tb\n"a\tb,c"\t1\tfalse\n', "own.tsv").rows() == [("a\tb,c", 1, False, 1, None)]


BROKEN = {
    "holds 2 fields, wanted 3": b"x,1",
    "holds 4 fields, wanted 3": b"x,1,true,y",
    "not UTF-8": b"\xff,1,true",
    "column 'n' holds '1.5', wanted a whole number of 64 bits": b"x,1.5,true",
    "column 'b' holds 'yes', wanted true or false": b"x,1,yes",
    "not CSV": b'"x"y,1,true',
    "longer than 500 bytes": b"x" * 600 + b",1,true",
}


@pytest.mark.parametrize("place", [1, 3, 5], ids=["start", "middle", "end"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_row_is_an_error_with_its_line_or_a_counted_drop(tmp_path: Path, what: str, place: int) -> None:
    """Each kind of broken row ends the reading, or is one dropped row among the sound ones."""
    lines = [b"q,n,b", *[b"x,1,true"] * 5]
    lines[place] = BROKEN[what]
    data = b"\n".join(lines)
    with pytest.raises(BadRecordError, match=f"^own.csv:{place + 1}: {what}"):
        read(tmp_path, data)
    frame = read(tmp_path, data, drop=True)
    assert frame.row(place - 1) == (None, None, None, place, "bad_record")
    assert frame["drop"].null_count() == 4


def test_a_quote_that_swallows_too_much_costs_no_other_row_its_contents(tmp_path: Path) -> None:
    """An open quote ends where a record must end, and rows behind it are read again."""
    data = b'q,n,b\n"open,1,true\n' + b"x,1,true\n" * 100
    frame = read(tmp_path, data, drop=True)
    assert frame.row(0) == (None, None, None, 1, "bad_record")
    assert frame["drop"].null_count() == frame.height - 1 == 45


def test_a_file_that_ends_inside_quotes_is_truncated(tmp_path: Path) -> None:
    """An open quote at the end raises RawFileError with its line, whatever the option says."""
    with pytest.raises(RawFileError, match=r"^own.csv:2: a quote that opens here is never closed"):
        read(tmp_path, b'q,n,b\n"x,1,true\nx,1,true\n', drop=True)


@pytest.mark.parametrize("header", [b"q,n\n", b"q,n,b,n\n", b'"q"q,n,b\n', b"q,\xff,b\n"])
def test_a_header_that_lacks_a_column_or_is_broken_is_refused(tmp_path: Path, header: bytes) -> None:
    """A column that is missing, comes twice or cannot be read raises RawFileError, whatever the option says."""
    with pytest.raises(RawFileError, match=r"^own.csv.*(wanted '.' once among them|the header is broken)"):
        read(tmp_path, header + b"x,1,true\n", drop=True)


def test_cells_may_be_as_long_as_a_record(tmp_path: Path) -> None:
    """The standard library's limit of 131,072 characters a cell is no limit of ours."""
    file = raw(tmp_path, b"q\n" + b"x" * 1_000_000)
    [frame] = csv_records(file, entry(), {"q": pl.String()})
    assert frame["q"].str.len_bytes().to_list() == [1_000_000]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """Empty lines are passed over, and lines keep their numbers."""
    rows = list(raw_rows(raw(tmp_path, b'\na\n\r\n\n"\n"\n'), 500))
    assert rows == [(1, b"a"), (4, b'"\n"')]


def test_a_broken_row_is_refused() -> None:
    """Quotes that do not fit are never guessed at."""
    with pytest.raises(BrokenRecordError, match="wanted RFC 4180"):
        split_row(b'"a"b', ",")

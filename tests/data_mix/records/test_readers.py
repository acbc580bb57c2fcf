"""Raw files → frames of records: what every reader promises, and what a broken file or record does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from data_mix.errors import BadRecordError, ConfigError, RawFileError
from data_mix.records import BadRecord, json_records, json_values, parquet_records, read_records, record_key, record_place
from data_mix.records.json_record import MAX_DEPTH
from data_mix.source import LocalFile
from raw_files import PACKED, entry, pack, raw

COLUMNS: dict[str, pl.DataType] = {"q": pl.String(), "n": pl.Int64()}
ROWS = [{"q": f"question {number}", "n": number, "other": [number]} for number in range(5)]
FRAME = pl.DataFrame(ROWS)
SOUND = b'{"q": "x", "n": 1}'

BROKEN = {
    "not UTF-8": b'{"q": "\xff"}',
    "not JSON": b'{"q": "x"',
    "holds a list, wanted an object": b'["q", "x"]',
    "holds a string ('x'), wanted an object": b'"x"',
    "holds null, wanted an object": b"null",
    "column 'q' holds a number (5), wanted a string": b'{"q": 5}',
    "column 'n' holds a string ('5'), wanted a whole number": b'{"q": "x", "n": "5"}',
    "key 'q' comes twice": b'{"q": "x", "q": "y"}',
    "half a surrogate pair": b'{"q": "\\ud83d"}',
    "longer than 1,000 bytes": b'{"q": "' + b"x" * 2_000 + b'"}',
}


def json_lines(*lines: bytes) -> bytes:
    """JSON Lines of these lines."""
    return b"".join(line + b"\n" for line in lines)


def all_of(file: LocalFile, on_bad_record: str = "error") -> pl.DataFrame:
    """All records of a file in one frame; a record may have 1,000 bytes."""
    wanted = entry("drop" if on_bad_record == "drop" else "error", max_record_bytes=1_000)
    return pl.concat(list(read_records(file, wanted, COLUMNS)))


def as_json(path: Path) -> None:
    """Write the rows as JSON Lines."""
    path.write_bytes(json_lines(*(json.dumps(row).encode() for row in ROWS)))


WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.jsonl": as_json,
    "rows.csv": FRAME.drop("other").write_csv,
    "rows.tsv": lambda path: FRAME.drop("other").write_csv(path, separator="\t"),
    "rows.parquet": FRAME.write_parquet,
    "parquet of another name.jsonl": FRAME.write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_frame(tmp_path: Path, name: str) -> None:
    """JSON Lines, CSV, TSV and Parquet of the same rows differ in nothing but where a header moves the lines."""
    WRITERS[name](tmp_path / name)
    frame = all_of(LocalFile(name=name, path=tmp_path / name, sha256=""))
    header = 1 if name.endswith("sv") else 0
    assert frame.schema == {**COLUMNS, "record": pl.UInt64(), "drop": pl.String()}
    assert frame["record"].to_list() == [number + header for number in range(5)]
    assert frame.select("q", "n").equals(FRAME.select("q", "n"))
    assert frame["drop"].null_count() == 5


@pytest.mark.parametrize("codec", ["plain", *PACKED])
@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.csv.zst"])
def test_packed_and_plain_records_are_the_same(tmp_path: Path, codec: str, name: str) -> None:
    """JSON Lines and CSV are read plain, gzip or zstd, whatever the name says."""
    data = b'q,n\n"a\nb",7\n' if "csv" in name else b'{"q": "a\\nb", "n": 7}\n'
    assert all_of(raw(tmp_path, pack(data, codec), name)).select("q", "n").rows() == [("a\nb", 7)]


@pytest.mark.parametrize("place", [0, 2, 4], ids=["start", "middle", "end"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_record_ends_the_reading_with_its_line(tmp_path: Path, what: str, place: int) -> None:
    """By default each kind of broken record raises BadRecordError with the file, the line, what was found and a way out."""
    lines = [SOUND] * 5
    lines[place] = BROKEN[what]
    with pytest.raises(BadRecordError) as caught:
        all_of(raw(tmp_path, json_lines(*lines), "own.jsonl"))
    assert str(caught.value).startswith(f"own.jsonl:{place + 1}: ")
    assert what in str(caught.value)
    assert "on_bad_record: drop" in str(caught.value)


@pytest.mark.parametrize("place", [0, 2, 4], ids=["start", "middle", "end"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_record_can_be_a_counted_drop(tmp_path: Path, what: str, place: int) -> None:
    """Under `on_bad_record: drop` it is one row with a reason and without contents, and all others are as they were."""
    lines = [SOUND] * 5
    lines[place] = BROKEN[what]
    frame = all_of(raw(tmp_path, json_lines(*lines)), "drop")
    assert frame["record"].to_list() == [0, 1, 2, 3, 4]
    assert frame.row(place) == (None, None, place, "bad_record")
    assert frame.filter(pl.col("drop").is_null()).select("q", "n").rows() == [("x", 1)] * 4


@pytest.mark.parametrize("on_bad_record", ["error", "drop"])
@pytest.mark.parametrize("codec", PACKED)
def test_a_truncated_file_is_an_error_even_where_records_may_be_dropped(tmp_path: Path, codec: str, on_bad_record: str) -> None:
    """No option turns a truncated file into a short one."""
    file = raw(tmp_path, pack(json_lines(*[SOUND] * 99), codec)[:-5], "own.jsonl.gz")
    with pytest.raises(RawFileError, match=r"^own\.jsonl\.gz: truncated or corrupt"):
        all_of(file, on_bad_record)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    """Blank lines, Windows line ends, a byte order mark and a missing last line end move no line number."""
    data = b"\xef\xbb\xbf" + SOUND + b"\r\n\r\n  \n" + SOUND + b"\n\n" + SOUND
    assert all_of(raw(tmp_path, data))["record"].to_list() == [0, 3, 5]


def test_a_key_that_is_missing_is_null(tmp_path: Path) -> None:
    """What a record does not say is null, and what nobody asks for is left out."""
    assert all_of(raw(tmp_path, b'{"n": null, "z": {"q": 1}}\n{"q": "x"}')).rows() == [
        (None, None, 0, None),
        ("x", None, 1, None),
    ]


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    """A file without a byte, or of blank lines, is sound and gives no frame."""
    for name in ("own.jsonl", "own.csv"):
        assert list(read_records(raw(tmp_path, b"\n \n" if name == "own.jsonl" else b"", name), entry(), COLUMNS)) == []


@pytest.mark.parametrize("reader", [json_records, read_records, parquet_records])
def test_a_column_cannot_be_called_as_one_of_ours(tmp_path: Path, reader: Callable[..., object]) -> None:
    """A column `record` or `drop` is refused instead of being overwritten."""
    with pytest.raises(ConfigError, match="a column cannot be called 'drop'"):
        list(reader(raw(tmp_path, SOUND), entry(), {"drop": pl.String()}))  # type: ignore[call-overload]


def test_keys_are_the_stem_and_the_record(tmp_path: Path) -> None:
    """The default key names the file up to its first dot, and the record's number."""
    file = raw(tmp_path, json_lines(SOUND, SOUND), "train-{}.v2.jsonl")
    assert all_of(file).select(record_key(file)).to_dict(as_series=False) == {"key": ["train-{}:0", "train-{}:1"]}


def test_places_count_from_one(tmp_path: Path) -> None:
    """An error names a line as an editor does."""
    assert record_place(raw(tmp_path, b"", "own.jsonl"), 16) == "own.jsonl:17"


def test_values_are_any_json_one_by_one(tmp_path: Path) -> None:
    """Ragged JSON comes as Python values with its line."""
    values = list(json_values(raw(tmp_path, b'[1, {"a": null}]\n\n"x"\n{"b": {}}'), entry()))
    assert values == [(0, [1, {"a": None}]), (2, "x"), (3, {"b": {}})]


@pytest.mark.parametrize(
    "line", [b'{"q": "\xff"}', b"{", b'{"a": {"b": 1, "b": 2}}', b"[" * 600_000, b'"' + b"x" * 1_000_000 + b'"']
)
def test_a_broken_value_is_an_error_or_a_marker(tmp_path: Path, line: bytes) -> None:
    """A broken record among values raises BadRecordError with its line, or stands there as a BadRecord."""
    file = raw(tmp_path, json_lines(b"1", line, b"2"), "own.jsonl")
    with pytest.raises(BadRecordError, match=r"^own\.jsonl:2: "):
        list(json_values(file, entry(max_record_bytes=900_000)))
    one, bad, two = json_values(file, entry("drop", max_record_bytes=900_000))
    assert (one, two) == ((0, 1), (2, 2))
    assert bad[0] == 1
    assert isinstance(bad[1], BadRecord)


def test_replies_may_be_nested_a_hundred_thousand_deep(tmp_path: Path) -> None:
    """A tree as deep as the limit allows is one value like any other."""
    levels = MAX_DEPTH // 2
    line = b'{"text": "x", "replies": [' * (levels - 1) + b'{"text": "x"}' + b"]}" * (levels - 1)
    [(_, node)] = json_values(raw(tmp_path, line), entry())
    depth = 1
    while isinstance(node, dict) and "replies" in node:
        [node], depth = node["replies"], depth + 1
    assert depth == levels


def test_the_real_dolly_file_is_read_as_polars_reads_it(shared: Path) -> None:
    """On a real file of the hub the columns are those of polars' own reader, to the byte."""
    path = shared / "hub/datasets/databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"
    columns = {name: pl.String() for name in ("instruction", "context", "response", "category")}
    frames = list(read_records(LocalFile(name=path.name, path=path, sha256=""), entry(), columns))
    assert pl.concat(frames).select(*columns).equals(pl.read_ndjson(path, schema=columns))


MEASURE = """
import sys
from pathlib import Path
from polars import String
from raw_files import entry
from data_mix.records import read_records
from data_mix.source import LocalFile
path = Path(sys.argv[1])
file = LocalFile(name=path.name, path=path, sha256="")
print(sum(frame.height for frame in read_records(file, entry("drop"), {"q": String()})))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""

LARGE = {
    "own.jsonl": (b"", b'{"q": "%s"}\n' % (b"x" * 1_000), 300_000),
    "own.jsonl.gz": (b"", b'{"q": "%s"}\n' % (b"x" * 1_000), 300_000),
    "long.jsonl": (b'{"q": "', b"x" * 1_000, 1),
    "own.csv": (b"q\n", b'"%s"\n' % (b"x" * 1_000), 300_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    """A file of 300 MB is read in little more memory than its chunks take, even where it is a single line."""
    header, row, rows = LARGE[name]
    codec = "gzip" if name.endswith("gz") else "plain"
    with (tmp_path / name).open("wb") as file:
        file.writelines([pack(header, codec), *[pack(row * 1_000, codec)] * 300])
    command = [sys.executable, "-c", MEASURE, str(tmp_path / name)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found, kilobytes = map(int, ended.stdout.split())
    assert found == rows
    assert kilobytes < 500_000

"""The fast path over a chunk of JSON Lines: never another answer than the slow path's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from data_mix.errors import BadRecordError
from data_mix.records.compressed import Lines
from data_mix.records.json_chunk import JsonReader, numbered
from data_mix.records.record_frame import Wanted
from data_mix.source import LocalFile
from raw_files import entry

FILE = LocalFile(name="raw.jsonl", path=Path("raw.jsonl"), sha256="")
SCHEMA: dict[str, pl.DataType] = {
    "a": pl.String(),
    "n": pl.Int64(),
    "f": pl.Float64(),
    "b": pl.Boolean(),
    "l": pl.List(pl.String()),
    "s": pl.Struct({"a": pl.String(), "f": pl.Float64()}),
    "m": pl.List(pl.Struct({"a": pl.String(), "l": pl.List(pl.Float64())})),
}
DROPPING = JsonReader(Wanted(FILE, entry("drop", max_record_bytes=300), SCHEMA))
STRICT = JsonReader(Wanted(FILE, entry(), {"a": pl.String()}))

KEYS = st.sampled_from([*SCHEMA, "z", "a ", "A", ""])
LEAVES = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=5)
ANY = st.recursive(
    LEAVES | st.sampled_from(["NaN", "Inf", "\ud800", "\udfff", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
SOUND: dict[str, st.SearchStrategy[Any]] = {
    "a": st.text(max_size=6),
    "n": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    "b": st.booleans(),
    "l": st.lists(st.text(max_size=3) | st.none(), max_size=3),
    "s": st.fixed_dictionaries({}, optional={"a": st.text(max_size=3), "z": st.integers()}),
    "m": st.lists(st.fixed_dictionaries({}, optional={"l": st.lists(st.integers(0, 9), max_size=2)}), max_size=2),
}
RECORDS = st.fixed_dictionaries({}, optional=SOUND)
NEAR_RECORDS = st.fixed_dictionaries({}, optional={key: sound | ANY for key, sound in SOUND.items()} | {"z": ANY})
DAMAGE = st.sampled_from(
    [
        *(
            b"",
            b'"',
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\\",
            b"\n",
            b"\r",
            b" ",
            b"\0",
            b"\x0b",
            b"'",
            b"{}",
            b"}{",
            b"}\n{",
        ),
        *(b"NaN", b"Infinity", b"-", b"0", b"1e999", b"9" * 20, b"9" * 310, b"null", b"true", b'"a":1,', b'"a":"x",', b"/**/"),
        *(b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\udc00", b"\xef\xbb\xbf", b"\\u0061"),
    ]
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line that is a record, or nearly one."""
    text = json.dumps(draw(RECORDS | RECORDS | NEAR_RECORDS | ANY), ensure_ascii=draw(st.booleans()))
    line = text.encode("utf8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 3)))
        line = line[:start] + draw(DAMAGE) + line[end:]
    return line


def read(reader: JsonReader, *texts: bytes, first: int = 0) -> pl.DataFrame:
    """The whole frame of these lines."""
    return pl.concat(list(reader.frames(Lines(first, b"\n".join(texts) + b"\n"))))


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lines(), min_size=1, max_size=4), st.sampled_from([b"\n", b"\r\n", b"\n\n"]), st.booleans())
def test_the_fast_path_takes_nothing_that_the_slow_path_would_not(texts: list[bytes], ending: bytes, ended: bool) -> None:
    """Whatever the fast path takes, the slow path takes as the same rows, none of them dropped."""
    chunk = Lines(7, ending.join(texts) + (ending if ended else b"\n{}"))
    fast = DROPPING.fast(chunk)
    if fast is not None:
        slow = DROPPING.slow(chunk)
        assert slow["drop"].null_count() == slow.height
        assert_frame_equal(fast, slow)


@settings(deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=5), st.sampled_from([b"\n", b"\r\n", b"\n\n"]), st.booleans())
def test_the_fast_path_takes_sound_records(records: list[dict[str, Any]], ending: bytes, ascii_only: bool) -> None:
    """Records of the types wanted need no slow path: with blank lines, Windows line ends, missing keys, escapes or none."""
    texts = [json.dumps(record, ensure_ascii=ascii_only).encode() for record in records]
    reader = JsonReader(Wanted(FILE, entry(), SCHEMA))
    frame = reader.fast(Lines(3, ending.join(texts)))
    assert frame is not None
    assert frame["record"].to_list() == [3 + place * ending.count(b"\n") for place in range(len(texts))]


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 5}',
        b'{"a": true}',
        b'{"a": {}}',
        b'{"a": "x", "a": "y"}',
        b'{"a": null, "a": null}',
        b'{"a": "\\ud800"}',
        b'{"a": "x", "z": NaN}',
        b'{"a": "x", "z": [Inf , 1]}',
        b'{"a": "\xff"}',
        b'{"z": "\xff"}',
        b'{"a": "x"}{"a": "y"}',
        b'{"a": "x"}{"a": "y"}\n{"z":\n{}}',
        b'{"a": "x"\n}',
        b'{"a": "x"} \0}',
        b'\xef\xbb\xbf{"a": "x"}',
        b' {"a": "x"}',
        b"[1]",
        b"null",
        b'{"a": "x"',
        b'{"z": ' + b"[" * 200_001 + b"]" * 200_001 + b"}",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_every_doubt_is_left_to_the_slow_path(text: bytes) -> None:
    """What pyarrow or polars would take in silence the fast path does not."""
    assert STRICT.fast(Lines(0, text + b"\n")) is None


def test_only_what_is_no_record_is_lost_from_a_large_chunk() -> None:
    """Broken lines in a large chunk are dropped alone: every other row is there, in order, under its number."""
    texts = [b'{"n": %d}' % number for number in range(200_000)]
    for place in (0, 77_777, 199_999):
        texts[place] = b'{"n": "%d"}' % place
    frame = read(DROPPING, *texts, first=10)
    assert frame["record"].to_list() == list(range(10, 200_010))
    assert frame.filter(pl.col("drop").is_not_null())["record"].to_list() == [10, 77_787, 200_009]
    assert frame.drop_nulls("n")["n"].to_list() == [number for number in range(200_000) if number not in (0, 77_777, 199_999)]


def test_the_line_of_a_broken_record_is_named() -> None:
    """In a chunk of a hundred thousand lines the one that is broken is found, and counted from 1."""
    texts = [b'{"a": "x"}'] * 100_000
    texts[54_321] = b'{"a": 5}'
    with pytest.raises(BadRecordError, match=r"^raw\.jsonl:54322: column 'a' holds a number \(5\), wanted a string; mend"):
        read(STRICT, *texts)


def test_a_text_that_speaks_of_nan_is_read() -> None:
    """What looks like a constant inside a string only takes the slow path."""
    assert read(STRICT, b'{"a": "[NaN, Infinity]"}')["a"].to_list() == ["[NaN, Infinity]"]


def test_a_key_may_be_written_with_escapes() -> None:
    """A key counts by its meaning, not by its spelling."""
    assert read(STRICT, b'{"\\u0061": "x"}')["a"].to_list() == ["x"]


def test_no_columns_are_records_too() -> None:
    """Where nothing is asked for, records are still counted."""
    assert read(JsonReader(Wanted(FILE, entry(), {})), b'{"a": 1}', b"{}")["record"].to_list() == [0, 1]


def test_blank_lines_are_no_records_but_count_as_lines() -> None:
    """Lines of nothing but blanks are passed over."""
    assert list(numbered(Lines(5, b'\n{"a": 1}\r\n \t\r\n{}'))) == [(6, b'{"a": 1}\r'), (8, b"{}")]

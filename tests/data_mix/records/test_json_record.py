"""One record of JSON: what is one, what is none, at any depth, and whether it fits its columns."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.records.json_record import (
    MAX_DEPTH,
    BrokenRecordError,
    DeepParser,
    Pairs,
    described,
    fit,
    parse,
    pick,
    shown,
    unique,
)

CHAT = pl.List(pl.Struct({"role": pl.String, "score": pl.Float64}))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


def nested(levels: int, inner: str = "1") -> str:
    """A value inside so many lists and objects by turns."""
    return '[{"a": ' * (levels // 2) + inner + "}]" * (levels // 2)


@given(JSON, st.booleans())
def test_all_that_json_writes_is_read(value: object, ascii_only: bool) -> None:
    """A value comes back as it was written, escaped or not."""
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode(), unique) == value


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"a": "\xff"}', r"not UTF-8 \(byte 0xff in column 8\)"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": 1', r"not JSON \(Expecting ',' delimiter in column 8\)"),
        (b'{"a": 1} {"a": 2}', r"not JSON \(Extra data in column 10\)"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": "x\ty"}', "Invalid control character"),
        (b'{"a": "x\x00"}', "Invalid control character"),
        (b'{"a": NaN}', r"not JSON \(NaN\)"),
        (b'{"a": -Infinity}', r"not JSON \(-Infinity\)"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b'{"a": "\\uDC00\\ud83d"}', "half a surrogate pair"),
        (b'{"\\ud83dx": 1}', "half a surrogate pair"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "key 'c' comes twice"),
    ],
)
def test_what_is_no_record_says_why(line: bytes, what: str) -> None:
    """Each kind of broken JSON is refused, with what was found."""
    with pytest.raises(BrokenRecordError, match=what):
        parse(line, unique)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\u0000\\u00e9\\n"', "\0é\n"),
        (b" [1, 2]\r", [1, 2]),
        (b"1" * 5_000, float("inf")),
    ],
)
def test_what_only_looks_broken_is_read(line: bytes, value: object) -> None:
    """A whole surrogate pair, an escaped backslash and a number of any length are JSON."""
    assert parse(line, unique) == value


@pytest.mark.parametrize("levels", [1_000, 20_000, MAX_DEPTH])
def test_depth_is_no_recursion(levels: int) -> None:
    """A value inside very many others comes out whole, far beyond where the standard parser gives up."""
    value = parse(nested(levels, '"x"').encode(), unique)
    for _ in range(levels // 2):
        value = value[0]["a"]
    assert value == "x"


def test_beyond_the_limit_a_record_is_broken() -> None:
    """Depth is bounded, so that a line of brackets cannot take a hundred times its size."""
    with pytest.raises(BrokenRecordError, match="nested deeper than 200,000 levels"):
        parse(b"[" * 1_000_000 + b"]" * 1_000_000, unique)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5_000,
        "[" * 5_000 + "]" * 4_999,
        "[" * 5_000 + "]" * 5_001,
        "[" * 5_000 + "}" + "]" * 4_999,
        nested(5_000, "NaN"),
        nested(5_000, "Infinity"),
        nested(5_000, '"x'),
        nested(5_000, "1 2"),
        nested(5_000) + "1",
        nested(5_000).replace("[", "-[", 1),
        nested(5_000, '{"b": 1, "b": 2}'),
    ],
)
def test_what_is_broken_deep_down_is_found(text: str) -> None:
    """Depth hides no missing bracket, constant, open string, junk or double key."""
    with pytest.raises(BrokenRecordError):
        parse(text.encode(), unique)


def test_an_open_string_of_escapes_takes_linear_time() -> None:
    """A line made to be slow is refused at once."""
    with pytest.raises(BrokenRecordError):
        parse(b"[" * 5_000 + b'"' + b'\\"' * 1_000_000, unique)


@given(JSON, st.integers(0, 60), st.text(alphabet='[]{}",:\\NaN1 ', max_size=3))
def test_the_deep_parser_agrees_with_the_standard_one(value: object, place: int, junk: str) -> None:
    """What both can parse, they parse alike, and what one refuses the other refuses too."""
    inner = json.dumps(value)
    text = '[{"a": ' * 230 + inner[:place] + junk + inner[place:] + "}]" * 230
    try:
        expected = json.loads(text, object_pairs_hook=Pairs, parse_constant=pytest.fail)
    except (json.JSONDecodeError, pytest.fail.Exception):
        with pytest.raises(BrokenRecordError):
            DeepParser(text, Pairs).run()
    else:
        assert DeepParser(text, Pairs).run() == expected


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ("x", pl.String()),
        (True, pl.Boolean()),
        (-(1 << 63), pl.Int64()),
        (1.5, pl.Float64()),
        (["x", None], pl.List(pl.String)),
        (None, CHAT),
    ],
)
def test_a_value_of_the_type_wanted_is_kept(value: object, dtype: pl.DataType) -> None:
    """What fits is not changed."""
    assert fit(value, dtype, "c") == value


@pytest.mark.parametrize(
    ("value", "dtype", "what"),
    [
        (5, pl.String(), r"column 'c' holds a number \(5\), wanted a string"),
        (Pairs(), pl.String(), "holds an object, wanted a string"),
        (["x"], pl.String(), "holds a list, wanted a string"),
        ("5", pl.Int64(), r"holds a string \('5'\), wanted a whole number of 64 bits"),
        (5.0, pl.Int64(), r"holds a number \(5.0\)"),
        (1 << 63, pl.Int64(), "wanted a whole number of 64 bits"),
        (True, pl.Int64(), r"holds true or false \(True\)"),
        (1, pl.Boolean(), "wanted true or false"),
        (10**400, pl.Float64(), "wanted a number"),
        (float("inf"), pl.Float64(), "wanted a number"),
        (["x", 5], pl.List(pl.String), "holds a number"),
        (Pairs(), pl.List(pl.String), "holds an object, wanted a list"),
        ([], pl.Struct({}), "holds a list, wanted an object"),
        ([Pairs([("role", 1)])], CHAT, "column 'role' holds a number"),
        ([Pairs([("role", None), ("role", None)])], CHAT, "key 'role' comes twice"),
    ],
)
def test_a_value_of_another_type_is_never_turned_into_the_one_wanted(value: object, dtype: pl.DataType, what: str) -> None:
    """Each mismatch is refused with the column, what it holds and what was wanted."""
    with pytest.raises(BrokenRecordError, match=what):
        fit(value, dtype, "c")


def test_a_whole_number_fits_where_a_fraction_may_stand() -> None:
    """JSON writes 5.0 as 5 too."""
    assert repr(fit(5, pl.Float64(), "c")) == "5.0"


def test_only_the_keys_asked_for_are_judged() -> None:
    """A key that nobody asks for may hold anything, twice too; one that is missing is null."""
    pairs = Pairs([("z", 1), ("z", [Pairs([("role", 5)])]), ("a", "x")])
    assert pick(pairs, {"a": pl.String(), "b": pl.Int64()}) == {"a": "x", "b": None}


@pytest.mark.parametrize("value", ["x" * 1_000, "a\nb\x1b[31m", 10**1_000, {"k": "v" * 999}])
def test_an_error_shows_little_and_on_one_line(value: Any) -> None:
    """The user's data can neither flood nor colour an error message."""
    assert len(shown(value)) < 90
    assert shown(value).isprintable()


@pytest.mark.parametrize(
    ("value", "words"), [(None, "null"), ({}, "an object"), ([], "a list"), (1.5, "a number (1.5)"), ("x", "a string ('x')")]
)
def test_a_value_is_described_by_its_json_type(value: object, words: str) -> None:
    """An error speaks of JSON's types, not of Python's."""
    assert described(value) == words

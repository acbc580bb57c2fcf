"""One record of JSON: strict parsing, at any depth, and its fit to the columns that a source asks for.

JSON as RFC 8259 has it, in UTF-8: NaN and Infinity are refused, and so are strings with half a surrogate pair, since no UTF-8
can hold them. A key that comes twice is refused where it is read: which of the two is meant nobody can say.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from reprlib import Repr
from typing import Any, Final

import polars as pl

MAX_DEPTH: Final = 200_000
"""Objects and lists may stand inside one another so deep: 100,000 replies to replies."""

_STRIDE: Final = 200  # levels that one call of the standard parser sees: it recurses, and gives up at some depth near 1,000
_STRUCTURE: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]|NaN', re.DOTALL)  # an open string is taken whole: once
_WHOLE_ESCAPE: Final = re.compile(
    rb"\\(?:[^u]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})", re.DOTALL
)
_DIGITS: Final = 4000  # int() refuses more than 4,300 digits, since it takes quadratic time
_INT64: Final = range(-(1 << 63), 1 << 63)

_NAMES: Final = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
_WANTED: Final = {
    pl.String: "a string",
    pl.Boolean: "true or false",
    pl.Int64: "a whole number of 64 bits",
    pl.Float64: "a number",
    pl.List: "a list",
    pl.Struct: "an object",
}


class Pairs(list[tuple[str, Any]]):
    """An object as its keys and values, in order, with those that come twice."""


MakeObject = Callable[[list[tuple[str, Any]]], Any]


class BrokenRecordError(ValueError):
    """Why a record is broken; its reader adds the place and makes a BadRecordError of it."""


def parse(line: bytes, make: MakeObject) -> Any:
    """The value that a line holds, its objects made by `make` out of their pairs.

    Raises BrokenRecordError where the line is not UTF-8, not JSON, or nested deeper than `MAX_DEPTH`.
    """
    value = _loads(decoded(line), make)
    if b"\\u" in line and b"\\" in _WHOLE_ESCAPE.sub(b"", line):
        raise BrokenRecordError("holds half a surrogate pair (\\ud800 to \\udfff), wanted whole characters")
    return value


def checked(record: bytes, longest: int) -> bytes:
    """The record itself; raises BrokenRecordError where it has more than `longest` bytes."""
    if len(record) > longest:
        raise BrokenRecordError(f"longer than {longest:,} bytes, wanted at most so many (max_record_bytes)")
    return record


def decoded(record: bytes) -> str:
    """The record's text; raises BrokenRecordError where it is not UTF-8."""
    try:
        return record.decode()
    except UnicodeDecodeError as error:
        byte = record[error.start]
        raise BrokenRecordError(f"not UTF-8 (byte 0x{byte:02x} in column {error.start + 1:,}), wanted UTF-8") from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ, as a dict."""
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BrokenRecordError(f"key {shown(twice)} comes twice in one object, wanted once")
    return value


def fit(value: Any, dtype: pl.DataType, column: str) -> Any:
    """The value as polars takes it for a column of this type; null fits every type, and a whole number a Float64.

    Objects must be `Pairs`. Raises BrokenRecordError, never turns one type into another.
    """
    if value is None:
        return None
    if isinstance(dtype, pl.List) and type(value) is list:  # and not Pairs
        return [fit(item, instance(dtype.inner), column) for item in value]
    if isinstance(dtype, pl.Struct) and isinstance(value, Pairs):
        return pick(value, {field.name: instance(field.dtype) for field in dtype.fields})
    if not _is_scalar(value, dtype):
        raise BrokenRecordError(f"column {shown(column)} holds {described(value)}, wanted {wanted_value(dtype)}")
    return float(value) if isinstance(dtype, pl.Float64) else value


def pick(pairs: Pairs, columns: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """What an object holds under the keys asked for, each fit to its type; null under those that it lacks."""
    found: dict[str, Any] = dict.fromkeys(columns)
    seen = set()
    for key, value in pairs:
        if key not in found:
            continue
        if key in seen:
            raise BrokenRecordError(f"key {shown(key)} comes twice in one object, wanted once")
        seen.add(key)
        found[key] = fit(value, columns[key], key)
    return found


def described(value: object) -> str:
    """What a JSON value is, for an error."""
    if value is None:
        return "null"
    if isinstance(value, Pairs | dict):
        return "an object"
    name = _NAMES[type(value)]
    return name if isinstance(value, list) else f"{name} ({shown(value)})"


def wanted_value(dtype: pl.DataType) -> str:
    """What JSON value a column of this type takes, for an error."""
    return _WANTED[type(dtype)]


def shown(value: object) -> str:
    """A value of the user's for an error: on one line, and never long."""
    short = Repr()
    short.maxstring = short.maxother = short.maxlong = 60
    return short.repr(value)


def _is_scalar(value: object, dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.String):
        return isinstance(value, str)
    if isinstance(dtype, pl.Boolean):
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if isinstance(dtype, pl.Int64):
        return isinstance(value, int) and value in _INT64
    return isinstance(dtype, pl.Float64) and isinstance(value, int | float) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def instance(dtype: object) -> pl.DataType:
    """The type as an object: polars takes both `pl.String` and `pl.String()` for the type of what is inside a list."""
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[return-value]


def _loads(text: str, make: MakeObject) -> Any:
    try:
        return _decoder(make).decode(text)
    except RecursionError:
        return DeepParser(text, make).run()
    except json.JSONDecodeError as error:
        raise BrokenRecordError(f"not JSON ({error.msg} in column {error.pos + 1:,}), wanted JSON") from None


@cache
def _decoder(make: MakeObject) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=make, parse_int=_number, parse_constant=_no_constant)


def _number(digits: str) -> float:
    return int(digits) if len(digits) < _DIGITS else float(digits)


def _no_constant(name: str) -> Any:
    raise BrokenRecordError(f"not JSON ({name}), wanted JSON")


class DeepParser:
    """Parses what is too deep for the standard parser, which recurses, by giving it a few levels at a time.

    From the innermost outwards: a value at each `_STRIDE`-th level is cut out, parsed, and put back when its parent is
    parsed. NaN stands for it in the parent's text: the parser calls us for each NaN, in order, and JSON has none of its own.
    """

    def __init__(self, text: str, make: MakeObject) -> None:
        self._text, self._make = text, make
        self._start = self._depth = 0
        self._open: list[_OpenValue] = [_OpenValue()]

    def run(self) -> Any:
        """The value of the whole text."""
        for token in _STRUCTURE.finditer(self._text):
            if token[0] in ("[", "{"):
                self._opens(token.start())
            elif token[0] in ("]", "}"):
                self._closes(token.end())
            elif token[0] == "NaN":
                _no_constant("NaN")
        if self._depth:
            raise BrokenRecordError("not JSON (a bracket is never closed), wanted JSON")
        return self._close(len(self._text))

    def _opens(self, at: int) -> None:
        if self._depth and self._depth % _STRIDE == 0:
            self._open[-1].texts.append(self._text[self._start : at])
            self._open.append(_OpenValue())
            self._start = at
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BrokenRecordError(f"nested deeper than {MAX_DEPTH:,} levels, wanted at most so many")

    def _closes(self, end: int) -> None:
        self._depth -= 1
        if self._depth < 0:
            raise BrokenRecordError("not JSON (a bracket is closed that was never opened), wanted JSON")
        if self._depth and self._depth % _STRIDE == 0:
            value = self._close(end)
            self._open[-1].texts.append("NaN")
            self._open[-1].inner.append(value)

    def _close(self, end: int) -> Any:
        done = self._open.pop()
        done.texts.append(self._text[self._start : end])
        self._start = end
        return done.parse(self._make)


@dataclass
class _OpenValue:
    """A value whose end has not come yet: its text so far, and the parsed values that NaN stands for in it."""

    texts: list[str] = field(default_factory=list)
    inner: deque[Any] = field(default_factory=deque)

    def parse(self, make: MakeObject) -> Any:
        decoder = json.JSONDecoder(object_pairs_hook=make, parse_int=_number, parse_constant=self._next)
        try:
            value = decoder.decode("".join(self.texts))
        except json.JSONDecodeError as error:
            raise BrokenRecordError(f"not JSON ({error.msg}, in a value nested deep), wanted JSON") from None
        if self.inner:  # a NaN of ours stood inside a string: its quotes do not match
            raise BrokenRecordError("not JSON (a string is never closed), wanted JSON")
        return value

    def _next(self, name: str) -> Any:
        return self.inner.popleft() if name == "NaN" and self.inner else _no_constant(name)

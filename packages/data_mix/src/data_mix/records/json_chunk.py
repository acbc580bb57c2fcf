"""A chunk of JSON Lines → frames: a fast path, and a slow one that decides wherever the fast one is in doubt.

The slow path reads line by line with `json_record` and defines what a record is. The fast path is pyarrow's JSON reader, not
polars': given a schema it refuses a value of another type, a key that comes twice and half a surrogate pair, all of which
polars (2.1) turns into something else in silence, at two thirds of polars' speed. What pyarrow accepts and the slow
path would not is looked for beside it, over the whole chunk at once:

    bytes that are not UTF-8           one pass over the chunk
    NaN and Inf as values, and a zero  one search for it, and for the words before a comma or a closing bracket (a text may
      byte, which ends the text          hold them too, and is then left to the slow path)
    two records in a line, or one      every line starts with { and ends with }: since JSON has no place where { may follow }
      over two lines                   but between two values, each line then holds whole records, and as many lines as
                                       records means one in each
    lines too long, records too deep   from the lengths of the lines and the number of brackets
    whole numbers beyond all floats    infinite where a Float64 was asked for

On any doubt or refusal the chunk is halved, and halved again, until what is left is small enough for the slow path: so one
bad record in a chunk costs little, and the bad line is found and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from numpy.typing import NDArray

from data_mix.arrays import from_numpy
from data_mix.records.compressed import Lines
from data_mix.records.json_record import MAX_DEPTH, BrokenRecordError, Pairs, checked, described, instance, parse, pick
from data_mix.records.record_frame import Wanted

_SMALL: Final = 65_536
_LAX: Final = re.compile(rb"(?:NaN|Inf(?:inity)?)[ \t\r]*[,}\]]")
_LAX_STARTS: Final = (b"NaN", b"Inf")
_ARROW: Final = {pl.String: pa.string(), pl.Boolean: pa.bool_(), pl.Int64: pa.int64(), pl.Float64: pa.float64()}
_NEWLINE, _RETURN, _OPEN, _CLOSE = b"\n\r{}"


@dataclass(frozen=True)
class JsonReader:
    """Turns chunks of lines into frames of the columns wanted, `record` and `drop`."""

    wanted: Wanted

    def frames(self, lines: Lines) -> Iterator[pl.DataFrame]:
        """One frame where the chunk is sound, several where it was halved."""
        frame = self.fast(lines)
        if frame is not None:
            yield frame
            return
        half = lines.data.find(b"\n", len(lines.data) // 2) + 1
        if len(lines.data) <= _SMALL or half in (0, len(lines.data)):
            yield self.slow(lines)
            return
        head, tail = lines.data[:half], lines.data[half:]
        yield from self.frames(Lines(lines.first, head))
        yield from self.frames(Lines(lines.first + head.count(b"\n"), tail))

    def fast(self, lines: Lines) -> pl.DataFrame | None:
        """The frame of a chunk, or None where it needs the slow path."""
        numbers = self._numbers(lines.data)
        if numbers is None or not _is_json_text(lines.data):
            return None
        table = self._table(lines.data)
        if table is None or table.num_rows != len(numbers):
            return None
        if any(pc.any(pc.is_inf(floats)).as_py() for column in table.columns for floats in _floats(column)):
            return None
        table = table.append_column("record", from_numpy((numbers + lines.first).astype(np.uint64)))
        return pl.DataFrame(table.append_column("drop", pa.nulls(len(numbers), pa.string())))

    def slow(self, lines: Lines) -> pl.DataFrame:
        """The frame of a chunk, read line by line."""
        return self.wanted.frame(numbered(lines), self._columns)

    def _columns(self, line: bytes) -> dict[str, Any]:
        value = parse(checked(line, self.wanted.longest), Pairs)
        if not isinstance(value, Pairs):
            raise BrokenRecordError(f"holds {described(value)}, wanted an object")
        return pick(value, self.wanted.schema)

    def _numbers(self, data: bytes) -> NDArray[np.intp] | None:
        """Numbers, from 0, of the lines that are not blank; None unless each of them has its braces and a fair size."""
        characters = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(characters == _NEWLINE)
        if not data.endswith(b"\n"):
            ends = np.append(ends, len(data))
        starts = np.concatenate(([0], ends[:-1] + 1))
        longest = int((ends - starts).max())
        if longest > self.wanted.longest or (longest > MAX_DEPTH and data.count(b"[") + data.count(b"{") > MAX_DEPTH):
            return None
        last = ends - 1 - (characters[ends - 1] == _RETURN)
        filled = np.flatnonzero(last >= starts)
        braced = (characters[starts[filled]] == _OPEN).all() and (characters[last[filled]] == _CLOSE).all()
        return filled if braced else None

    def _table(self, data: bytes) -> pa.Table | None:
        """What pyarrow makes of a chunk; None where it refuses any of it."""
        fields = pa.schema([(name, _arrow(dtype)) for name, dtype in self.wanted.schema.items()])
        try:
            return pyarrow.json.read_json(
                pa.BufferReader(data),
                pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                pyarrow.json.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore"),
            )
        except pa.ArrowInvalid:
            return None


def numbered(lines: Lines) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers in the file, from 0."""
    for number, line in enumerate(lines.data.split(b"\n"), lines.first):
        if line.strip(b" \t\r"):
            yield number, line


def _arrow(dtype: pl.DataType) -> pa.DataType:
    """The Arrow type by which pyarrow's JSON reader makes a column of this type."""
    if isinstance(dtype, pl.List):
        return pa.list_(_arrow(instance(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pa.struct([(field.name, _arrow(instance(field.dtype))) for field in dtype.fields])
    return _ARROW[type(dtype)]


def _is_json_text(data: bytes) -> bool:
    """Whether a chunk is UTF-8 and free of zero bytes and of what looks like NaN or Infinity as a value."""
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])  # copies nothing
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return b"\0" not in data and not any(_holds_lax(data, start) for start in _LAX_STARTS)


def _holds_lax(data: bytes, start: bytes) -> bool:
    """Whether a word that begins so stands where it may be a value; numpy finds its letters faster than a pattern does."""
    characters = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(characters[: len(data) - len(start)] == start[0])
    for distance in range(1, len(start)):
        places = places[characters[places + distance] == start[distance]]
    return any(_LAX.match(data, place) for place in places.tolist())


def _floats(array: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array | pa.ChunkedArray]:
    """All numbers with a fraction that a column holds, at any depth."""
    if pa.types.is_list(array.type):
        yield from _floats(array.combine_chunks().flatten() if isinstance(array, pa.ChunkedArray) else array.flatten())
    elif pa.types.is_struct(array.type):
        for child in array.flatten():
            yield from _floats(child)
    elif pa.types.is_floating(array.type):
        yield array

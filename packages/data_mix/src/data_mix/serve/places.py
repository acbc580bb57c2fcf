"""The rows of a build by their place: parts in the order of the manifest, mapped into memory and read on demand."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_mix.arrays import strings, to_numpy
from data_mix.report.conversation import as_shown
from data_mix.report.lengths import UNKNOWN_LENGTH, TokenLengths, Unit, characters, token_lengths
from data_mix.shards import Build, Part


@dataclass
class PlacedPart:
    """A part, with the place of its first row among all rows of the build."""

    part: Part
    start: int
    table: pa.Table
    tokens: NDArray[np.int64] | None
    """Lengths in tokens."""
    in_tokens: bool
    """Whether the build's lengths are in tokens; a part of dropped rows then has none."""

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """The length of each row; characters are counted when they are first asked for."""
        if self.tokens is not None:
            return self.tokens
        return np.full(self.part.rows, UNKNOWN_LENGTH) if self.in_tokens else characters(self.table)

    def having_language(self, tag: str) -> NDArray[np.bool_]:
        """Which rows have this tag."""
        return (pl.Series(self.table["lang"]) == tag).to_numpy()

    def shown(self, place: int, most: int) -> dict[str, Any]:
        """The row at a place of the part."""
        return as_shown(self.table.slice(place, 1).to_pylist()[0], self.part.split, self._length(place), most)

    def _length(self, place: int) -> int | None:
        """Of one row, without a look at all the others."""
        if self.tokens is None and self.in_tokens:
            return None
        found = characters(self.table.slice(place, 1))[0] if self.tokens is None else self.tokens[place]
        return int(found)

    @cached_property
    def batches(self) -> list[tuple[int, pa.RecordBatch]]:
        """(place of the first row in the part, batch) of the part's batches."""
        batches = self.table.to_batches()
        starts = np.cumsum([0, *(batch.num_rows for batch in batches)]).tolist()
        return list(zip(starts, batches, strict=False))


class Places:
    """All rows of a build."""

    def __init__(self, build: Build) -> None:
        self.build = build
        tokens = token_lengths(build)
        self.unit: Unit = "tokens" if tokens else "characters"
        self.parts = _placed(build, tokens)
        self.rows = sum(part.part.rows for part in self.parts)

    def check(self) -> None:
        """Raise FormatError where the folder is being built again, or was since it was opened."""
        self.build.refuse_other_build()

    def from_place(self, place: int) -> list[PlacedPart]:
        """The parts that hold this place and those after it."""
        starts = [part.start for part in self.parts]
        return self.parts[max(bisect_right(starts, place) - 1, 0) :]

    def find(self, name: str, most: int) -> dict[str, Any] | None:
        """The row of this id; None where there is none."""
        wanted = strings([name])[0]
        for part in self.parts:
            place = pc.index(part.table["id"], wanted).as_py()
            if place >= 0:
                return part.shown(place, most)
        return None


def _placed(build: Build, tokens: TokenLengths | None) -> list[PlacedPart]:
    found: list[PlacedPart] = []
    start = 0
    for split in dict.fromkeys(part.split for part in build.parts):
        for part, table in build.tables(split):
            lengths = tokens.of_part.get(part.path) if tokens else None
            found.append(PlacedPart(part, start, table, lengths, tokens is not None))
            start += part.rows
    return found


def text_ends(messages: pa.ListArray) -> NDArray[np.int64]:
    """Messages of all rows up to each, from 0: row i has those from `ends[i]` to `ends[i + 1]` of the flat messages."""
    offsets = to_numpy(messages.offsets).astype(np.int64)
    return np.asarray(offsets - offsets[0], dtype=np.int64)

"""Which conversations stand in the file: of each source those with the lowest hashes of their ids, and their texts cut to fit.

The draw depends on nothing but the ids, so that a build has one sample; `datamix serve` shows all rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.hashing import hash_strings
from data_mix.report.conversation import as_shown
from data_mix.report.lengths import TokenLengths, characters, token_lengths
from data_mix.schema import SPLITS
from data_mix.shards import DROPPED, Build, Part

KEPT: Final = 200
"""Kept conversations of each source."""
OF_DROPPED: Final = 40
"""Dropped conversations of each source, where the build has kept them to be read."""
BYTES: Final = 3_500_000
"""Of the conversations in the file."""
_LEAST_ROWS: Final = 5
_LEAST_CHARACTERS: Final = 200
_MOST_CHARACTERS: Final = 6_000
"""Of one message."""

Row = dict[str, Any]
_Drawn = tuple[int, Part, pa.Table, int, int | None]
"""Hash, part, its table, place in it, length."""


def sample_rows(build: Build) -> list[Row]:
    """The sample, in the order of the mix: at most `BYTES` as JSON, but for ids and turns without end."""
    tokens, kept, dropped, most = token_lengths(build), KEPT, OF_DROPPED, _MOST_CHARACTERS
    drawn = {name: _drawn(build, name, tokens) for name in build.manifest["sources"]}
    while True:
        rows = [row for each in drawn.values() for row in _shown(each, kept, dropped, most)]
        size = sum(len(json.dumps(row, ensure_ascii=False).encode("utf8", "backslashreplace")) for row in rows)
        if size <= BYTES or (kept <= _LEAST_ROWS and most <= _LEAST_CHARACTERS):
            return rows
        if most > _LEAST_CHARACTERS:
            most //= 2
        else:
            kept, dropped = kept // 2, dropped // 2


def _drawn(build: Build, source: str, tokens: TokenLengths | None) -> dict[bool, list[_Drawn]]:
    """The lowest hashes of a source, of its kept and of its dropped rows."""
    kept = [row for split in SPLITS for row in _candidates(build, split, source, tokens)]
    dropped = list(_candidates(build, DROPPED, source, tokens))
    return {True: sorted(kept, key=_by_hash)[:KEPT], False: sorted(dropped, key=_by_hash)[:OF_DROPPED]}


def _by_hash(drawn: _Drawn) -> tuple[int, str, int]:
    return drawn[0], drawn[1].path, drawn[3]


def _candidates(build: Build, split: str, source: str, tokens: TokenLengths | None) -> Iterator[_Drawn]:
    """Of each part the rows that can be among the lowest."""
    for part, table in build.tables(split, source):
        hashes = hash_strings(pl.Series(table["id"]), 0, "report")
        lowest = np.argsort(hashes, kind="stable")[:KEPT]
        for place in lowest.tolist():
            yield int(hashes[place]), part, table, place, _length(table, part, place, tokens)


def _length(table: pa.Table, part: Part, place: int, tokens: TokenLengths | None) -> int | None:
    if tokens is None:
        return int(characters(table.slice(place, 1))[0])
    lengths = tokens.of_part.get(part.path)
    return None if lengths is None else int(lengths[place])


def _shown(drawn: dict[bool, list[_Drawn]], kept: int, dropped: int, most: int) -> Iterator[Row]:
    """The rows as the page has them, those of a split together, in the order of the parts."""
    chosen = [*sorted(drawn[True][:kept], key=_place), *sorted(drawn[False][:dropped], key=_place)]
    for _, part, table, place, length in chosen:
        yield as_shown(table.slice(place, 1).to_pylist()[0], part.split, length, most)


def _place(drawn: _Drawn) -> tuple[int, str, int]:
    return [*SPLITS, DROPPED].index(drawn[1].split), drawn[1].path, drawn[3]

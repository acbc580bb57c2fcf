"""What a query asks, and a page of the rows that fit.

A query goes through the rows in the order of the build and ends when its page is full or its time is up. The answer says where
to go on (`next`): the place of the first row that was not looked at, or null where none is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_mix.arrays import text_offsets
from data_mix.errors import UsageError
from data_mix.serve.places import PlacedPart, Places, text_ends

ROWS: Final = 25
"""Of a page."""
SECONDS: Final = 0.3
"""After which a query answers with what it has."""
CHARACTERS: Final = 20_000
"""Of a message in a page."""
_BLOCK_ROWS: Final = 4_096
_BLOCK_BYTES: Final = 4_000_000
"""Searched at once, between two looks at the clock."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which rows are asked for; an empty text asks nothing."""

    source: str = ""
    lang: str = ""
    split: str = ""
    min: int = 0
    max: int | None = None
    q: str = ""
    """Stands in a message or in the id, large or small letters alike."""
    after: int = 0
    """The place to begin at."""
    rows: int = ROWS
    """Most rows of the answer."""

    @property
    def asks_for_length(self) -> bool:
        """Whether lengths must be known."""
        return self.min > 0 or self.max is not None


def parse_query(given: Mapping[str, str]) -> Query:
    """A query from the parameters of an address; UsageError where one is unknown, or is no number and must be one."""
    unknown = given.keys() - Query.__dataclass_fields__.keys()
    if unknown:
        raise UsageError(f"parameter {min(unknown)!r} is not known; wanted one of {', '.join(Query.__dataclass_fields__)}")
    numbers = {name: _number(name, given[name]) for name in ("min", "max", "after", "rows") if given.get(name)}
    texts = {name: given[name] for name in ("source", "lang", "split", "q") if name in given}
    return Query(**texts, **numbers)  # type: ignore[arg-type]


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UsageError(f"parameter {name} is {text[:40]!r}, wanted a whole number")
    return int(text)


def page(places: Places, query: Query, clock: Callable[[], float] = time.monotonic) -> dict[str, Any]:
    """A page of the rows that fit, or as much of it as could be found in `SECONDS`. FormatError where the build is no more."""
    places.check()
    until, rows, most = clock() + SECONDS, list[dict[str, Any]](), min(max(query.rows, 1), ROWS)
    for part, found, end in _hits(places, query):
        take = found[: most - len(rows)]
        rows += [part.shown(place, CHARACTERS) for place in take]
        following = part.start + (take[-1] + 1 if len(rows) == most else end)
        if len(rows) == most or clock() > until:
            break
    else:
        following = places.rows
    return {"rows": rows, "next": following if following < places.rows else None, "looked": following, "of": places.rows}


def _hits(places: Places, query: Query) -> Iterator[tuple[PlacedPart, list[int], int]]:
    """(part, places that fit, place up to which was looked), block by block."""
    for part in places.from_place(query.after):
        first = max(query.after - part.start, 0)
        if query.source not in {"", part.part.source} or query.split not in {"", part.part.split}:
            continue
        fits = _fits(part, query)
        if not query.q:
            yield part, (np.flatnonzero(fits[first:]) + first)[:ROWS].tolist(), part.part.rows
        else:
            for found, end in _search(part, query.q, first, fits):
                yield part, found, end


def _fits(part: PlacedPart, query: Query) -> NDArray[np.bool_]:
    fits = part.having_language(query.lang) if query.lang else np.ones(part.part.rows, dtype=bool)
    if query.asks_for_length:
        most = np.iinfo(np.int64).max if query.max is None else query.max
        fits = fits & (part.lengths >= query.min) & (part.lengths <= most)
    return fits


def _search(part: PlacedPart, text: str, first: int, fits: NDArray[np.bool_]) -> Iterator[tuple[list[int], int]]:
    """(places that hold the text, place up to which was looked); blocks of which no row fits are not read."""
    for start, batch in part.batches:
        begin = max(first - start, 0)
        if begin >= batch.num_rows:
            continue
        ends = text_ends(batch["messages"])
        for low, high in _blocks(batch, ends, begin):
            wanted = fits[start + low : start + high]
            if wanted.any():
                holds = _holding(batch, ends, low, high, text)
                yield (np.flatnonzero(holds & wanted) + start + low).tolist(), start + high
            else:
                yield [], start + high


def _blocks(batch: pa.RecordBatch, ends: NDArray[np.int64], begin: int) -> Iterator[tuple[int, int]]:
    """Runs of rows with some megabytes of text each; a row that is larger is a run of its own."""
    contents = batch["messages"].flatten().field("content")
    so_far = text_offsets(contents).astype(np.int64)[ends] if len(contents) else ends
    while begin < batch.num_rows:
        full = int(np.searchsorted(so_far, so_far[begin] + _BLOCK_BYTES, side="right")) - 1
        end = min(max(full, begin + 1), begin + _BLOCK_ROWS, batch.num_rows)
        yield begin, end
        begin = end


def _holding(batch: pa.RecordBatch, ends: NDArray[np.int64], low: int, high: int, text: str) -> NDArray[np.bool_]:
    """Which rows of a block hold the text in a message, or in their id."""
    first, last = int(ends[low]), int(ends[high])
    contents = batch["messages"].flatten().field("content").slice(first, last - first)
    counted = np.concatenate([[0], np.cumsum(_matches(contents, text))])
    in_messages = np.diff(counted[ends[low : high + 1] - first]) > 0
    return np.asarray(in_messages | _matches(batch["id"].slice(low, high - low), text))


def _matches(texts: pa.Array, text: str) -> NDArray[np.bool_]:
    """Which texts hold the text, as it is and not as an expression."""
    found = pl.Series(pc.match_substring(texts, text, ignore_case=True)).fill_null(value=False)
    return np.asarray(found.to_numpy(), dtype=bool)

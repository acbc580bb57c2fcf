"""Lengths and turns of every row, read from the columns of the parts.

A length is in tokens where token shards of this very build lie beside it, else in characters of the messages. Rows of
`dropped/` have no tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_mix.arrays import to_numpy
from data_mix.errors import FormatError
from data_mix.schema import SPLITS
from data_mix.shards import Build
from data_mix.tokens import Tokens, open_tokens

Unit = Literal["tokens", "characters"]

UNKNOWN_LENGTH: Final = -1
"""Stands for the length of a row that has none: dropped, where lengths are in tokens."""

_Measure = Callable[[pa.StructArray], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class TokenLengths:
    """Tokens of every kept row, and the shards that they are from."""

    tokens: Tokens
    of_part: dict[str, NDArray[np.int64]]
    """Tokens of each row of a part, by the part's path."""


def token_lengths(build: Build) -> TokenLengths | None:
    """Lengths from token shards of this build; None where there are none that are whole. Of several, the first by name."""
    for path in sorted((build.path / "tokens").glob("*.json")):
        try:
            tokens = open_tokens(path)
        except FormatError:
            continue  # unfinished or of another version: `datamix verify` says so
        if tokens.manifest.get("build") == build.manifest["fingerprint"]:
            return TokenLengths(tokens=tokens, of_part=_by_part(build, tokens))
    return None


def _by_part(build: Build, tokens: Tokens) -> dict[str, NDArray[np.int64]]:
    """Row i of a token shard is row i of its split, over all parts in the order of the manifest."""
    found: dict[str, NDArray[np.int64]] = {}
    for split in SPLITS:
        parts = [part for part in build.parts if part.split == split]
        ends = np.cumsum([0, *(part.rows for part in parts)])
        lengths = tokens.lengths(split)
        if len(lengths) != ends[-1]:
            raise FormatError(f"{tokens.path}: has {len(lengths)} rows of {split}, the build {ends[-1]}; tokenize again")
        found |= {part.path: lengths[ends[place] : ends[place + 1]] for place, part in enumerate(parts)}
    return found


def characters(table: pa.Table) -> NDArray[np.int64]:
    """Characters of the messages of each row."""
    return _per_row(table, lambda flat: pl.Series(flat.field("content")).str.len_chars().fill_null(0).to_numpy())


def assistant_turns(table: pa.Table) -> NDArray[np.int64]:
    """Turns of the assistant in each row."""
    return _per_row(table, lambda flat: (pl.Series(flat.field("role")) == "assistant").to_numpy())


def trained_turns(table: pa.Table) -> int:
    """Turns that count in the loss."""
    return sum(pc.sum(chunk.flatten().field("train")).as_py() or 0 for chunk in table["messages"].chunks)


def _per_row(table: pa.Table, measure: _Measure) -> NDArray[np.int64]:
    """Sum over the messages of each row what is measured of each message."""
    sums = [np.zeros(0, np.int64), *(_sums(chunk, measure) for chunk in table["messages"].chunks)]
    return np.concatenate(sums)


def _sums(messages: pa.ListArray, measure: _Measure) -> NDArray[np.int64]:
    offsets = to_numpy(messages.offsets).astype(np.int64)
    totals = np.concatenate([[0], np.cumsum(measure(messages.flatten()), dtype=np.int64)])
    ends = totals[offsets - offsets[0]]
    return np.asarray(np.diff(ends), dtype=np.int64)

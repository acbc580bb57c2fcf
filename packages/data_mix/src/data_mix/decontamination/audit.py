"""What was found, for people: a line per row and item, and counts per benchmark.

{"id": "gsm8k/train:7", "benchmark": "gsm8k-test", "item": "test:12", "text": "A train travels …"}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import polars as pl

COLUMN: Final = "contamination"
"""The measure's column: the items that a row holds; null: none."""

SHOWN: Final = 300
"""Characters of the overlapping text that are kept."""

FOUND: Final = pl.List(pl.Struct({"benchmark": pl.String(), "item": pl.String(), "text": pl.String()}))


def audit_lines(keys: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """A line per row and item, in the order of the rows; `keys` has `id` and `contamination`."""
    yield from _found(keys).iter_rows(named=True)


def counts(keys: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Of each benchmark in the order of their names, how many of its items were found, and in how many rows."""
    by_name = _found(keys).group_by("benchmark").agg(pl.col("item").n_unique(), pl.col("id").n_unique()).sort("benchmark")
    return {name: {"items": items, "rows": rows} for name, items, rows in by_name.iter_rows()}


def _found(keys: pl.DataFrame) -> pl.DataFrame:
    found = keys.select("id", pl.col(COLUMN).cast(FOUND)).filter(pl.col(COLUMN).list.len() > 0)
    return found.explode(COLUMN).unnest(COLUMN)

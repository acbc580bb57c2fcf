"""What was found, for people: a line per cluster, the row that stays and those that were dropped for it.

{"kept": "dolly15k/databricks-dolly-15k:7", "dropped": [{"id": "dolly15k/databricks-dolly-15k:902", "similarity": 0.93}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl


def audit_lines(keys: pl.DataFrame, found: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """A line per cluster, in the order of the rows that stay; `keys` has `id`, `found` is of `find_near_duplicates`."""
    named = found.select(
        "kept", pl.struct(id=keys["id"].gather(found["row"]), similarity=pl.col("similarity").round(2)).alias("dropped")
    )
    for kept, dropped in named.group_by("kept", maintain_order=True).agg("dropped").sort("kept").iter_rows():
        yield {"kept": keys["id"][kept], "dropped": dropped}


def counts(found: pl.DataFrame) -> dict[str, int]:
    """How many clusters there are, and how many rows are dropped."""
    return {"clusters": found["kept"].n_unique(), "rows": len(found)}

"""datamix's part of `bench_near_duplicates.py`: `MinHash` by batches of 20,000 rows, as a build takes it, then the search."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from data_mix.measures.minhash import MinHash
from data_mix.near_duplicates.search import find_near_duplicates
from data_mix.near_duplicates.settings import NearDuplicateSettings
from data_mix.schema import pair

BATCH = 20_000


def warm_up() -> None:
    """Have everything compiled, or the machine code loaded."""
    text = "one two three four five six seven eight nine ten eleven twelve"
    _find([_measured(pl.DataFrame({"prompt": [text] * 2, "response": [text] * 2}))])


def run(path: Path) -> list[int]:
    """The rows that are dropped."""
    batches = pq.ParquetFile(path).iter_batches(BATCH, columns=["prompt", "response"])
    return _find([_measured(pl.DataFrame(pa.Table.from_batches([batch]))) for batch in batches])


def _measured(rows: pl.DataFrame) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    frame = rows.select(pair("prompt", "response"), drop=nothing, group=nothing)
    values = MinHash(NearDuplicateSettings()).take(frame)
    return pl.concat([frame.select("group", "drop"), values], how="horizontal")


def _find(measured: list[pl.DataFrame]) -> list[int]:
    dropped: list[int] = find_near_duplicates(pl.concat(measured), NearDuplicateSettings())["row"].to_list()
    return dropped

"""The floor of `bench_build.py`: read the raw files, write the columns of a build once with their SHA-256, and no more.

Nothing is cleaned, checked, de-duplicated, split, cached or synced to the disk; what is left is what any builder must do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.schema import CONVERSATION

ROWS_AT_A_TIME = 16_384  # fits the caches; larger batches are slower here
DOLLY = dict.fromkeys(("instruction", "context", "response", "category"), pl.String)
OLDEST = pl.CompatLevel.oldest()


class Digested:
    """A file that hashes what is written to it."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.hash, self.closed = raw, hashlib.sha256(), False

    def write(self, data: bytes) -> int:
        """Hash and write."""
        self.hash.update(data)
        return self.raw.write(data)

    def flush(self) -> None:
        """Nothing to do: the raw file is flushed when it is closed."""

    def close(self) -> None:
        """Nothing to do: who opened the raw file closes it."""


def run(raw: Path, out: Path) -> int:
    """Read `dolly.jsonl` and `gsm8k.parquet` in `raw`, write one Arrow file each; return the rows written."""
    out.mkdir()
    dolly = pl.read_ndjson(raw / "dolly.jsonl", schema=DOLLY)
    with_context = pl.concat_str("instruction", pl.lit("\n\n"), "context")
    asked = pl.when(pl.col("context") == "").then("instruction").otherwise(with_context)
    _write(out / "dolly15k.arrow", dolly.select(prompt=asked, answer="response"))
    gsm8k = pl.read_parquet(raw / "gsm8k.parquet")
    _write(out / "gsm8k.arrow", gsm8k.select(prompt="question", answer="answer"))
    return len(dolly) + len(gsm8k)


def _write(path: Path, pairs: pl.DataFrame) -> None:
    with path.open("wb") as raw, pa.ipc.new_file(pa.PythonFile(Digested(raw), mode="w"), CONVERSATION) as writer:
        for batch in _batches(pairs, path.stem):
            writer.write_batch(batch)


def _batches(pairs: pl.DataFrame, source: str) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(pairs), ROWS_AT_A_TIME):
        batch = pairs.slice(start, ROWS_AT_A_TIME)
        rows = len(batch)
        numbers = pl.int_range(start, start + rows).cast(pl.String)
        ids = pl.select(pl.concat_str(pl.lit(f"{source}/raw:"), numbers)).to_series()
        sources = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), [source])
        columns = [_strings(ids), sources, pa.repeat("en", rows), _messages(batch), _strings(_texts(batch))]
        yield pa.RecordBatch.from_arrays(columns, schema=CONVERSATION)


def _texts(batch: pl.DataFrame) -> pl.Series:
    """The openassistant layout of each pair."""
    parts = (pl.lit("<|prompter|>"), "prompt", pl.lit("<|endoftext|><|assistant|>"), "answer", pl.lit("<|endoftext|>"))
    return batch.select(pl.concat_str(parts)).to_series()


def _messages(batch: pl.DataFrame) -> pa.ListArray:
    """Each pair as a list of two messages, built from flat arrays (three times as fast as `pl.concat_list` of structs)."""
    rows = len(batch)
    places = np.arange(2 * rows, dtype=np.uint32).reshape(2, rows).T.ravel()  # 0, rows, 1, rows + 1, …
    contents = _strings(pl.concat([batch["prompt"], batch["answer"]]).gather(places))
    roles = pa.array(["user", "assistant"]).take(pa.array(np.tile(np.arange(2), rows)))
    trained = pa.array(np.tile(np.array([False, True]), rows))
    flat = pa.StructArray.from_arrays([roles, contents, trained], ["role", "content", "train"])
    return pa.ListArray.from_arrays(pa.array(np.arange(0, 2 * rows + 1, 2, dtype=np.int32)), flat)


def _strings(series: pl.Series) -> pa.Array:
    return series.to_arrow(compat_level=OLDEST).cast(pa.string())

"""The raw files of `bench_build.py`: Dolly and GSM8K as often as it takes, every copy made distinct."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def make(dolly: Path, gsm8k: Path, *, rows: int, folder: Path) -> None:
    """Write `dolly.jsonl` and `gsm8k.parquet`, together of so many rows, in upstream's layouts and proportion."""
    questions, instructions = pl.read_parquet(gsm8k), pl.read_ndjson(dolly)
    of_dolly = round(rows * len(instructions) / (len(instructions) + len(questions)))
    with (folder / "dolly.jsonl").open("wb") as file:
        for copy in _copies(instructions, "instruction", of_dolly):
            copy.write_ndjson(file)
    pl.concat(_copies(questions, "question", rows - of_dolly)).write_parquet(folder / "gsm8k.parquet")


def _copies(frame: pl.DataFrame, column: str, rows: int) -> list[pl.DataFrame]:
    """The frame repeated to so many rows, with the number of the copy at the end of a column."""
    starts = range(0, rows, len(frame))
    marked = [frame.with_columns(pl.col(column) + f" (copy {number})") for number in range(len(starts))]
    return [copy.head(rows - start) for copy, start in zip(marked, starts, strict=True)]

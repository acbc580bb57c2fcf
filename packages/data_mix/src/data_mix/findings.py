"""What stages find in a row beside a reason to drop it: names in the column `findings`, one per occurrence."""

from __future__ import annotations

import polars as pl


def note(times: pl.Series, name: str) -> pl.Expr:
    """Append the name to the findings of each row, as many times as `times` says; those of other stages stay."""
    names = pl.lit(pl.Series([name])).repeat_by(times.cast(pl.UInt32))
    noted = pl.col("findings").fill_null([]).list.concat(names)
    return pl.when(pl.lit(times) > 0).then(noted).otherwise(pl.col("findings")).alias("findings")

"""The MinHash sketches of a row, by which near-duplicates are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import unidata_version

import numpy as np
import polars as pl

from data_mix.near_duplicates.search import COLUMN
from data_mix.near_duplicates.settings import NearDuplicateSettings
from data_mix.near_duplicates.sketches import sketch


@dataclass(frozen=True)
class MinHash:
    """Two sketches of each row, of the whole conversation and of its answers; null where it is dropped or too short."""

    settings: NearDuplicateSettings

    @property
    def name(self) -> str:
        """What progress calls it."""
        return "minhash"

    @property
    def columns(self) -> Mapping[str, pl.DataType]:
        """The sketches, a byte per value."""
        return {COLUMN: pl.Array(pl.UInt8, 2 * self.settings.permutations)}

    def facts(self) -> dict[str, Any]:
        """The settings without the threshold, which changes no sketch, and the tables of Unicode."""
        return {**self.settings.model_dump(exclude={"threshold"}), "unicode": unidata_version}

    def take(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The sketches of a frame's rows, in the same order."""
        settings = self.settings
        messages = pl.when(pl.col("drop").is_null()).then("messages").fill_null([])
        texts = frame.select(messages).to_series()
        sketches, sizes = sketch(texts, ngram=settings.ngram, permutations=settings.permutations)
        values = pl.DataFrame({COLUMN: sketches}, schema=dict(self.columns))
        is_compared = pl.lit(pl.Series(np.asarray(sizes >= settings.min_ngrams)))
        return values.select(pl.when(is_compared).then(COLUMN).alias(COLUMN))

"""The step *decide* of a build: which rows are dropped, and in which split the others are.

It sees the keys of all rows of the build at once, in the order of the mix, with the values of the measures beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from data_mix.measure import Measure
from data_mix.mix import Mix
from data_mix.selection import KEYS, decide, drop_duplicates
from data_mix.stage import drop_where
from data_mix.steps.asking import Asked
from data_mix.steps.measuring import Measurement
from data_mix.steps.plan import FetchedEntry
from data_mix.steps.staging import Unit, read_keys

_PLACES: Final[dict[str, pl.DataType]] = {"entry": pl.Int32(), "unit": pl.Int32(), "upstream_split": pl.String()}


@dataclass(frozen=True, kw_only=True)
class ReadEntry:
    """An entry of the mix whose raw files are read, and whose rows are measured."""

    fetched: FetchedEntry
    units: tuple[Unit, ...]
    """The tasks of reading it."""
    measures: tuple[Measure, ...]

    def keys(self, place: int) -> pl.DataFrame:
        """The keys of its rows, their values beside them; `place` is the entry's in the mix."""
        return pl.concat([self._no_rows(), *(self._keys_of(place, number, unit) for number, unit in enumerate(self.units))])

    def _keys_of(self, place: int, number: int, unit: Unit) -> pl.DataFrame:
        values = [Measurement(unit, measure).values() for measure in self.measures]
        about = {"entry": place, "unit": number, "upstream_split": unit.files[0].split}
        frame = pl.concat([read_keys(unit.folder).with_row_index("place"), *values], how="horizontal")
        return frame.with_columns(pl.lit(value, _PLACES[name]).alias(name) for name, value in about.items())

    def _no_rows(self) -> pl.DataFrame:
        columns = {name: dtype for measure in self.measures for name, dtype in measure.columns.items()}
        return pl.DataFrame(schema={"place": pl.UInt32(), **KEYS, **columns, **_PLACES})


@dataclass(frozen=True)
class Decision:
    """What is decided of all rows, and by what."""

    keys: pl.DataFrame
    """The keys of all rows, with the split or the reason of each."""
    near_duplicates: pl.DataFrame | None
    """The rows that are dropped as near duplicates (`near_duplicates.FOUND`); None where a mix does not ask for them."""


def decide_rows(mix: Mix, entries: Sequence[ReadEntry], asked: Asked) -> Decision:
    """Decide over all rows of the build, in this order: contaminated rows, duplicates, near duplicates, splits and caps."""
    settings, keys = mix.settings, pl.concat([entry.keys(place) for place, entry in enumerate(entries)])
    if settings.decontaminate_against and settings.decontamination.action == "drop":
        keys = keys.with_columns(drop_where(pl.col("contamination").list.len() > 0, "contaminated"))
    if settings.deduplicate:
        keys = drop_duplicates(keys)
    near = None
    if asked.find_near_duplicates is not None:
        near = asked.find_near_duplicates(keys)
        keys = keys.drop("minhash").with_columns(drop_where(_is_one_of(near["row"], len(keys)), "near_duplicate"))
    selections = [entry.fetched.planned.selection for entry in entries]
    decided = decide(keys, selections, seed=settings.data_seed, mixing=settings.mixing)
    return Decision(decided, near)


def _is_one_of(places: pl.Series, rows: int) -> pl.Expr:
    return pl.lit(pl.int_range(rows, dtype=pl.Int64, eager=True).is_in(places.implode()))

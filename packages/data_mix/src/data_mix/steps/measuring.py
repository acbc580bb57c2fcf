"""The step *measure* of a build: staged part → values of its rows, by one measure.

    measured/KEY/values.arrow   a line per staged row, in the same order
                 proof          bytes and checksum of it

KEY is made of the staged part's own and of the measure's facts. As with staged parts, nothing is waited for on its way to the
disk, and nothing is believed but by its proof.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from data_mix.files import writing_folder
from data_mix.measure import Measure
from data_mix.shards import read_batches
from data_mix.steps.proof import is_as_written, remove_unless, write_proof, write_proven
from data_mix.steps.staging import ROWS, Unit, read_frame
from data_mix.write_behind import write_behind

MEASURED_FOLDER: Final = "measured"
"""The folder of the cache that holds the values."""

VALUES: Final = "values.arrow"


@dataclass(frozen=True)
class Measurement:
    """One task of the step: a measure of one staged part."""

    unit: Unit
    measure: Measure

    @cached_property
    def folder(self) -> Path:
        """Where the values stand, or are to stand."""
        facts = [self.unit.key, self.measure.name, self.measure.facts()]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return self.unit.home / MEASURED_FOLDER / key[:2] / key

    @property
    def is_taken(self) -> bool:
        """Whether the values stand as they were written."""
        return is_as_written(self.folder, VALUES)

    def values(self) -> pl.DataFrame:
        """The values of a measurement that is taken."""
        return read_frame(self.folder / VALUES, self.measure.columns)


def take_measurement(task: Measurement) -> Future[None]:
    """Measure the rows of a staged part, which must stand; the values are written behind."""
    remove_unless(task.folder, lambda: task.is_taken)
    schema = pl.DataFrame(schema=task.measure.columns).to_arrow(compat_level=pl.CompatLevel.oldest()).schema

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        with writing_folder(task.folder, durable=False) as folder:
            write_proof(folder, {VALUES: write_proven(folder / VALUES, schema, batches)})

    return write_behind(write, _batches(task, schema))


def _batches(task: Measurement, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in read_batches(task.unit.folder / ROWS):
        frame = pl.DataFrame(pa.Table.from_batches([batch]))
        values = task.measure.take(frame).cast(pl.Schema(task.measure.columns))
        table: pa.Table = values.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema).combine_chunks()
        yield from table.to_batches()

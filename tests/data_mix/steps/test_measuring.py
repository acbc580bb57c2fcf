"""The step measure: values of staged rows, kept apart from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from building import build_mix, entry, mix_of, pairs, write
from data_mix.files import file_sha256
from data_mix.source import LocalFile
from data_mix.steps.measuring import Measurement, take_measurement
from data_mix.steps.staging import Unit, stage_unit

TAKEN: list[int] = []


@dataclass(frozen=True)
class Letters:
    """Letters of each row, times a factor."""

    factor: int = 1

    name: ClassVar[str] = "letters"
    columns: ClassVar[Mapping[str, pl.DataType]] = {"letters": pl.UInt32()}

    def facts(self) -> dict[str, Any]:
        """The factor."""
        return {"factor": self.factor}

    def take(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The values, wider than they need be."""
        TAKEN.append(len(frame))
        letters = pl.col("messages").list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()
        return frame.select(letters=letters.cast(pl.Int64) * self.factor)


def staged(tmp_path: Path, count: int) -> Unit:
    """A staged part of so many rows, in frames of 50."""
    raw = Path(write(tmp_path / "r.jsonl", pairs(count)).path)
    file = LocalFile(name=raw.name, path=raw, sha256=file_sha256(raw))
    unit = Unit(entry=entry("e"), files=(file,), stages={}, home=tmp_path / "home")
    stage_unit(unit).result()
    return unit


def test_a_value_stands_for_each_row_in_the_order_of_the_part(tmp_path: Path) -> None:
    """The values of a part are those of its rows, over all of its batches."""
    task = Measurement(staged(tmp_path, 120), Letters())
    assert not task.is_taken
    take_measurement(task).result()
    wanted = [len(f"What is  {number}?") + len(f" {number}.") for number in range(120)]
    assert task.values()["letters"].to_list() == wanted
    assert task.values().schema == {"letters": pl.UInt32}


def test_other_facts_stand_in_another_place(tmp_path: Path) -> None:
    """A measure with another option neither finds nor disturbs the values of the first."""
    unit = staged(tmp_path, 3)
    one, other = Measurement(unit, Letters()), Measurement(unit, Letters(2))
    take_measurement(one).result()
    assert one.is_taken
    assert not other.is_taken
    take_measurement(other).result()
    assert (other.values()["letters"] == 2 * one.values()["letters"]).all()


def test_a_damaged_value_is_not_believed(tmp_path: Path) -> None:
    """One flipped bit and the measure is taken anew, in the place of the damaged one."""
    task = Measurement(staged(tmp_path, 3), Letters())
    take_measurement(task).result()
    path = task.folder / "values.arrow"
    before = path.read_bytes()
    path.write_bytes(before[:-30] + bytes([before[-30] ^ 1]) + before[-29:])
    assert not task.is_taken
    take_measurement(task).result()
    assert task.is_taken
    assert path.read_bytes() == before


def test_a_part_without_rows_has_no_values(tmp_path: Path) -> None:
    """The values of nothing are an empty frame with the columns of the measure."""
    task = Measurement(staged(tmp_path, 0), Letters())
    take_measurement(task).result()
    assert task.values().is_empty()
    assert task.values().columns == ["letters"]


def test_a_changed_threshold_takes_no_sketch_again(tmp_path: Path) -> None:
    """What a measure does not depend on may change while its values stay, and no raw file is read again."""
    mix = entry("e", write(tmp_path / "r.jsonl", pairs(40)))
    build_mix(tmp_path, mix_of(mix, near_duplicates={"threshold": 0.7}))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "home").rglob("*.arrow")}
    build_mix(tmp_path, mix_of(mix, near_duplicates={"threshold": 0.9}))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "home").rglob("*.arrow")} == before

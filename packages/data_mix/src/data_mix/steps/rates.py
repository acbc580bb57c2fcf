"""What a build has learnt of its sources and of this machine, so that the next forecast need not assume it.

    rates/KEY.json    of a source: raw bytes of a row and bytes of text in a raw byte, as its entries were last read;
                      of `WORK`: bytes that were read, and written, in a second of one process

KEY is a digest of the name. It is only ever a better guess: nothing of a build depends on it, and it is not waited for on its
way to the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from data_mix.files import output_errors, read_sealed, write_sealed
from data_mix.steps.plan import PlannedEntry, PlannedFile

WORK: Final = "work"
"""The name of the rates that are the machine's, not a source's."""


def remember(home: Path, planned: Sequence[PlannedEntry], keys: pl.DataFrame, work: Mapping[str, tuple[int, float]]) -> None:
    """Note what a build has learnt: of its entries by the `keys` of all rows (with `entry`), of the machine by `work`.

    `work` holds, under `read` and `write`, raw bytes that were read, or bytes that were written, and the seconds of all
    processes together.
    Raises OutputError where it cannot be written.
    """
    for place, each in enumerate(planned):
        rows = keys.filter(pl.col("entry") == place)
        raw = sum(raw_bytes(each, file) for file in each.files)
        if len(rows) and raw:
            text = int(rows["bytes"].cast(pl.Int64).sum())
            _write(home, each.entry.source.name, {"raw_per_row": raw / len(rows), "text_of_raw": text / raw})
    speeds = {name: size / seconds for name, (size, seconds) in work.items() if size and seconds > 0}
    if speeds:
        _write(home, WORK, read_rates(home, WORK) | speeds)


def read_rates(home: Path, name: str) -> dict[str, float]:
    """What is known under a name; empty where nothing is."""
    note = read_sealed(_place(home, name))
    return dict(json.loads(note)) if note else {}


def _write(home: Path, name: str, rates: dict[str, float]) -> None:
    with output_errors(_place(home, name)):
        _place(home, name).parent.mkdir(parents=True, exist_ok=True)
    write_sealed(_place(home, name), json.dumps(rates).encode(), durable=False)


def _place(home: Path, name: str) -> Path:
    return home / "rates" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def raw_bytes(planned: PlannedEntry, file: PlannedFile) -> int:
    """Bytes of a raw file that are read."""
    if file.row_groups is None:
        return file.remote.size or 0
    spans = [planned.fetcher.row_group_span(file.remote, group) for group in file.row_groups]
    return sum(span.end - span.start for span in spans)

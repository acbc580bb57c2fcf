"""Which items of benchmarks stand in a row's messages, whoever says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from data_mix.decontamination.audit import COLUMN, FOUND, SHOWN
from data_mix.decontamination.finding import Match, find_items
from data_mix.decontamination.index import load


@dataclass(frozen=True)
class Contamination:
    """The items of an index that `decontamination.prepare` has made, in each row."""

    index: Path
    """The file of the index; its place is no part of what the values depend on."""
    digest: str
    """SHA-256 of all that the index depends on: items, options, code, tables of Unicode."""

    name: ClassVar[str] = "contamination"
    columns: ClassVar[Mapping[str, pl.DataType]] = {COLUMN: FOUND}

    def facts(self) -> dict[str, Any]:
        """The digest of the index, which stands for the items and the options."""
        return {"index": self.digest}

    def take(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The items in the rows' messages of every role, each item once a row; null where there is none."""
        contents = frame.with_row_index("row").select("row", pl.col("messages").list.eval(pl.element().struct.field("content")))
        contents = contents.explode("messages", empty_as_null=False)
        rows, texts = contents["row"].to_list(), contents["messages"]
        found: dict[int, dict[tuple[str, str], Match]] = {}
        for match in find_items(texts, load(self.index)):
            of_row, item = found.setdefault(rows[match.text], {}), (match.benchmark, match.item)
            if item not in of_row or match.share > of_row[item].share:
                of_row[item] = match
        values: list[list[dict[str, str]] | None] = [None] * len(frame)
        for row, matches in found.items():
            values[row] = [_shown(texts[match.text], match) for match in matches.values()]
        return pl.DataFrame({COLUMN: pl.Series(values, dtype=FOUND)})


def _shown(text: str, match: Match) -> dict[str, str]:
    overlap = text.encode()[match.begin : match.end].decode()
    return {"benchmark": match.benchmark, "item": match.item, "text": overlap[:SHOWN]}

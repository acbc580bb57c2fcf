"""Dolly: instructions and responses written by the employees of Databricks, some about a text that is given with them.

https://huggingface.co/datasets/databricks/databricks-dolly-15k, one record of `databricks-dolly-15k.jsonl`:

    {"instruction": "When did Virgin Australia start operating?",
     "context": "Virgin Australia, the trading name of … commenced services on 31 August 2000 as Virgin Blue, with two aircraft
        on a single route.[3] It suddenly found itself …",
     "response": "Virgin Australia commenced services on 31 August 2000 as Virgin Blue, with two aircraft on a single route.",
     "category": "closed_qa"}

The context stays in the prompt, below the instruction: a third of the instructions cannot be followed without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from data_mix.citations import without_citations
from data_mix.records import read_records, record_key
from data_mix.records.required import required
from data_mix.schema import pair, unless_dropped, with_context
from data_mix.source import Entry, Hub, LocalFile, RawFile, Source

_REPO: Final = "databricks/databricks-dolly-15k"
_REVISION: Final = "bdd27f4d94b9c1f951818a7da7fd7aeea5dbff1a"
_PATH: Final = "databricks-dolly-15k.jsonl"

_COLUMNS: Final = {name: pl.String() for name in ("instruction", "context", "response")}
_NEEDED: Final = ("instruction", "response")


def _files(entry: Entry, _hub: Hub) -> list[RawFile]:
    return [RawFile(repo=_REPO, revision=entry.options.revision or _REVISION, path=_PATH)]


def _read(entry: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    for file in files:
        for records in read_records(file, entry, _COLUMNS):
            rows = required(records, file, entry, _NEEDED).with_columns(without_citations(pl.col(*_COLUMNS)))
            messages = unless_dropped(pair(with_context("instruction", "context"), "response"))
            yield rows.select(messages, "drop", key=record_key(file), lang=pl.lit(entry.options.lang or "en"))


SOURCE: Final = Source(
    name="dolly15k",
    licence="CC-BY-SA-3.0",
    homepage="https://huggingface.co/datasets/databricks/databricks-dolly-15k",
    languages=("en",),
    rows=15_011,
    files=_files,
    read=_read,
)

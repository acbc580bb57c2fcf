"""What the manifest of a build says: the resolved mix, where every byte came from, and what became of every row.

No clock, host, endpoint or absolute path stands in it, so that the same mix on the same raw files gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from data_mix.errors import BuildError
from data_mix.licence import warnings
from data_mix.mix import Mix
from data_mix.schema import SPLITS
from data_mix.shards import Part, part_records
from data_mix.steps.plan import FetchedEntry
from data_mix.template import ChatTemplate


def make_manifest(
    mix: Mix, fetched: Sequence[FetchedEntry], keys: pl.DataFrame, *, parts: Sequence[Part], template: ChatTemplate
) -> dict[str, Any]:
    """The manifest's contents but for the format and the digests of the files beside the parts."""
    by_entry = {rows["entry"][0]: rows for rows in keys.partition_by("entry", maintain_order=True)}
    empty = keys.clear()
    sources = {entry.planned.entry.name: _source(entry, by_entry.get(place, empty)) for place, entry in enumerate(fetched)}
    facts = {"name": mix.name, "mix": mix.portable(), "template": template.describe(), "sources": sources}
    contents = [[part.path, part.sha256] for part in parts]
    licences = {name: source["licence"] for name, source in sources.items()}
    return {
        **facts,
        "fingerprint": hashlib.sha256(json.dumps([facts, contents], sort_keys=True).encode()).hexdigest(),
        "licence_warnings": warnings(licences),
        "parts": part_records(parts),
    }


def _source(fetched: FetchedEntry, rows: pl.DataFrame) -> dict[str, Any]:
    """What became of one entry."""
    entry = fetched.planned.entry
    counts = _counts(rows)
    if counts["read"] != sum(counts["dropped"].values()) + sum(counts["kept"].values()):
        raise BuildError(
            f"entry {entry.name!r}: read {counts['read']} rows, but kept and dropped do not add up to that: {counts}"
        )
    return {
        "source": entry.source.name,
        "licence": fetched.planned.origin.licence,
        "homepage": fetched.planned.origin.homepage,
        "files": fetched.records(),
        "rows": counts,
        "languages": _tally(rows.filter(pl.col("drop").is_null()), "lang"),
        "notices": _notices(fetched, counts),
    }


def _counts(rows: pl.DataFrame) -> dict[str, Any]:
    """Rows read, dropped by reason, kept per split."""
    kept = {split: len(rows.filter(pl.col("split") == split)) for split in SPLITS}
    return {"read": len(rows), "dropped": _tally(rows.drop_nulls("drop"), "drop"), "kept": kept}


def _tally(rows: pl.DataFrame, column: str) -> dict[str, int]:
    """How often each value occurs, by value."""
    return dict(sorted(rows[column].value_counts().iter_rows()))


def _notices(fetched: FetchedEntry, counts: dict[str, Any]) -> list[str]:
    """What a reader of the counts would wonder about."""
    options, notices = fetched.planned.entry.options, []
    if fetched.planned.has_upstream_validation:
        notices.append(f"upstream's own validation split is used, not val_split: {options.val_split}")
    kept, capped = counts["kept"]["train"], counts["dropped"].get("max_train_set")
    if options.size is not None and kept < options.size and not capped:
        notices.append(f"size: {options.size} was asked for, {kept} could be had")
    return notices

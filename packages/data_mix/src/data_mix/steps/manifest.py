"""What the manifest of a build says: the resolved mix, where every byte came from, and what became of every row.

No clock, host, endpoint or absolute path stands in it, so that the same mix on the same raw files gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from data_mix.decontamination.audit import counts as count_items
from data_mix.errors import BuildError
from data_mix.licence import warnings
from data_mix.mix import Mix
from data_mix.mixing import TAKEN, summarise
from data_mix.near_duplicates.audit import counts as count_clusters
from data_mix.schema import SPLITS
from data_mix.shards import Part, part_records
from data_mix.steps.asking import Asked
from data_mix.steps.deciding import Decision
from data_mix.steps.plan import FetchedEntry
from data_mix.template import ChatTemplate


def make_manifest(
    mix: Mix,
    fetched: Sequence[FetchedEntry],
    decision: Decision,
    *,
    asked: Asked,
    parts: Sequence[Part],
    template: ChatTemplate,
) -> dict[str, Any]:
    """The manifest's contents but for the format and the digests of the files beside the parts."""
    keys = decision.keys
    by_entry = {rows["entry"][0]: rows for rows in keys.partition_by("entry", maintain_order=True)}
    empty = keys.clear()
    sources = {entry.planned.entry.name: _source(entry, by_entry.get(place, empty)) for place, entry in enumerate(fetched)}
    facts = {"name": mix.name, "mix": mix.portable(), "template": template.describe(), "sources": sources}
    options = {entry.name: entry.options for entry in mix.entries}
    facts |= _with_values(
        near_duplicates=_near_duplicates(decision),
        contamination=_contamination(keys, asked),
        mixing=summarise(keys, options, mix.settings.mixing),
    )
    contents = [[part.path, part.sha256] for part in parts]
    licences = {name: source["licence"] for name, source in sources.items()}
    return {
        **facts,
        "fingerprint": hashlib.sha256(json.dumps([facts, contents], sort_keys=True).encode()).hexdigest(),
        "licence_warnings": warnings(licences),
        "parts": part_records(parts),
    }


def _near_duplicates(decision: Decision) -> dict[str, int]:
    """Clusters, and rows that were dropped for another of theirs."""
    found = decision.near_duplicates
    return {} if found is None else count_clusters(found)


def _contamination(keys: pl.DataFrame, asked: Asked) -> dict[str, dict[str, int]]:
    """Of each benchmark: items that were found and rows that hold any, of how many looked for, and how many never can be."""
    if not asked.items:
        return {}
    found, none = count_items(keys), {"items": 0, "rows": 0}
    return {
        name: {**found.get(name, none), "looked_for": of, "too_short": asked.left_out.get(name, 0)}
        for name, of in asked.items.items()
    }


def _source(fetched: FetchedEntry, rows: pl.DataFrame) -> dict[str, Any]:
    """What became of one entry."""
    entry = fetched.planned.entry
    counts, kept = _counts(rows), rows.filter(pl.col("drop").is_null())
    if counts["read"] + counts.get("copies", 0) != sum(counts["dropped"].values()) + sum(counts["kept"].values()):
        raise BuildError(
            f"entry {entry.name!r}: read {counts['read']} rows, but kept and dropped do not add up to that: {counts}"
        )
    return {
        "source": entry.source.name,
        "licence": fetched.planned.origin.licence,
        "homepage": fetched.planned.origin.homepage,
        "files": fetched.records(),
        "rows": counts,
        "languages": _written(kept, "lang"),
        "notices": _notices(fetched, counts),
        **_with_values(findings=_findings(kept), agreement=_agreement(kept)),
    }


def _with_values(**facts: dict[str, Any]) -> dict[str, Any]:
    """The facts that say anything: what a mix does not ask for, its manifest does not mention."""
    return {name: values for name, values in facts.items() if values}


def _findings(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Of each name that stages found: in how many rows, and how often."""
    if not rows["findings"].list.len().sum():
        return {}
    found = rows.select("id", "findings").explode("findings").drop_nulls("findings")
    counts = found.group_by("findings").agg(rows=pl.col("id").n_unique(), times=pl.len()).sort("findings")
    return {name: {"rows": rows, "times": times} for name, rows, times in counts.iter_rows()}


def _agreement(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Rows by declared tag and the tag that identification found."""
    if rows["identified"].null_count() == len(rows):
        return {}
    verified = rows.drop_nulls("identified").sort("lang").partition_by("lang", as_dict=True, maintain_order=True)
    return {str(lang): _tally(of_lang, "identified") for (lang,), of_lang in verified.items()}


def _counts(rows: pl.DataFrame) -> dict[str, Any]:
    """Rows read, dropped by reason, kept per split; the copies among the kept where a mix takes rows more than once."""
    by_split = _written(rows.drop_nulls("split"), "split")
    kept = {split: by_split.get(split, 0) for split in SPLITS}
    copies = sum(kept.values()) - rows["split"].count()
    counts = {"read": len(rows), "dropped": _tally(rows.drop_nulls("drop"), "drop"), "kept": kept}
    return counts | ({"copies": copies} if copies else {})


def _written(rows: pl.DataFrame, column: str) -> dict[str, int]:
    """How many rows are written of each value, copies counted."""
    return dict(rows.group_by(column).agg(pl.col("copies").cast(pl.Int64).sum()).sort(column).iter_rows())


def _tally(rows: pl.DataFrame, column: str) -> dict[str, int]:
    """How often each value occurs, by value."""
    return dict(sorted(rows[column].value_counts().iter_rows()))


def _notices(fetched: FetchedEntry, counts: dict[str, Any]) -> list[str]:
    """What a reader of the counts would wonder about."""
    options, notices = fetched.planned.entry.options, []
    if fetched.planned.has_upstream_validation:
        notices.append(f"upstream's own validation split is used, not val_split: {options.val_split}")
    dropped = counts["dropped"]
    had = counts["kept"]["train"] - counts.get("copies", 0) + sum(dropped.get(reason, 0) for reason in TAKEN)
    if options.size is not None and had < options.size and not dropped.get("max_train_set"):
        notices.append(f"size: {options.size} was asked for, {had} could be had")
    return notices

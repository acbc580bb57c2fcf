"""The numbers of the page, from the manifest and the columns of the rows.

What later versions of the manifest have and this build's has not (findings, agreement, near-duplicates, contamination) is left
out of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data_mix.licence import restrictions, warnings
from data_mix.report.audit import contaminated_rows, largest_clusters
from data_mix.report.lengths import TokenLengths, Unit, assistant_turns, characters, token_lengths, trained_turns
from data_mix.schema import SPLITS
from data_mix.shards import Build

_FILES: Final = 60
"""Raw files that are listed of each source; the manifest has all."""
_RANGES: Final = 12
"""Most doublings of a length that have a bar of their own."""
_TURNS: Final = 8
"""From so many turns on conversations share a bar."""


def manifest_figures(build: Build) -> dict[str, Any]:
    """What the manifest and the audit lists say; no row is read."""
    manifest = build.manifest
    sources = {name: _source(source) for name, source in manifest["sources"].items()}
    return {
        "name": manifest["name"],
        "fingerprint": manifest["fingerprint"],
        "template": {"name": manifest["template"]["name"], "eos": manifest["template"].get("eos", "")},
        "unit": unit_of(build),
        "splits": list(dict.fromkeys(part.split for part in build.parts)),
        "sources": sources,
        "licence_warnings": warnings({name: source["licence"] for name, source in manifest["sources"].items()}),
        "near_duplicates": manifest.get("near_duplicates") or {},
        "clusters": largest_clusters(build),
        "contamination": manifest.get("contamination") or {},
        "contaminated": contaminated_rows(build),
    }


def unit_of(build: Build) -> Unit:
    """What lengths are counted in."""
    return "tokens" if token_lengths(build) else "characters"


def _source(source: Mapping[str, Any]) -> dict[str, Any]:
    files = source["files"]
    return {
        "source": source["source"],
        "licence": source["licence"],
        "restrictions": restrictions(source["licence"]),
        "homepage": source["homepage"] or "",
        "rows": source["rows"],
        "languages": source["languages"],
        "findings": source.get("findings") or {},
        "agreement": source.get("agreement") or {},
        "notices": source["notices"],
        "files": [_file(file) for file in files[:_FILES]],
        "more_files": max(len(files) - _FILES, 0),
    }


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    """A raw file; of one that was fetched in part how many row groups there are stands for their digests."""
    kept = {name: file[name] for name in ("url", "revision", "bytes", "sha256", "etag") if file.get(name) is not None}
    return kept | ({"ranges": len(file["ranges"])} if file.get("ranges") else {})


def measured_figures(build: Build) -> dict[str, Any]:
    """Lengths and turns of the kept rows, by source: their columns are read."""
    tokens = token_lengths(build)
    unit: Unit = "tokens" if tokens else "characters"
    lengths: dict[str, list[NDArray[np.int64]]] = {}
    turns: dict[str, list[NDArray[np.int64]]] = {}
    trained = dict.fromkeys(build.manifest["sources"], 0)
    for split in SPLITS:
        for part, table in build.tables(split):
            lengths.setdefault(part.source, []).append(tokens.of_part[part.path] if tokens else characters(table))
            turns.setdefault(part.source, []).append(assistant_turns(table))
            trained[part.source] += trained_turns(table)
    joined = {name: np.concatenate(found) for name, found in lengths.items()}
    return {
        "unit": unit,
        "tokenizer": _tokenizer(tokens),
        "lengths": {name: _spread(found) for name, found in joined.items()},
        "all": _spread(np.concatenate([np.zeros(0, np.int64), *joined.values()])),
        "turns": {name: np.bincount(np.minimum(np.concatenate(found), _TURNS)).tolist() for name, found in turns.items()},
        "trained_turns": trained,
    }


def _tokenizer(tokens: TokenLengths | None) -> dict[str, Any] | None:
    if tokens is None:
        return None
    manifest = tokens.tokens.manifest
    counts = {split: {name: manifest["files"][split][name] for name in ("tokens", "trained")} for split in SPLITS}
    return {"sha256": manifest["tokenizer"]["sha256"], "splits": counts}


def _spread(lengths: NDArray[np.int64]) -> dict[str, Any]:
    """Sum, quantiles, and how many stand in each doubling: bar i holds 8·2^i to 16·2^i - 1 (the first: all below 16)."""
    if not len(lengths):
        return {"rows": 0, "sum": 0, "bars": []}
    places = np.clip(np.log2(np.maximum(lengths, 1)).astype(np.int64) - 3, 0, _RANGES - 1)
    low, median, high, highest = np.quantile(lengths, [0.05, 0.5, 0.95, 0.99], method="inverted_cdf").tolist()
    return {
        "rows": len(lengths),
        "sum": int(lengths.sum()),
        "quantiles": {"p5": low, "median": median, "p95": high, "p99": highest, "longest": int(lengths.max())},
        "bars": np.bincount(places, minlength=_RANGES).tolist(),
    }

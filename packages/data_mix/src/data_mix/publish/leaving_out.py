"""The manifest of what is published of a build: without dropped rows, audit lists, and the entries that are left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from data_mix.errors import PublishError
from data_mix.licence import warnings
from data_mix.shards import CONTAMINATION_LIST, DROPPED, NEAR_DUPLICATES_LIST, Build, part_records


def publishable(build: Build, without: Collection[str]) -> dict[str, Any]:
    """The build's manifest as it is published.

    Of an entry that is left out nothing stays: no part, count, licence or setting. The rows of the others are as they were, so
    one that was dropped as the duplicate of a row that is left out stays dropped; the key `left_out` says so. Raises
    PublishError where the build has no such entry, or no other.
    """
    manifest = build.manifest
    _check(without, manifest["sources"])
    parts = [part for part in build.parts if part.split != DROPPED and part.source not in without]
    kept = {**manifest, "parts": part_records(parts), "files": {}}
    if not without:
        return kept
    sources = {name: source for name, source in manifest["sources"].items() if name not in without}
    contents = [[part.path, part.sha256] for part in parts]
    facts = [manifest["fingerprint"], sorted(without), contents]
    return kept | {
        "mix": manifest["mix"] | {"datasets": [each for each in manifest["mix"]["datasets"] if not {*each} & {*without}]},
        "fingerprint": hashlib.sha256(json.dumps(facts).encode()).hexdigest(),
        "sources": sources,
        "licence_warnings": warnings({name: source["licence"] for name, source in sources.items()}),
        "left_out": sorted(without),
        **_counted_again(build.path, manifest, sources),
    }


def _check(without: Collection[str], sources: Mapping[str, Any]) -> None:
    for name in without:
        if name not in sources:
            raise PublishError(f"--without {name}: the build has no such entry; it has {', '.join(sources)}")
    if sources and not set(sources) - set(without):
        raise PublishError("--without leaves no entry; leave out fewer")


def _counted_again(out: Path, manifest: Mapping[str, Any], sources: Collection[str]) -> dict[str, Any]:
    """The counts over all entries, of the rows that stay, from the audit lists; without a list they cannot be told apart."""
    counts: dict[str, Any] = {}
    for key, name, count in _LISTS:
        if manifest.get(key):
            path = out / name
            if not path.is_file():
                raise PublishError(f"{path}: is missing, wanted to count {key} without what is left out; build again")
            counts[key] = count(_records(path), sources, manifest[key])
    return counts | ({"mixing": _mixing(manifest["mixing"], sources)} if manifest.get("mixing") else {})


def _mixing(before: Mapping[str, Any], sources: Collection[str]) -> dict[str, Any]:
    """What was taken of the entries that stay, their shares those among themselves; notices were of all entries."""
    entries = {name: entry for name, entry in before["entries"].items() if name in sources}
    whole = sum(entry["taken"][before["unit"]] for entry in entries.values())
    shares = {name: round(entry["taken"][before["unit"]] / whole, 6) if whole else 0.0 for name, entry in entries.items()}
    kept = {name: {**entry, "share": shares[name]} for name, entry in entries.items()}
    return {**before, "taken": whole, "entries": kept, "notices": []}


def _records(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf8") as lines:
        yield from (json.loads(line) for line in lines)


def _entry(row_id: str) -> str:
    return row_id.partition("/")[0]


def _near_duplicates(records: Iterator[Any], sources: Collection[str], _before: Any) -> dict[str, int]:
    dropped = [sum(_entry(row["id"]) in sources for row in record["dropped"]) for record in records]
    return {"clusters": sum(count > 0 for count in dropped), "rows": sum(dropped)}


def _contamination(records: Iterator[Any], sources: Collection[str], before: Mapping[str, Any]) -> dict[str, Any]:
    """What was found of each benchmark; what was looked for stays as it was."""
    found: dict[str, tuple[set[str], set[str]]] = {name: (set(), set()) for name in before}
    for record in records:
        if _entry(record["id"]) in sources:
            items, rows = found[record["benchmark"]]
            items.add(str(record["item"]))
            rows.add(record["id"])
    return {name: {**before[name], "items": len(items), "rows": len(rows)} for name, (items, rows) in found.items()}


_LISTS: Final = (
    ("near_duplicates", NEAR_DUPLICATES_LIST, _near_duplicates),
    ("contamination", CONTAMINATION_LIST, _contamination),
)
"""Keys of the manifest, the list from which each is counted again, and how."""

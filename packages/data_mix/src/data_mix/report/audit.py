"""What the audit lists of a build hold, in short: clusters of near-duplicates, and texts that stand in benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from data_mix.errors import FormatError
from data_mix.shards import CONTAMINATION_LIST, NEAR_DUPLICATES_LIST, Build

_CLUSTERS: Final = 20
_MEMBERS: Final = 8
_EXAMPLES: Final = 5
_CHARACTERS: Final = 300


def largest_clusters(build: Build) -> list[dict[str, Any]]:
    """The clusters with the most dropped rows: the row that was kept, how many were dropped, and the first of these."""
    clusters = [(line["kept"], list(line["dropped"])) for line in _lines(build, NEAR_DUPLICATES_LIST)]
    largest = sorted(clusters, key=lambda cluster: (-len(cluster[1]), cluster[0]))[:_CLUSTERS]
    return [{"kept": kept, "rows": len(dropped), "dropped": dropped[:_MEMBERS]} for kept, dropped in largest]


def contaminated_rows(build: Build) -> dict[str, list[dict[str, Any]]]:
    """The first examples of each benchmark: row, item, and the text that both hold."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in _lines(build, CONTAMINATION_LIST):
        examples = found.setdefault(line["benchmark"], [])
        if len(examples) < _EXAMPLES:
            examples.append({"id": line["id"], "item": line["item"], "text": str(line["text"])[:_CHARACTERS]})
    return found


def _lines(build: Build, name: str) -> Iterator[dict[str, Any]]:
    """The lines of a list that the manifest names; none where it does not. FormatError where one cannot be read."""
    if name not in build.manifest["files"]:
        return
    path = build.path / name
    try:
        with path.open(encoding="utf8") as file:
            yield from (json.loads(line) for line in file)
    except (OSError, ValueError) as error:
        raise FormatError(f"{path}: is damaged or missing ({error}); build again") from error

"""What a card says beyond counts: near duplicates, contamination, findings, languages that were verified, and mixing.

Each stands there where the manifest has it: these features are off by default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from data_mix.markdown import code, plain, table


def quality(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The sections, as far as the manifest has what they are made of."""
    near = manifest.get("near_duplicates")
    if near:
        yield "## Near duplicates"
        yield f"{near['rows']:,} rows were dropped as near duplicates: of each of {near['clusters']:,} clusters one row stayed."
    yield from _contamination(manifest.get("contamination") or {})
    yield from _findings(manifest["sources"])
    yield from _agreement(manifest["sources"])
    yield from _mixing(manifest.get("mixing") or {})


def _contamination(found: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """What of benchmarks was found in the rows, and dropped."""
    if found:
        rows = [[code(name), f"{own['items']:,}", f"{own['rows']:,}"] for name, own in found.items()]
        yield "## Contamination"
        yield "Items of benchmarks that were found in conversations, which were dropped."
        yield table(["benchmark", "items found", "rows dropped"], rows, numbers=["items found", "rows dropped"])


def _findings(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What stages found in rows, by source."""
    rows = [
        [code(name), code(finding), f"{count['rows']:,}", f"{count['times']:,}"]
        for name, source in sources.items()
        for finding, count in (source.get("findings") or {}).items()
    ]
    if rows:
        yield "## Findings"
        yield table(["source", "finding", "rows", "times"], rows, numbers=["rows", "times"])


def _agreement(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The languages that were declared beside those that were identified, over all sources."""
    counts: dict[str, Counter[str]] = {}
    for source in sources.values():
        for declared, identified in (source.get("agreement") or {}).items():
            counts.setdefault(declared, Counter()).update(identified)
    if counts:
        rows = [[code(tag), *_agreed(tag, own)] for tag, own in sorted(counts.items())]
        yield "## Languages verified"
        yield table(["declared", "rows", "the same", "identified as another"], rows, numbers=["rows", "the same"])


def _agreed(tag: str, identified: Counter[str]) -> list[str]:
    others = sorted(((count, other) for other, count in identified.items() if other != tag), reverse=True)
    shown = ", ".join(f"{code(other)} {count:,}" for count, other in others)
    return [f"{identified.total():,}", f"{identified[tag]:,}", shown]


def _mixing(mixing: Mapping[str, Any]) -> Iterator[str]:
    """How far the train rows of each entry were taken."""
    if mixing:
        columns = ["train rows", "taken", "epochs", "share"]
        yield "## Mixing"
        yield f"Shares are by {plain(mixing['unit'].replace('_', ' '))}; a row that is taken twice stands there twice."
        yield table(["source", *columns], [_share(name, own) for name, own in mixing["entries"].items()], numbers=columns)
    if mixing.get("notices"):
        yield "\n".join(f"- {plain(notice)}" for notice in mixing["notices"])


def _share(name: str, entry: Mapping[str, Any]) -> list[str]:
    had, taken = entry["had"]["rows"], entry["taken"]["rows"]
    return [code(name), f"{had:,}", f"{taken:,}", f"{entry['epochs']:g}", f"{entry['share']:.1%}"]

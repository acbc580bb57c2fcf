"""The audit lists of a build: which rows were dropped for being alike, or hold an item of a benchmark, for people to read.

    OUT/audit/near_duplicates.jsonl   a line per cluster: the row that stays, and those that were dropped for it
              contamination.jsonl     a line per row and item that was found in it, with the text that they share

They quote benchmarks, so they are never published.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from data_mix.decontamination.audit import audit_lines as item_lines
from data_mix.files import output_errors
from data_mix.near_duplicates.audit import audit_lines as cluster_lines
from data_mix.shards import AUDIT, CONTAMINATION_LIST, NEAR_DUPLICATES_LIST
from data_mix.steps.deciding import Decision


def audit_lists(decision: Decision) -> dict[str, bytes]:
    """The lists by their path in the build folder; only those that the mix asks for."""
    return {name: _as_lines(lines) for name, lines in _lists(decision)}


def _lists(decision: Decision) -> Iterator[tuple[str, Iterable[Mapping[str, Any]]]]:
    if decision.near_duplicates is not None:
        yield NEAR_DUPLICATES_LIST, cluster_lines(decision.keys, decision.near_duplicates)
    if "contamination" in decision.keys.columns:
        yield CONTAMINATION_LIST, item_lines(decision.keys)


def _as_lines(lines: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()


def remove_old_lists(out: Path, lists: Collection[str]) -> None:
    """Remove the lists of an earlier build that this one does not have."""
    for name in (NEAR_DUPLICATES_LIST, CONTAMINATION_LIST):
        if name not in lists:
            with output_errors(out / name):
                (out / name).unlink(missing_ok=True)
    if not lists and (out / AUDIT).is_dir() and not any((out / AUDIT).iterdir()):
        with output_errors(out / AUDIT):
            (out / AUDIT).rmdir()

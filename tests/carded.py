"""Builds with their cards, and the Parquet files that are published of one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from data_mix.cards import CROISSANT, CardFile, build_pages, croissant_bytes, published_pages
from data_mix.schema import SPLITS
from data_mix.shards import Build, open_build


def with_cards(out: Path) -> Build:
    """A build with the cards of its Arrow parts."""
    built = open_build(out)
    _write_pages(out, build_pages(out, built.manifest))
    return built


def as_parquet(out: Path, folder: Path, *, one_per_split: bool) -> list[CardFile]:
    """What is published of a build: Parquet files, a file per split or per part, its manifest, and its cards."""
    built = open_build(out)
    files = []
    for split in SPLITS:
        tables = [table for _, table in built.tables(split)]
        shares = [pa.concat_tables(tables, promote_options="permissive")] if one_per_split else tables
        files += [_write(folder, f"data/{split}-{number:05d}.parquet", share, split) for number, share in enumerate(shares)]
    shutil.copy(out / "manifest.json", folder)
    _write_pages(folder, published_pages(out, built.manifest, files, layout="parquet"))
    return files


def describe(folder: Path, manifest: dict[str, Any], files: Sequence[CardFile]) -> None:
    """Write croissant.json of Parquet files."""
    (folder / CROISSANT).write_bytes(croissant_bytes(manifest, files, "parquet"))


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file."""
    found = json.loads(path.read_text(encoding="utf8"))
    change(found)
    path.write_text(json.dumps(found), encoding="utf8")


def _write_pages(folder: Path, pages: Mapping[str, bytes]) -> None:
    for name, page in pages.items():
        (folder / name).write_bytes(page)


def _write(folder: Path, path: str, table: pa.Table, split: str) -> CardFile:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, folder / path)
    data = (folder / path).read_bytes()
    return CardFile(path, hashlib.sha256(data).hexdigest(), len(data), table.num_rows, split)

"""The pages that are written for what is published, and for a build that is pulled: the one place that knows both cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_mix.cards import CardFile
from data_mix.cards.pages import build_pages, published_pages
from data_mix.publish.published import DataFile, Layout
from data_mix.shards import Build, parts_of


def hub_pages(
    build: Build, manifest: Mapping[str, Any], data: Sequence[DataFile], *, layout: Layout, repo: str
) -> dict[str, bytes]:
    """The pages of the repository, by name."""
    parts = {part.path: part for part in parts_of(dict(manifest))}
    listed = [CardFile(file.path, file.sha256, file.bytes, file.rows, parts[file.part].split) for file in data]
    return published_pages(build.path, manifest, listed, layout=layout, repo=repo)


def local_pages(out: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """The pages of the build folder, whose parts stand there, by name: what `datamix build` writes beside them."""
    return build_pages(out, manifest)

"""The pages that stand beside the data: README.md and croissant.json, of a build and of what is published of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_mix.cards.card_file import CardFile, Layout, arrow_files
from data_mix.cards.croissant import CROISSANT, croissant_bytes
from data_mix.cards.examples import first_conversations
from data_mix.cards.readme import README, build_card
from data_mix.shards import parts_of


def build_pages(out: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """The pages by name of the build in a folder, whose parts are written already."""
    return published_pages(out, manifest, arrow_files(manifest), layout="arrow")


def published_pages(
    out: Path, manifest: Mapping[str, Any], files: Sequence[CardFile], *, layout: Layout, repo: str | None = None
) -> dict[str, bytes]:
    """The pages by name of data files that were made of the build in `out`; `repo` (`OWNER/NAME`) is where they are published.

    The manifest says which parts of the build they hold: of no other is an example shown.
    """
    examples = first_conversations(out, parts_of(dict(manifest)))
    return {
        README: build_card(manifest, examples, layout=layout, files=files, repo=repo).encode(),
        CROISSANT: croissant_bytes(manifest, files, layout, repo),
    }

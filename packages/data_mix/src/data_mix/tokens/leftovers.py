"""What lies below OUT/tokens and is of no use any more: what ended runs left, and the shards of earlier builds."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Final

from data_mix.files import PARTIAL, output_errors, sync_folder
from data_mix.schema import SPLITS
from data_mix.shards import Build
from data_mix.tokens.token_shards import FOLDER

PARTS: Final = ".parts"
"""The suffix of the folder of staged parts."""

PACKS: Final = ".packs"
"""The suffix of the folder in which the indexes of packs of token shards are kept; who trains writes it."""

_OURS: Final = re.compile(rf"([0-9a-f]{{16}})(\.json|\.({'|'.join(SPLITS)})\.arrow|{re.escape(PACKS)}|{re.escape(PARTS)})")
"""What is named by the key of token shards."""


def remove_unfinished(tokens: Path, keep: Path) -> None:
    """Remove what runs left that were ended, but for the staged parts in the folder `keep`, which the next run can use."""
    with output_errors(tokens):
        for path in [*tokens.glob(f"*{PARTIAL}"), *keep.glob(f"*{PARTIAL}")]:
            path.unlink(missing_ok=True)
    for path in tokens.glob(f"*{PARTS}"):
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)


def remove_superseded(build: Build) -> None:
    """Remove token shards, and their packs, of builds that stood in the folder before; this build's stay, of any tokenizer."""
    folder = build.path / FOLDER
    current = {path.stem for path in folder.glob("*.json") if _build_of(path) == build.manifest["fingerprint"]}
    named = [(path, _OURS.fullmatch(path.name)) for path in folder.iterdir()]
    gone = [path for path, name in named if name is not None and name[1] not in current]
    with output_errors(folder):
        for path in gone:
            if path.suffix == ".json":
                path.unlink()
        if gone:
            sync_folder(folder)  # before the shards go, else a power cut could leave a manifest without them
        for path in gone:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _build_of(manifest: Path) -> str | None:
    """The fingerprint of the build that token shards are of; None where their manifest is damaged."""
    try:
        found = json.loads(manifest.read_bytes())
    except (ValueError, RecursionError):
        return None
    return found.get("build") if isinstance(found, dict) else None

"""The folder that a build writes into: whose it is, who may write, and what of an earlier build must go."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from data_mix.errors import OutputError
from data_mix.files import PARTIAL, hold, make_folder, output_errors, sync_folder
from data_mix.schema import SPLITS
from data_mix.shards import AUDIT, DROPPED, MANIFEST, REPORT, read_manifest

_SPLIT_FOLDERS: Final = (*SPLITS, DROPPED)

_OURS: Final = re.compile(
    rf"({'|'.join(_SPLIT_FOLDERS)})/[^/]+\.arrow|tokens/.+|.*\.partial|{AUDIT}/[^/]+\.jsonl|README\.md|croissant\.json|{re.escape(REPORT)}"
)
"""What a build that was ended before its manifest may have left."""


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder for one build; OutputError where another build holds it, or where it holds other things.

    A folder that is made for the build and into which nothing was written goes again.
    """
    with output_errors(out):
        was_there = out.is_dir()
        make_folder(out)
        held = hold(out)
    if held is None:
        raise OutputError(f"{out}: another build is writing it; wait until it ends, or choose another folder with -o")
    try:
        _refuse_foreign(out)
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                out.rmdir()  # only where it is empty
        os.close(held)


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder that holds what no build wrote, so that nobody's files are lost."""
    found = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    if MANIFEST in found:
        read_manifest(out)
        return
    foreign = [name for name in found if not _OURS.fullmatch(name)]
    if foreign:
        raise OutputError(f"{out}: holds files that are no build's ({foreign[0]}); choose an empty folder with -o")


def open_for_writing(out: Path) -> None:
    """Declare the folder unfinished: take its manifest away, and what an ended build left unfinished."""
    manifest = out / MANIFEST
    with output_errors(out):
        if manifest.exists():
            manifest.unlink()
            sync_folder(out)
        (out / REPORT).unlink(missing_ok=True)  # it is of the build that was here
        remove_partials(out)


def sync_names(out: Path, files: Iterable[str]) -> None:
    """Bring the names of a build's files to disk, and of the folders they are in: the manifest must not outlive them."""
    folders = {folder for file in files for folder in (out / file).parents if folder.is_relative_to(out)}
    for folder in sorted(folders, reverse=True):
        with output_errors(folder):
            sync_folder(folder)


def strangers(out: Path, parts: Collection[str]) -> list[Path]:
    """The Arrow files in the folders of the splits that are no part of the build: a reader would take them for some."""
    found = [path for split in _SPLIT_FOLDERS for path in (out / split).glob("*.arrow")]
    return sorted(path for path in found if path.relative_to(out).as_posix() not in parts)


def remove_strangers(out: Path, parts: Collection[str]) -> None:
    """Remove the Arrow files of an earlier build that this one does not have."""
    with output_errors(out):
        for path in strangers(out, parts):
            path.unlink()
            sync_folder(path.parent)  # before the manifest comes, else a power cut could bring them back beside it
    for split in _SPLIT_FOLDERS:
        with suppress(OSError):
            (out / split).rmdir()  # only where it is empty now


def remove_partials(out: Path) -> None:
    """Remove what is unfinished in a folder that this build holds."""
    for path in sorted(out.rglob(f"*{PARTIAL}"), reverse=True):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def remove_dead_folders(cache: Path) -> None:
    """Remove the unfinished folders in a cache whose processes are gone; those of living ones are held (`writing_folder`)."""
    for path in cache.rglob(f"*{PARTIAL}"):
        held = hold(path) if path.is_dir() else None
        if held is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)

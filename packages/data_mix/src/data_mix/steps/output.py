"""The folder that a build writes into: whose it is, who may write, and what of an earlier build must go."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from data_mix.errors import OutputError
from data_mix.files import PARTIAL, output_errors, sync_folder
from data_mix.shards import MANIFEST, read_manifest

_OURS: Final = re.compile(r"(train|validation|dropped)/[^/]+\.arrow|tokens/.+|.*\.partial|README\.md")
"""What a build that was ended before its manifest may have left."""


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder for one build; OutputError where another build holds it, or where it holds other things.

    The lock is the system's on the folder itself (flock), so that it goes with the process that held it.
    """
    folder = _lock(out)
    try:
        _refuse_foreign(out)
        yield
    finally:
        with suppress(OSError):
            out.rmdir()  # only where nothing was written into it
        os.close(folder)


def _lock(out: Path) -> int:
    """Make the folder where there is none, and hold it: its file descriptor, to be closed."""
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise OutputError(f"{out}: another build is writing it; wait until it ends, or choose another folder with -o") from None
    return folder


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
    with output_errors(out):
        (out / MANIFEST).unlink(missing_ok=True)
        sync_folder(out)
        remove_partials(out, older_than=0)


def remove_strangers(out: Path, parts: Collection[str]) -> None:
    """Remove the Arrow files of an earlier build that this one does not have."""
    for folder in ("train", "validation", "dropped"):
        for path in (out / folder).glob("*.arrow"):
            if path.relative_to(out).as_posix() not in parts:
                path.unlink()
        with suppress(OSError):
            (out / folder).rmdir()  # only where it is empty now


def remove_partials(folder: Path, *, older_than: float) -> None:
    """Remove unfinished files and folders that no living process can still be writing (`older_than` in seconds)."""
    for path in sorted(folder.rglob(f"*{PARTIAL}"), reverse=True):
        if time.time() - path.stat().st_mtime < older_than:
            continue
        for inner in path.iterdir() if path.is_dir() else ():
            inner.unlink()
        path.rmdir() if path.is_dir() else path.unlink()

"""What this machine remembers of the builds that it wrote: which task made which file of which folder.

It lets a killed build go on where it was, a changed cap rewrite only the parts that it touches, and an unchanged build end at
once. It lives in the cache, is only ever a short cut (without it, all is written again), and believes a file only while its
size, times and inode are those that were noted, and a note only while its checksum is right.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_mix.errors import OutputError
from data_mix.files import make_folder, output_errors, seal, unseal, write_bytes
from data_mix.shards import MANIFEST, Part

log = logging.getLogger(__name__)


class Journal:
    """The notes on one build folder: a sealed line of JSON per file, appended once the file is in place.

    Raises OutputError where a part cannot be noted.
    """

    def __init__(self, home: Path, out: Path) -> None:
        self._out = out
        self._path = home / "journals" / f"{hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:32]}.jsonl"
        self._notes = {note["path"]: note for note in _read_notes(self._path)}

    def part(self, task: str, path: str) -> Part | None:
        """The part that this task wrote under this path, where it still stands untouched."""
        return Part(**self._notes[path]["part"]) if self._stands(path, task) else None

    def note_part(self, task: str, part: Part) -> None:
        """Remember that the task wrote the part."""
        self._append({"path": part.path, "task": task, "part": asdict(part)})

    def is_whole(self, plan: str, parts: Collection[str], files: Collection[str]) -> bool:
        """Whether the plan ended with the manifest and the files beside it as they stand, and every part is untouched."""
        return all(self._stands(path, plan) for path in (MANIFEST, *files)) and all(self._stands(path) for path in parts)

    def note_end(self, plan: str, files: Collection[str]) -> None:
        """Remember that the plan ended with the manifest and these files beside it, and forget what is gone.

        Raises nothing: the build is whole, and what cannot be noted costs only the next one its short cut. Nor is the disk
        waited for: what a power cut takes away costs no more.
        """
        try:
            for path in (*files, MANIFEST):
                self._append({"path": path, "task": plan})
            standing = [note for path, note in self._notes.items() if self._stands(path)]
            write_bytes(self._path, b"".join(_line(note) for note in standing), durable=False)
        except OutputError as error:
            log.warning("%s (the build is whole, but the next one of this folder will write it anew)", error)

    def _stands(self, path: str, task: str | None = None) -> bool:
        """Whether the file is the one that was noted, and made by this task (None: by any)."""
        note, stat = self._notes.get(path), _stat(self._out / path)
        return note is not None and stat is not None and note["stat"] == stat and task in (None, note["task"])

    def _append(self, note: dict[str, Any]) -> None:
        note["stat"] = _stat(self._out / note["path"])
        self._notes[note["path"]] = note
        with output_errors(self._path):
            make_folder(self._path.parent, durable=False)
            with self._path.open("ab") as file:
                file.write(b"\n" + _line(note))  # a line that a kill cut short ends before this one


def _line(note: dict[str, Any]) -> bytes:
    return seal(json.dumps(note).encode()) + b"\n"


def _stat(path: Path) -> list[int] | None:
    """What a file that was changed cannot have in common with its predecessor; its mtime can be set back, its ctime cannot."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _read_notes(path: Path) -> list[dict[str, Any]]:
    """The notes; a line that is damaged, or that a killed build left unfinished, is passed over."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return [json.loads(data) for line in lines if (data := unseal(line))]

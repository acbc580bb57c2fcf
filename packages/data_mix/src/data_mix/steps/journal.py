"""What this machine remembers of the builds that it wrote: which task made which part of which folder.

It lets a killed build go on where it was, a changed cap rewrite only the parts that it touches, and an unchanged build end at
once. It lives in the cache, is only ever a short cut (without it, all is written again), and believes a file only while its
size, time and inode are those that were noted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_mix.files import write_bytes
from data_mix.shards import MANIFEST, Part


class Journal:
    """The notes on one build folder: a line of JSON per file, appended once the file is in place."""

    def __init__(self, home: Path, out: Path) -> None:
        self._out = out
        self._path = home / "journals" / f"{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:32]}.jsonl"
        self._notes = {note["path"]: note for note in _read_lines(self._path)}

    def part(self, task: str, path: str) -> Part | None:
        """The part that this task wrote under this path, where it still stands untouched."""
        note = self._notes.get(path)
        if note is None or note["task"] != task or note["stat"] != _stat(self._out / path):
            return None
        return Part(**note["part"])

    def note_part(self, task: str, part: Part) -> None:
        """Remember that the task wrote the part."""
        self._append({"path": part.path, "task": task, "part": asdict(part)})

    def is_whole(self, plan: str, out_parts: list[Part]) -> bool:
        """Whether the manifest is the one that this plan ended with and every part still stands untouched."""
        note = self._notes.get(MANIFEST)
        if note is None or note["task"] != plan or note["stat"] != _stat(self._out / MANIFEST):
            return False
        return all(self._stands(part) for part in out_parts)

    def note_manifest(self, plan: str) -> None:
        """Remember that the plan ended with the manifest that stands now, and forget what is gone."""
        self._append({"path": MANIFEST, "task": plan})
        standing = [note for path, note in self._notes.items() if note["stat"] == _stat(self._out / path)]
        write_bytes(self._path, "".join(json.dumps(note) + "\n" for note in standing).encode())

    def _stands(self, part: Part) -> bool:
        note = self._notes.get(part.path)
        return note is not None and note["stat"] == _stat(self._out / part.path)

    def _append(self, note: dict[str, Any]) -> None:
        note["stat"] = _stat(self._out / note["path"])
        self._notes[note["path"]] = note
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")


def _stat(path: Path) -> list[int] | None:
    """What a file that was written again cannot have in common with its predecessor."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """The notes; a line that a killed build left unfinished is passed over."""
    if not path.is_file():
        return []
    notes = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            notes.append(json.loads(line))
        except ValueError:
            continue
    return notes

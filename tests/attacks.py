"""What builds are attacked with: system calls that kill or fail (strace), and small disks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands import Shell, section

ROWS = 40


def small_mix(folder: Path, *, entries: int = 1) -> Shell:
    """Two mixes of small private files, `first` and `second`: of the latter, a cap leaves fewer rows of entry own0."""
    for number in range(entries):
        records = ({"id": str(row), "prompt": f"{number} asks {row}", "response": "words " * row + "."} for row in range(ROWS))
        (folder / f"own{number}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for name, cap in {"first": "", "second": ", max_train_set: 20"}.items():
        lines = [
            f"    - own{number}: {{type: conversations, input_file_path: own{number}.jsonl, lang: en{'' if number else cap}}}\n"
            for number in range(entries)
        ]
        section(folder, f"{name}:\n  datasets:\n{''.join(lines)}", f"{name}.yaml")
    return Shell(cwd=folder, home=folder / "home")


def traced(*options: str) -> list[str]:
    """The words that run a command under strace; the test is skipped where that cannot be."""
    if shutil.which("strace") is None or subprocess.run(["strace", "-o", os.devnull, "true"], check=False).returncode:
        pytest.skip("needs strace (apt-get install strace), and leave to trace processes")
    return ["strace", "-f", "-o", os.devnull, *options]


def failing(call: str, effect: str, *, path: Path | None = None) -> list[str]:
    """The words that run a command of which a system call has this effect (`error=EIO`, `signal=KILL`; `:when=N`)."""
    where = ["-P", str(path)] if path else []
    return traced("-e", f"trace={call}", "-e", f"inject={call}:{effect}", *where)


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory under this folder, with these options of mount; the test is skipped where it cannot be made."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a tmpfs (root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the options of a small disk."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

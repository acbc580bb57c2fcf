"""The folder out of which the sandbox's processes run: their code and, where users cannot reach it, a copy of Python.

Code of a model runs as a user who is nobody, so what it needs must be readable by everyone on the whole path to it. Python
below /root, or in a home that is closed to others, is not: it is then copied, without packages (a third of a second).

A room is claimed by a socket name as long as its owner lives; what a killed one left is removed when the next is made.
"""

from __future__ import annotations

import compileall
import os
import shutil
import socket
import stat
import sys
import sysconfig
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from data_mix.errors import SandboxError

PLACES: Final = (tempfile.gettempdir, lambda: "/tmp", lambda: "/var/tmp", lambda: "/dev/shm")
PREFIX: Final = "datamix-sandbox-"
LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
LEFT_OUT: Final = (
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "config-*",
    "idlelib",
    "tkinter",
    "lib2to3",
    "ensurepip",
    "distutils",
    "turtledemo",
    "pydoc_data",
)
OTHERS_READ: Final = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a child's program, library and code lie."""

    folder: Path
    code: Path
    python: Path
    library: str
    """LD_LIBRARY_PATH: where Python's own library is, if it is one."""
    readable: tuple[str, ...]
    """All that a child may read."""

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a child until it has begun; then it is empty. Hashes of strings are the same in each run."""
        own = {"PYTHONPATH": str(self.code), "PYTHONHASHSEED": "0"}
        return own | ({"LD_LIBRARY_PATH": self.library} if self.library else {})

    @property
    def python_command(self) -> list[str]:
        """Python with its own library and nothing else of this machine."""
        return [str(self.python), "-s", "-S", "-P", "-B", "-X", "utf8"]


def make_room(undoing: ExitStack, *, for_others: bool) -> Room:
    """A new room, removed with `undoing`. Raises SandboxError where no place is open to other users."""
    place = Path(open_place() if for_others else tempfile.gettempdir())
    remove_abandoned(place)
    folder = place / f"{PREFIX}{uuid4().hex}"
    undoing.enter_context(claim(str(folder)))
    folder.mkdir(mode=0o700)
    undoing.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755 if for_others else 0o700)
    code = folder / "code"
    copy_code(code)
    home = Path(sys.base_prefix)
    python = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    if for_others and not all(map(can_others_read, (python, Path(sysconfig.get_path("stdlib"))))):
        home, python = copy_python(folder / "python", python)
    library = str(home / "lib") if home != Path(sys.base_prefix) else ":".join(str(file.parent) for file in linked())
    return Room(folder=folder, code=code, python=python, library=library, readable=readable(home, code))


def claim(name: str) -> socket.socket:
    """Hold a name that the kernel gives back by itself; raises OSError where another holds it."""
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0{name}")
    except OSError:
        held.close()
        raise
    return held


def remove_abandoned(place: Path) -> None:
    """Remove our own rooms that nobody claims any more."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # claimed, or gone meanwhile
            if folder.lstat().st_uid == os.geteuid():
                remove_unclaimed(folder)


def remove_unclaimed(folder: Path) -> None:
    """Remove a room; raises OSError where somebody claims it."""
    with claim(str(folder)):
        shutil.rmtree(folder)


def readable(home: Path, code: Path) -> tuple[str, ...]:
    """What a child may read: Python's library, what it is linked to, and the code of the sandbox."""
    installed = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *(str(file.parent) for file in linked()))
    own = installed if home == Path(sys.base_prefix) else ()
    return tuple(dict.fromkeys((str(home / "lib"), *own, *LIBRARIES, str(code))))


def linked() -> list[Path]:
    """The shared library that this Python is, if it is one."""
    mapped = Path("/proc/self/maps").read_text(encoding="utf8", errors="surrogateescape").splitlines()
    return sorted({Path("/" + line.partition("/")[2]) for line in mapped if "/libpython" in line})


def open_place() -> str:
    """A folder for temporary files that others can reach."""
    for place in PLACES:
        if can_others_read(Path(place())):
            return place()
    raise SandboxError(
        "the sandbox needs a folder for temporary files that other users can reach, and neither $TMPDIR nor /tmp is one; "
        "name one: TMPDIR=/some/folder, with permissions like those of /tmp"
    )


def can_others_read(path: Path) -> bool:
    """Whether any user can reach this and read it."""
    steps = [Path(os.path.realpath(path)), *Path(os.path.realpath(path)).parents]
    return all(step.exists() and step.stat().st_mode & stat.S_IXOTH for step in steps) and bool(
        path.stat().st_mode & stat.S_IROTH
    )


def copy_code(code: Path) -> None:
    """Copy the sandbox's own modules, compiled, in a package that has nothing else."""
    source = Path(__file__).parent
    target = code / "data_mix_eval" / "sandbox" / "inside"
    shutil.copytree(source / "inside", target, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(code, quiet=1)
    open_to_all(code)


def copy_python(home: Path, python: Path) -> tuple[Path, Path]:
    """Copy this Python without its packages; its new home and program."""
    library = Path(sysconfig.get_path("stdlib"))
    ignored = shutil.ignore_patterns(*LEFT_OUT, "*.opt-?.pyc")
    copied = home / "lib" / library.name
    shutil.copytree(library, copied, ignore=ignored, symlinks=True)
    for file in linked():
        shutil.copy(file, home / "lib")
    (home / "bin").mkdir()
    program = Path(shutil.copy(python, home / "bin"))
    open_to_all(home)
    return home, program


def open_to_all(folder: Path) -> None:
    """Let every user read what is in the folder."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)

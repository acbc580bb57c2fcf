"""What the attacks are after, and whether any of it changed."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from data_mix_eval.sandbox.users import RANGES
from eval.attacks.problems import MARK


class Surroundings:
    """What the attacks are after, and whether any of it changed."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        self.folder = folder
        self.victim_file = folder / "victim"
        for path in (folder / "secret", self.victim_file):
            path.write_text("as it was")
            path.chmod(0o666)
        (folder / "folder").mkdir()
        (folder / ".cache" / "huggingface").mkdir(parents=True)
        (folder / ".cache" / "huggingface" / "token").write_text("a token")
        for path in (folder, folder / "folder"):
            path.chmod(0o777)
        self.victim = held.enter_context(subprocess.Popen(["sleep", "3600"]))
        held.callback(self.victim.kill)
        addresses = [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, f"{folder}/server"), (socket.AF_UNIX, "")]
        self.servers = [held.enter_context(server(family, address)) for family, address in addresses]
        self.datagrams = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.datagrams.bind(("127.0.0.1", 0))
        (folder / "server").chmod(0o777)
        for each in (*self.servers, self.datagrams):
            each.setblocking(False)
        self.before = self.files()

    def facts(self) -> dict[str, Any]:
        """Word in an attack → what stands for it."""
        return {
            "SECRET": self.folder / "secret",
            "OUTSIDE": self.folder,
            "VICTIM_FILE": self.victim_file,
            "VICTIM": self.victim.pid,
            "PARENT": os.getpid(),
            "PROJECT": __file__,
            "TCP": self.servers[0].getsockname()[1],
            "UDP": self.datagrams.getsockname()[1],
            "UNIX": self.folder / "server",
            "ABSTRACT": self.servers[2].getsockname()[1:].decode(),
        }

    def files(self) -> dict[str, tuple[Any, ...]]:
        """Every file with all that can change of it."""
        stats = {str(path): path.lstat() for path in (self.folder, *self.folder.rglob("*"))}
        return {path: (s.st_mode, s.st_uid, s.st_nlink, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in stats.items()}

    def changes(self) -> Iterator[str]:
        """What an attack got done."""
        if self.files() != self.before:
            yield "files outside changed"
        if self.victim.poll() is not None:
            yield "a process outside was killed"
        for each in self.servers:
            if succeeds(each.accept):
                yield "a server was reached"
        if succeeds(lambda: self.datagrams.recv(1)):
            yield "a datagram arrived"
        places = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/"), Path.cwd())
        if any(list(place.glob(f"{MARK}*")) for place in places):
            yield "a file was written"


def server(family: int, address: Any) -> socket.socket:
    """A server that answers nobody."""
    found = socket.socket(family)
    found.bind(address)
    found.listen()
    return found


def succeeds(ask: Any) -> bool:
    """Whether somebody called."""
    try:
        ask()
    except BlockingIOError:
        return False
    return True


def processes() -> set[int]:
    """Our descendants and, where we are a user who is nobody, every process of his."""
    parents, users = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                users[int(folder.name)] = int((folder / "status").read_text().partition("\nUid:")[2].split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return ours | {pid for pid, uid in users.items() if uid == os.getuid() and any(uid in ids for ids in RANGES)}


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """What the attacks are after; gone afterwards."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        yield Surroundings(folder, held)

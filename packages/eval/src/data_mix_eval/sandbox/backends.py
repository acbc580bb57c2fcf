"""The two ways to confine a process, and how a slot's keepers are started under each.

`bwrap`     keeper and children live in namespaces of their own, made by bubblewrap: nothing else is there.
`landlock`  children live behind Landlock: the rest is there, and cannot be read, reached or signalled.

Both with a filter of system calls, limits and, for root, users that are nobody. A slot has two keepers, one for code of a model
and one for tests, so that the two are never relatives.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.errors import SandboxError
from data_mix_eval.sandbox.inside import landlock
from data_mix_eval.sandbox.inside.confinement import Confinement
from data_mix_eval.sandbox.inside.syscalls import ARCHITECTURES
from data_mix_eval.sandbox.program import BackEndName, Limits
from data_mix_eval.sandbox.room import Room

KEEPER: Final = "data_mix_eval.sandbox.inside.keeper"
RELATIVES: Final = 2
"""Processes that bubblewrap's namespace holds beside a child: its first one, and the keeper."""
NAMESPACES: Final = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
    *("--cap-drop", "ALL", "--new-session", "--clearenv"),
)
"""A user namespace too, since without it root would keep its powers inside."""


@dataclass(frozen=True, kw_only=True)
class KeeperPlan:
    """How one keeper is started."""

    command: list[str]
    setting: dict[str, Any]
    uid: int | None = None
    """The user that it runs as; None for who we are."""


@dataclass(frozen=True, kw_only=True)
class BackEnd:
    """One of the two ways."""

    name: BackEndName
    room: Room
    limits: Limits

    def plan(self, uid: int | None) -> KeeperPlan:
        """A keeper whose children run as this user, or without one as who we are."""
        start = [*self.room.python_command, "-m", KEEPER]
        if self.name == "landlock":
            confinement = self.confinement(uid, self.room.readable, None if uid is None else self.limits.processes)
            return KeeperPlan(command=start, setting={"confinement": asdict(confinement), "is_alone": False})
        confinement = self.confinement(None, None, self.limits.processes + RELATIVES)
        setting = {"confinement": asdict(confinement), "is_alone": True}
        return KeeperPlan(command=[*self.bubblewrap(), *start], setting=setting, uid=uid)

    def confinement(self, uid: int | None, readable: tuple[str, ...] | None, processes: int | None) -> Confinement:
        """What a child is left with."""
        return Confinement(
            uid=uid,
            readable=readable,
            cpu_seconds=self.limits.cpu,
            memory_bytes=self.limits.memory_bytes,
            open_files=self.limits.open_files,
            processes=processes,
            message_bytes=self.limits.message_bytes,
        )

    def bubblewrap(self) -> list[str]:
        """The command that makes namespaces, up to the program that is run in them."""
        variables = [word for name, value in self.room.environment.items() for word in ("--setenv", name, value)]
        seen = [word for path in (*self.room.readable, str(self.room.python)) for word in ("--ro-bind-try", path, path)]
        rest = ["--dev-bind", os.devnull, os.devnull, "--remount-ro", "/", "--chdir", "/", "--"]
        return [find_bubblewrap(), *NAMESPACES, *variables, *seen, *rest]


def find_bubblewrap() -> str:
    """Where it is; raises SandboxError where it is not."""
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError("bubblewrap is not installed (no bwrap on the PATH): apt-get install bubblewrap")
    return str(Path(found).resolve())


def expect_parts(name: BackEndName) -> None:
    """Raise SandboxError, with what to do, where this machine lacks a part of the back end."""
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise SandboxError(f"the filter of system calls knows {', '.join(ARCHITECTURES)}, and this machine is {machine}")
    if name == "bwrap":
        find_bubblewrap()
        return
    try:
        landlock.version()
    except OSError as error:
        raise SandboxError(
            f"this kernel has no Landlock ({error.strerror}); Linux 5.13 or newer with the security module landlock is wanted"
        ) from None

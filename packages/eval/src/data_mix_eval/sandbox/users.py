"""Users that are nobody: for root, each process of a slot runs as a user of its own, who owns nothing and is nobody else.

A user is claimed by a socket name, which the kernel gives back by itself when the last process that holds it has ended. The
keepers of a slot hold it too: they kill all that runs as that user, which must not be another sandbox's.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_mix.errors import SandboxError
from data_mix_eval.sandbox.room import claim as claim_name

POWERS: Final = {"KILL": 5, "SETGID": 6, "SETUID": 7}
"""Capability → its bit."""

RANGES: Final = (range(1_879_048_192, 1_879_052_288), range(64_000, 65_500))
"""Ids that systemd and Debian leave to nobody; the second is for containers, which have the first 65,536 only."""


def is_root() -> bool:
    """Whether other users can be had."""
    return os.geteuid() == 0


@dataclass(frozen=True)
class User:
    """A user that is nobody."""

    uid: int
    claim: socket.socket


def claim(count: int, claims: ExitStack) -> list[User]:
    """Users that nobody else is, until `claims` is closed. Raises SandboxError where there are too few."""
    expect_powers()
    taken = in_use()
    found: list[User] = []
    for uid in candidates():
        if len(found) == count:
            break
        if uid not in taken and (held := bind(uid)):
            found.append(User(uid, claims.enter_context(held)))
    if len(found) < count:
        raise SandboxError(
            f"the sandbox needs {count} unused user ids and {len(found)} can be had in this container; "
            "map more ids to it, or run as a user who is not root"
        )
    return found


def expect_powers() -> None:
    """Raise SandboxError where root may not become another user, or may not end what runs as one."""
    held = int(status("self").partition("\nCapEff:")[2].split()[0], 16)
    missing = [name for name, bit in POWERS.items() if not held >> bit & 1]
    if missing:
        raise SandboxError(
            f"the sandbox runs code as users who are nobody, and this root lacks the capabilities {', '.join(missing)}; "
            "give them to it, or run as a user who is not root"
        )


def status(process: str) -> str:
    """What the kernel says of a process."""
    return Path("/proc", process, "status").read_text()


def candidates() -> Iterator[int]:
    """Ids that exist here and have no name."""
    mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    for uid in (uid for ids in RANGES for uid in ids):
        if any(first <= uid < first + count for first, _, count in mapped) and not has_name(uid):
            yield uid


def has_name(uid: int) -> bool:
    """Whether the machine knows a user of this id."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def in_use() -> set[int]:
    """The users of all processes."""
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                said = status(folder.name)  # the folder itself is root's where a process cannot be dumped
                found.update(map(int, said.partition("\nUid:")[2].partition("\n")[0].split()))
    return found


def bind(uid: int) -> socket.socket | None:
    """The claim of one id; None where another sandbox has it."""
    try:
        return claim_name(f"datamix-sandbox-user-{uid}")
    except OSError:
        return None

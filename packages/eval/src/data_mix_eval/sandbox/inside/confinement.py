"""How a process gives up what it could do, before it runs anything of a model.

The order matters: each step needs what a later one takes.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from data_mix_eval.sandbox.inside import landlock
from data_mix_eval.sandbox.inside.seccomp import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, forbid, prctl

PR_SET_PDEATHSIG: Final = 1
FIRST: Final = 3
"""The first descriptor that a child is given; 0, 1 and 2 are /dev/null."""


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What a child is left with. Crosses to the keeper as JSON."""

    uid: int | None
    """The user that it becomes; None where it stays who it is."""
    readable: Sequence[str] | None
    """What Landlock leaves to read; None where namespaces do its work."""
    cpu_seconds: int
    memory_bytes: int
    open_files: int
    processes: int | None
    """Processes and threads of its user, counted over the whole machine or namespace; None where others are that user too."""
    message_bytes: int


def give_descriptors(descriptors: Sequence[int]) -> None:
    """Make these the descriptors from `FIRST` on, in their order, point 0, 1, 2 to /dev/null and close all others."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    last = FIRST + len(descriptors)
    spare = [os.dup(each) for each in (nowhere, nowhere, nowhere, *descriptors)]
    while min(spare) < last:  # out of the way of the numbers that they are going to have
        spare = [os.dup(each) for each in spare]
    for number, each in enumerate(spare):
        os.dup2(each, number, inheritable=True)
    os.closerange(last, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def become(uid: int) -> None:
    """Be this user and no other, without capabilities (the kernel takes them where the last uid 0 goes)."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def limit(confinement: Confinement) -> None:
    """Set what the kernel counts. Nothing can be written to a file, of any size."""
    limits = {
        resource.RLIMIT_CPU: confinement.cpu_seconds,
        resource.RLIMIT_AS: confinement.memory_bytes,
        resource.RLIMIT_NOFILE: confinement.open_files,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if confinement.processes is not None:
        limits[resource.RLIMIT_NPROC] = confinement.processes
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (value, value) if hard == resource.RLIM_INFINITY else (min(value, hard),) * 2)


def confine(confinement: Confinement, fence: int | None) -> None:
    """Give up everything that the confinement does not leave. `fence` is a Landlock ruleset, opened before."""
    limit(confinement)
    if confinement.uid is not None:
        become(confinement.uid)
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if fence is not None:
        landlock.restrict(fence)
        os.close(fence)
    forbid()

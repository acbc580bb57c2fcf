"""Starts children and ends them, one at a time: a small process that never sees what its children run.

It is asked over a socket: `begin`, with the descriptors of the child; `end`, which kills it and collects all that is left. A
child is a fork of this process, which takes milliseconds, and is confined before it looks at its job. When nobody is left to
ask, the keeper ends its child and goes.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from data_mix_eval.sandbox.inside import landlock
from data_mix_eval.sandbox.inside.child import live
from data_mix_eval.sandbox.inside.confinement import FIRST, Confinement, become, give_descriptors
from data_mix_eval.sandbox.inside.seccomp import PR_SET_DUMPABLE, prctl

PR_SET_CHILD_SUBREAPER: Final = 36
DESCRIPTORS: Final = 256
"""What this process may have open, so that closing all is quick."""
OFTEN_USED: Final = (
    *("bisect", "collections", "copy", "datetime", "decimal", "fractions", "functools", "hashlib", "heapq", "itertools"),
    *("math", "operator", "random", "re", "statistics", "string", "typing"),
)
"""Imported here once instead of in every child."""
FEW: Final = 8
"""A process id that only a namespace that was just made has."""


@dataclass
class Keeper:
    """The children of a slot."""

    confinement: Confinement
    is_alone: bool
    """Whether it lives in a namespace where every other process came from its children."""
    fence: int | None = None
    children: list[int] = field(default_factory=list)

    def begin(self, descriptors: Sequence[int]) -> None:
        """Start a child with these descriptors."""
        pid = os.fork()
        if pid == 0:
            self.be_child(descriptors)
        self.children.append(pid)
        for each in descriptors:
            os.close(each)

    def be_child(self, descriptors: Sequence[int]) -> NoReturn:
        """Never comes back, whatever happens."""
        try:
            fence = [] if self.fence is None else [self.fence]
            give_descriptors([*descriptors, *fence])
            live(self.confinement, FIRST + len(descriptors) if fence else None)
        finally:
            os._exit(1)

    def end(self) -> None:
        """Kill every child and whatever else is of its user, and wait until none is left.

        Nobody else waits for what a child leaves behind: this process is its reaper.
        """
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        if self.is_alone:
            kill_all()
        if self.confinement.uid is not None:
            self.sweep(self.confinement.uid)
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        self.children.clear()

    def sweep(self, uid: int) -> None:
        """Kill all processes of a user who is nobody else, by one call, so that none can be born meanwhile."""
        if os.fork() == 0:
            try:
                become(uid)
                kill_all()
            finally:
                os._exit(0)


def kill_all() -> None:
    """Kill all processes that this one can see and may signal, itself left out."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def serve(keeper: Keeper, control: socket.socket) -> None:
    """Do what is asked until nobody asks any more."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 64, 8)
        if not request:
            return
        if request == b"begin":
            keeper.begin(descriptors)
        else:
            keeper.end()
        control.send(b"done")


def prepare(setting: dict[str, Any]) -> Keeper:
    """A keeper by its setting, and this process made fit for it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)
    for name in OFTEN_USED:
        importlib.import_module(name)
    gc.freeze()
    confinement = Confinement(**setting["confinement"])
    fence = None if confinement.readable is None else landlock.ruleset(confinement.readable)
    return Keeper(confinement, setting["is_alone"] and looks_alone(), fence)


def looks_alone() -> bool:
    """Whether this is a namespace that was just made, and of its own files: else killing all would kill others."""
    return os.getpid() <= FEW and not Path("/proc/self").exists()


def main() -> None:
    """Keep a slot; arguments: the descriptor of the socket, the setting as JSON."""
    control = socket.socket(fileno=int(sys.argv[1]))
    keeper = prepare(json.loads(sys.argv[2]))
    control.send(b"done")
    try:
        serve(keeper, control)
    finally:
        keeper.end()


if __name__ == "__main__":
    main()

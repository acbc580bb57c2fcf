"""What must hold before code of a model is run, tried each time a sandbox opens (a tenth of a second)."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_mix_eval.sandbox.inside.probes import PROBES
from data_mix_eval.sandbox.program import Limits, Program
from data_mix_eval.sandbox.room import open_place
from data_mix_eval.sandbox.slot import Slot

AS_YOUR_USER: Final = frozenset({"it runs as a user of its own", "threads are bounded"})
"""What does not hold where there is no other user to be, and is no reason to refuse."""

RIGHT: Final = Program(
    prompt='def twice(number):\n    """Twice the number."""\n',
    completion="    return 2 * number\n",
    test="def check(candidate):\n    assert candidate(21) == 42\n",
    entry_point="twice",
)
WRONG: Final = Program(prompt=RIGHT.prompt, completion="    return number\n", test=RIGHT.test, entry_point="twice")
BOTH_WAYS: Final = "right code passes, wrong code fails"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Whether something holds."""

    what: str
    holds: bool
    detail: str = ""
    """How it got through, where it does not hold."""
    is_needed: bool = True
    """Whether code is refused where it does not hold."""


@contextmanager
def surroundings(limits: Limits) -> Iterator[dict[str, Any]]:
    """What probes try to reach: a file for all to read, a folder for all to write to, servers, this process."""
    with (
        tempfile.TemporaryDirectory(dir=open_place()) as name,
        socket.socket() as server,
        socket.socket(socket.AF_UNIX) as near,
    ):
        folder = Path(name)
        folder.chmod(0o777)
        secret = folder / "secret"
        secret.write_text("secret")
        secret.chmod(0o644)
        server.bind(("127.0.0.1", 0))
        near.bind("")  # the kernel gives it an abstract name
        for each in (server, near):
            each.listen()
        yield {
            "secret": str(secret),
            "outside": name,
            "port": server.getsockname()[1],
            "abstract": near.getsockname()[1:].decode(),
            "pid": os.getpid(),
            "uid": os.getuid(),
            "memory_bytes": limits.memory_bytes,
            "open_files": limits.open_files,
            "processes": limits.processes,
        }


def examine_slot(slot: Slot, limits: Limits, *, as_your_user: bool) -> list[Finding]:
    """All findings of one slot."""
    with surroundings(limits) as facts:
        through = slot.probe(facts)
    if through is None:
        return [Finding(what="probes answer", holds=False, detail="they ended without a word")]
    waived = AS_YOUR_USER if as_your_user else frozenset()
    findings = [
        Finding(what=what, holds=what not in through, detail=through.get(what, ""), is_needed=what not in waived)
        for what in PROBES
    ]
    return [*findings, judge_both_ways(slot)]


def judge_both_ways(slot: Slot) -> Finding:
    """Whether verdicts can be had at all."""
    right, wrong = slot.run(RIGHT), slot.run(WRONG)
    holds = right.strict and right.compat and not wrong.strict and not wrong.compat
    return Finding(what=BOTH_WAYS, holds=holds, detail="" if holds else f"right code: {right.reason or right.outcome}")

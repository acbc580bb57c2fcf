"""Runs every attack under one back end and prints what each did, as JSON.

None may pass, for a gaming one is wrong and the others answer rightly only if they get through. Never run this as root in the
machine's own mount namespace; `test_sandbox_attacks.py` sees to that.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from data_mix_eval.sandbox import Limits, Program, Sandbox, Verdict, open_sandbox
from eval.attacks.problems import RIGHT, add, attacks, programs
from eval.attacks.surroundings import Surroundings, processes, surroundings

LIMITS: Final = Limits(seconds=1.0)
DOERS: Final = {**attacks("using_up"), **attacks("escapes")}
FOOL_COMPAT: Final = frozenset({"equal to all", "int equal to all", "list equal to all", "frame walk", "verdict, then exit"})
"""Some that do pass where code and test share a process: it shows that the attacks are real."""

MISTAKES: Final = ("NameError", "SyntaxError", "AttributeError", "TypeError", "IndentationError", "AssertionError")
"""What an attack on the system ends with if it was not even tried."""


def expected(name: str, verdict: Verdict) -> Iterator[str]:
    """What is wrong with the verdict on an attack."""
    if verdict.strict:
        yield "it passed"
    if verdict.compat and name in DOERS:
        yield "it got through where code and test share a process"
    if not verdict.compat and name in FOOL_COMPAT:
        yield "it should pass where code and test share a process, or it attacks nothing"
    if name in DOERS and verdict.reason.startswith(MISTAKES):
        yield f"it is no attack: {verdict.reason}"
    if verdict.seconds > LIMITS.seconds + 1:
        yield f"it took {verdict.seconds:.2f} s"


def suffer(sandbox: Sandbox, name: str, program: Program, around: Surroundings, before: set[int]) -> list[str]:
    """All that is wrong after one attack."""
    begun = time.monotonic()
    [verdict] = sandbox.run([program])
    took = time.monotonic() - begun
    wrong = [*expected(name, verdict), *around.changes()]
    if took > 2 * (LIMITS.seconds + 1):
        wrong.append(f"both runs took {took:.2f} s")
    if processes() - before:
        wrong.append("a process is left")
    [honest] = sandbox.run([add(RIGHT)])
    if not (honest.strict and honest.compat):
        wrong.append(f"the next honest program fails: {honest.reason}")
    return wrong


def main(back_end: Literal["bwrap", "landlock"]) -> None:
    """Run every attack under one back end."""
    os.environ["HF_TOKEN"] = "a token that nobody may see"
    with surroundings() as around, tempfile.TemporaryDirectory(dir="/tmp") as rooms:
        Path(rooms).chmod(0o755)
        tempfile.tempdir = rooms
        with open_sandbox(back_end, LIMITS, slots=1) as sandbox:
            before = processes()
            wrong = {name: suffer(sandbox, name, program, around, before) for name, program in programs(around.facts()).items()}
        left = [path.name for path in Path(rooms).iterdir()]
    sys.stdout.write(json.dumps({"wrong": wrong, "left": left, "is_rootless": sandbox.is_rootless}))

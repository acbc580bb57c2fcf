"""What tests let other processes do: a process that is started afresh imports this module, but no module of tests."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future
from pathlib import Path

from data_mix.errors import BadRecordError
from data_mix.steps.output import locked
from data_mix.write_behind import write_behind


def absolute_behind(number: int) -> Future[int]:
    """The number without its sign, as if it had to be written."""
    return write_behind(lambda numbers: abs(sum(numbers)), [number])


def token_seen(variable: str) -> str | None:
    """What stands in a variable of this process's environment."""
    return os.environ.get(variable)


def fail(where: str) -> None:
    """Find a broken record."""
    raise BadRecordError(where, "found 5, wanted a string")


def be_killed(mark: Path) -> None:
    """Leave a mark, and be killed."""
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)


def hold_and_be_killed(out: Path) -> None:
    """Hold a build folder, leave a mark in it, and be killed."""
    with locked(out):
        be_killed(out / ".mark.partial")


def sleep_or_fail(mark: Path) -> None:
    """Leave a mark with the process's number; fail where the mark is called `fail` and the other one stands, else sleep."""
    mark.write_text(str(os.getpid()))
    while mark.name == "fail" and not (mark.parent / "sleep").exists():
        time.sleep(0.05)
    if mark.name == "fail":
        fail(str(mark))
    time.sleep(60)

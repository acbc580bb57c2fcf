"""A confined process: takes a job, does it, says how it ended.

Its descriptors are 3, the job, a file in memory; 4, where it speaks; 5, where it listens. A checker says its verdict on 4,
hears the worker on 5 and speaks to it on 6.
"""

from __future__ import annotations

import json
import os
import random
import sys
from typing import Any, Final

from data_mix_eval.sandbox.inside import checker, probes, worker
from data_mix_eval.sandbox.inside.confinement import FIRST, Confinement, confine
from data_mix_eval.sandbox.inside.wire import Wire

JOB, SPEAKS, LISTENS, ASKS = FIRST, FIRST + 1, FIRST + 2, FIRST + 3
CODE: Final = "PYTHONPATH"
"""The environment variable that says where this code lies; nothing of the environment stays."""


def live(confinement: Confinement, fence: int | None) -> None:
    """Be a child from here to the end of the process."""
    confine(confinement, fence)
    forget_where_we_are()
    job = read_job()
    random.seed(0)  # the same verdict each time
    run(job, confinement.message_bytes)
    os._exit(0)  # without the exit handlers that code may have left


def run(job: dict[str, Any], message_bytes: int) -> None:
    """Do the job by its kind."""
    wire = Wire(LISTENS, SPEAKS, message_bytes)
    kind = job.pop("kind")
    if kind == "check":
        verdict = checker.check(job, Wire(LISTENS, ASKS, message_bytes))
        wire.send(verdict)
    elif kind == "serve":
        worker.serve(job, wire)
    elif kind == "whole":
        worker.run_whole(job, wire)
    elif kind == "probe":
        wire.send(probes.run(job))


def read_job() -> dict[str, Any]:
    """The job, out of its file in memory. The file's place is shared with whoever else reads it, so it is read by position."""
    parts, place = [], 0
    while part := os.pread(JOB, 1 << 20, place):
        parts.append(part)
        place += len(part)
    os.close(JOB)
    job: dict[str, Any] = json.loads(b"".join(parts))
    return job


def forget_where_we_are() -> None:
    """Leave Python's own library to be imported, an empty environment and no arguments."""
    code = os.environ.get(CODE)
    sys.path[:] = [path for path in sys.path if path != code]
    sys.argv[:] = [""]
    os.environ.clear()

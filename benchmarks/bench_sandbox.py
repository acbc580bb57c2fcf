"""Many samples of HumanEval through the sandbox: seconds per sample, and what is left of processes, descriptors and memory.

python benchmarks/bench_sandbox.py HumanEval.jsonl.gz [samples of each problem, default 32]
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from data_mix.errors import SandboxError
from data_mix_eval.sandbox import Program, Sandbox, open_sandbox

BACK_ENDS: Final[tuple[Literal["bwrap", "landlock"], ...]] = ("bwrap", "landlock")
WIDTHS: Final = (9, 8, 10, 12, 11, 7, 11, 12, 8)


def programs(problems: Path) -> list[Program]:
    """The problems with the solutions of who wrote them."""
    with gzip.open(problems, "rt", encoding="utf8") as lines:
        records = [json.loads(line) for line in lines]
    return [
        Program(
            prompt=record["prompt"],
            completion=record["canonical_solution"],
            test=record["test"],
            entry_point=record["entry_point"],
        )
        for record in records
    ]


def descendants() -> set[int]:
    """All processes that came from this one."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (folder / "stat").exists():
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def state() -> tuple[int, int, int]:
    """Processes, open descriptors of all of them that can be seen, resident memory (MiB) of all that the sandbox started."""
    ours = descendants()
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in ours - {os.getpid()})
    return len(ours), sum(map(descriptors, ours)), pages * resource.getpagesize() >> 20


def descriptors(pid: int) -> int:
    """What a process has open; nothing where we may not look."""
    with suppress(PermissionError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


def spent() -> float:
    """CPU seconds of this process and of those that it has collected."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def measure(sandbox: Sandbox, work: list[Program]) -> Iterator[Any]:
    """One row of the table, without the back end's name."""
    sandbox.run(work[:2])
    before, begun = state(), time.perf_counter()
    verdicts = sandbox.run(work)
    seconds = time.perf_counter() - begun
    after = state()
    yield from (len(work), f"{seconds:.1f}", f"{1000 * seconds / len(work):.1f}")
    yield f"{1000 * sorted(each.seconds for each in verdicts)[len(verdicts) // 2]:.1f}"
    yield sum(each.strict and each.compat for each in verdicts)
    yield from (f"{one} → {other}" for one, other in zip(before, after, strict=True))


def main() -> None:
    """Print the table."""
    samples = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    work = programs(Path(sys.argv[1])) * samples
    heads = ("back end", "samples", "seconds", "ms/sample", "ms, median", "passed", "processes", "descriptors", "MiB")
    print(*(f"{head:>{width}}" for head, width in zip(heads, WIDTHS, strict=True)))
    for name in BACK_ENDS:
        try:
            with open_sandbox(name) as sandbox:
                row = [name, *measure(sandbox, work)]
        except SandboxError as error:
            print(f"{name}: {error}")
            continue
        print(*(f"{each:>{width}}" for each, width in zip(row, WIDTHS, strict=True)))
    print(f"CPU seconds, all of it: {spent():.0f}; each sample is judged both ways, in three processes")


if __name__ == "__main__":
    main()

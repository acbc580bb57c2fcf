"""How fast near-duplicates are found, beside the libraries that find them, and at which recall.

    python benchmarks/bench_near_duplicates.py --peer-python PYTHON     200,000 rows, with peers that PYTHON can import
    python benchmarks/bench_near_duplicates.py --scale                  time and memory from 20,000 to 1,000,000 rows, ours

Each run is a process of its own with one thread; contestants take turns, and medians are printed. Imports are done, and what
numba compiles is compiled or loaded, before the clock starts; how long that takes is printed. Recall: of the rows that are
copies of an earlier one with one word of twenty changed, those that are dropped; besides: what else is dropped.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

SHARED = Path("../shared")
OURS = "datamix"
CONTESTANTS = {
    OURS: ("near_duplicates_ours", "run"),
    "datasketch": ("near_duplicates_peer", "datasketch"),
    "datatrove": ("near_duplicates_peer", "datatrove"),
    "rensa": ("near_duplicates_peer", "rensa"),
    "gaoya": ("near_duplicates_peer", "gaoya"),
}
"""Module beside this file and its function (path of the rows) → rows dropped."""

SCALE = (20_000, 200_000, 1_000_000)
ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

Run = dict[str, Any]


def main() -> None:
    """Make the rows, let the contestants take turns, print the table."""
    options = _options()
    if options.child:
        _run_child(options.child[0], Path(options.child[1]))
        return
    peers = [name for name in CONTESTANTS if name == OURS or (options.peer_python and not options.scale)]
    names = [name for name in options.only or peers if name in peers]
    with tempfile.TemporaryDirectory(prefix="bench-near-duplicates-", dir=options.folder) as folder:
        for rows in SCALE if options.scale else (options.rows,):
            path = Path(folder) / f"{rows}.parquet"
            _make(options.shared, rows, path)
            taken: dict[str, list[Run]] = {name: [] for name in names}
            for _ in range(options.rounds):
                for name in names:
                    taken[name].append(_child(options, name, path))
            _print(rows, taken, _copies(path))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="the folder of the real texts")
    parser.add_argument("--rows", type=int, default=200_000, help="rows to compare")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, help="leave the other contestants out")
    parser.add_argument("--scale", action="store_true", help="how time and memory grow with the rows")
    parser.add_argument("--peer-python", type=Path, help="a Python that can import the peers and pyarrow")
    parser.add_argument("--folder", type=Path, help="where the rows are put and removed again (about 1 GB)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _make(shared: Path, rows: int, path: Path) -> None:
    make = "near_duplicates_rows.make(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))"
    _python(f"import near_duplicates_rows; {make}", shared, rows, path)


def _copies(path: Path) -> set[int]:
    """The rows that are copies."""
    ids = "pl.read_parquet(sys.argv[1]).filter(pl.col('copy_of').is_not_null())['id'].to_list()"
    return set(json.loads(_python(f"import json, polars as pl; print(json.dumps({ids}))", path)))


def _python(code: str, *arguments: object) -> str:
    """Do one thing in a fresh process, and give what it prints."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", f"import sys; from pathlib import Path; {code}", *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _child(options: argparse.Namespace, name: str, path: Path) -> Run:
    """Run one contestant in a fresh process (this one stays small, since a child's peak memory starts at its parent's)."""
    python = sys.executable if name == OURS else str(options.peer_python)
    command = [python, __file__, "--child", name, str(path)]
    ended = subprocess.run(command, env=os.environ | ONE_THREAD, check=True, stdout=subprocess.PIPE, text=True)
    run: Run = json.loads(ended.stdout.splitlines()[-1])
    return run


def _run_child(name: str, path: Path) -> None:
    module, function = CONTESTANTS[name]
    began = time.perf_counter()
    contestant = importlib.import_module(module)
    contestant.warm_up()
    warm_up = time.perf_counter() - began
    began, cpu_before = time.perf_counter(), time.process_time()
    dropped = getattr(contestant, function)(path)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_before
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "cpu": cpu, "warm_up": warm_up, "dropped": dropped, "megabytes": kilobytes / 1024}))


def _print(rows: int, taken: dict[str, list[Run]], copies: set[int]) -> None:
    print(f"\n{rows:,} rows, {len(copies):,} of them copies; one thread")
    print(
        f"{'':<12}{'seconds':>9}{'CPU s':>9}{'× ours':>9}{'recall':>9}{'besides':>9}{'peak MB':>9}{'imports s':>11}{'runs':>6}"
    )
    ours = median(run["seconds"] for run in taken[OURS]) if OURS in taken else None
    for name, runs in taken.items():
        seconds, cpu, warm_up = (median(run[key] for run in runs) for key in ("seconds", "cpu", "warm_up"))
        dropped, peak = set(runs[0]["dropped"]), max(run["megabytes"] for run in runs)
        times = f"{seconds / ours:.1f}" if ours else "–"
        recall = len(dropped & copies) / len(copies)
        print(
            f"{name:<12}{seconds:>9.2f}{cpu:>9.2f}{times:>9}{recall:>9.4f}{len(dropped - copies):>9,}{peak:>9,.0f}"
            f"{warm_up:>11.1f}{len(runs):>6}",
            flush=True,
        )


if __name__ == "__main__":
    main()

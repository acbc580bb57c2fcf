"""How fast a build is, beside the floor (writing the same columns once) and a peer (`datasets`, row by row).

    python benchmarks/bench_build.py            the table of 224,880 rows: Dolly and GSM8K ten times over, made distinct
    python benchmarks/bench_build.py --scale    time per row and peak memory from 22,488 to 1,000,000 rows, ours alone

Every measurement is a process of its own on the same raw files, with one worker and an empty cache; libraries may use one
thread (datamix has two: `data_mix.write_behind`). Imports are done before the clock starts. The contestants take turns, and
the medians over the rounds are printed.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HUB = Path("../shared/hub/datasets")
DOLLY = HUB / "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"
GSM8K = HUB / "openai/gsm8k/main/train-00000-of-00001.parquet"
ROWS_OF_BOTH = 22_488
SCALE = (ROWS_OF_BOTH, 100_000, 300_000, 1_000_000)

ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"), "1")

OURS = "datamix build"
CONTESTANTS = {
    "floor": ("build_floor", "run"),
    OURS: ("build_ours", "run"),
    "datasets, a pass per step": ("build_peer", "passes"),
    "datasets, one fused pass": ("build_peer", "fused"),
}
"""Module beside this file and its function (raw folder, output folder) → rows kept."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one run took."""

    seconds: float
    cpu: float
    """Seconds of processor time: the better figure on a machine that does other things meanwhile."""
    rows: int
    megabytes: float
    """Peak resident memory of the process, imports included."""


def main() -> None:
    """Make the raw files, let the contestants take turns, print the table."""
    options = _options()
    if options.child:
        _run_child(*options.child)
        return
    with tempfile.TemporaryDirectory(prefix="bench-build-", dir=options.folder) as folder:
        if options.scale:
            _print_scale({rows: _measure(options, Path(folder), rows, [OURS])[OURS] for rows in SCALE})
        else:
            _print_table(_measure(options, Path(folder), options.rows, options.only or list(CONTESTANTS)), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dolly", type=Path, default=DOLLY, help="databricks-dolly-15k.jsonl")
    parser.add_argument("--gsm8k", type=Path, default=GSM8K, help="GSM8K's train split as Parquet")
    parser.add_argument("--rows", type=int, default=10 * ROWS_OF_BOTH, help="rows to build")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--only", action="append", choices=CONTESTANTS, help="measure only this contestant (may be repeated)")
    parser.add_argument("--scale", action="store_true", help="how time and memory grow with the rows")
    parser.add_argument("--folder", type=Path, help="where raw files and builds are put and removed again (about 4 GB)")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(options: argparse.Namespace, folder: Path, rows: int, names: list[str]) -> dict[str, list[Measured]]:
    """Run each of the named contestants `rounds` times, by turns, on the same raw files."""
    raw = folder / f"raw-{rows}"
    raw.mkdir()
    _child("raw", options.dolly, options.gsm8k, rows, raw)
    taken: dict[str, list[Measured]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                taken[name].append(Measured(**json.loads(_child("run", name, raw, out))))
    return taken


def _child(*arguments: object) -> str:
    """Do one thing in a fresh process (this one stays small, since a child's peak memory starts at its parent's)."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    return subprocess.run(command, env=os.environ | ONE_THREAD, check=True, stdout=subprocess.PIPE, text=True).stdout


def _run_child(what: str, *arguments: str) -> None:
    if what == "raw":
        dolly, gsm8k, rows, raw = arguments
        importlib.import_module("build_raw").make(Path(dolly), Path(gsm8k), rows=int(rows), folder=Path(raw))
        return
    name, raw, out = arguments
    module, function = CONTESTANTS[name]
    run: Callable[[Path, Path], int] = getattr(importlib.import_module(module), function)
    importlib.import_module("pandas")  # pyarrow would do so, in a fifth of a second, when it makes its first array
    began, cpu_before = time.perf_counter(), time.process_time()
    rows_kept = run(Path(raw), Path(out) / "out")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_before
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": rows_kept, "megabytes": kilobytes / 1024}))


def _print_table(taken: dict[str, list[Measured]], options: argparse.Namespace) -> None:
    seconds = {name: median(run.seconds for run in runs) for name, runs in taken.items()}
    print(f"{options.rows:,} rows read; medians of {options.rounds} runs by turns; one worker, imports excluded\n")
    print(
        f"{'':26} {'rows kept':>10} {'seconds':>8} {'least–most':>13} {'CPU s':>6} {'× floor':>8} {'× ours':>7} {'peak MB':>8}"
    )
    for name, runs in taken.items():
        spread = f"{min(run.seconds for run in runs):.2f}–{max(run.seconds for run in runs):.2f}"
        cpu, peak = median(run.cpu for run in runs), max(run.megabytes for run in runs)
        floor, ours = (_ratio(seconds[name], seconds.get(other)) for other in ("floor", OURS))
        print(f"{name:26} {runs[0].rows:10,} {seconds[name]:8.2f} {spread:>13} {cpu:6.2f} {floor:>8} {ours:>7} {peak:8,.0f}")


def _ratio(seconds: float, other: float | None) -> str:
    return f"{seconds / other:.2f}" if other else "–"


def _print_scale(taken: dict[int, list[Measured]]) -> None:
    """Time and memory by rows; growth: how much faster than the rows the time has grown since the smallest (1: as fast)."""
    print("datamix build; medians; one worker, imports excluded\n")
    print(f"{'rows':>10} {'seconds':>8} {'CPU s':>7} {'µs a row':>9} {'growth':>7} {'peak MB':>8}")
    seconds = {rows: median(run.seconds for run in runs) for rows, runs in taken.items()}
    least = min(taken)
    for rows, runs in taken.items():
        cpu, peak = median(run.cpu for run in runs), max(run.megabytes for run in runs)
        growth = seconds[rows] / rows / (seconds[least] / least)
        print(f"{rows:10,} {seconds[rows]:8.2f} {cpu:7.2f} {seconds[rows] / rows * 1e6:9.1f} {growth:7.2f} {peak:8,.0f}")


if __name__ == "__main__":
    main()

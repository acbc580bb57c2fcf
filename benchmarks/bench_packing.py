"""How fast conversations are packed, and how full the rows are, beside best fit decreasing in plain Python.

    python benchmarks/bench_packing.py                          10,000 to 1,000,000 lengths
    python benchmarks/bench_packing.py --peer-python PYTHON     the same lengths also with TRL, which PYTHON can import

Lengths are log-normal (median 200, sigma 1), cut at the length of a row. What numba compiles is compiled before the clock
starts; how long that takes the first time on a machine, and at later starts, is printed below the table.
"""

from __future__ import annotations

import argparse
import bisect
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_mix.packing import best_fit

COUNTS = (10_000, 100_000, 1_000_000)
SLOWEST = 10_000
"""As many lengths as TRL is given, and plain Python besides ten times as many."""

FIRST_CALL = (
    "import time, numpy; from data_mix.packing import best_fit; start = time.perf_counter(); "
    "best_fit(numpy.array([1]), 1); print(time.perf_counter() - start)"
)

TRL = """
import json, sys, time, numpy as np, pyarrow as pa
from trl.data_utils import _pack_bfd
lengths, max_length, batch = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
table = pa.table({"input_ids": pa.ListArray.from_arrays(offsets, np.zeros(offsets[-1], np.int32))})
started = time.perf_counter()
batches = [table.slice(at, batch) for at in range(0, len(table), batch)]
packs = sum(len(_pack_bfd(each, max_length)) for each in batches)
print(json.dumps([time.perf_counter() - started, packs]))
"""

Lengths = NDArray[np.int64]


def main() -> None:
    """Print a line per contestant and number of lengths."""
    options = _options()
    print(f"{'':<28}{'row':>6}{'lengths':>11}{'seconds':>10}{'packs':>9}{'fill':>9}")
    best_fit(np.array([1]), 1)
    for max_length in options.max_length:
        for count in COUNTS:
            lengths = draw_lengths(count, max_length)
            _print(
                "datamix best_fit", lengths, max_length, min(timed(ours, lengths, max_length) for _ in range(options.rounds))
            )
        few = draw_lengths(SLOWEST, max_length)
        for lengths in (few, draw_lengths(10 * SLOWEST, max_length)):
            _print("plain Python, global", lengths, max_length, timed(plain_best_fit, lengths, max_length))
        if options.peer_python:
            _print("TRL _pack_bfd, by 1,000", few, max_length, trl(options.peer_python, few, max_length, 1000))
            _print("TRL _pack_bfd, global", few, max_length, trl(options.peer_python, few, max_length, SLOWEST))
    first, later = first_calls()
    print(f"first call ever on a machine, compilation included: {first:.2f} s; first call of a later process: {later:.3f} s")


def draw_lengths(count: int, max_length: int) -> Lengths:
    """Lengths as those of conversations: log-normal, median 200, sigma 1, cut at `max_length`."""
    drawn = np.random.default_rng(0).lognormal(np.log(200), 1, count)
    return np.clip(drawn.astype(np.int64), 1, max_length)


def ours(lengths: Lengths, max_length: int) -> int:
    """Packs by data_mix."""
    return len(best_fit(lengths, max_length)[0]) - 1


def plain_best_fit(lengths: Lengths, max_length: int) -> int:
    """Packs by best fit decreasing as one writes it in Python: a sorted list of the room that each pack has."""
    rooms: list[int] = []
    for length in sorted(lengths.tolist(), reverse=True):
        place = bisect.bisect_left(rooms, length)
        room = rooms.pop(place) if place < len(rooms) else max_length
        bisect.insort(rooms, room - length)
    return len(rooms)


def timed(pack: Callable[[Lengths, int], int], lengths: Lengths, max_length: int) -> tuple[float, int]:
    """Seconds, and the number of packs."""
    started = time.perf_counter()
    packs = pack(lengths, max_length)
    return time.perf_counter() - started, packs


def trl(python: Path, lengths: Lengths, max_length: int, batch: int) -> tuple[float, int]:
    """Seconds and packs of TRL, which also copies the tokens into their packs, `batch` rows at a time."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, lengths)
        command = [str(python), "-c", TRL, file.name, str(max_length), str(batch)]
        seconds, packs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return float(seconds), int(packs)


def first_calls() -> tuple[float, float]:
    """Seconds of the first call of two processes in turn that share an empty cache of machine code."""
    with tempfile.TemporaryDirectory() as cache:
        command = ["env", f"NUMBA_CACHE_DIR={cache}", sys.executable, "-c", FIRST_CALL]
        runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    return float(runs[0]), float(runs[1])


def _print(name: str, lengths: Lengths, max_length: int, result: tuple[float, int]) -> None:
    seconds, packs = result
    fill = lengths.sum() / (packs * max_length)
    print(f"{name:<28}{max_length:>6}{len(lengths):>11,}{seconds:>10.3f}{packs:>9,}{fill:>9.5f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-length", type=int, nargs="+", default=[2048, 4096], help="tokens of a row")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the fastest is printed")
    parser.add_argument("--peer-python", type=Path, help="a Python that can import trl")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""How fast the trainer starts on token shards and reads its packs, and in how much memory, beside rows read by `datasets`.

    python benchmarks/bench_loader.py

A synthetic token shard of log-normal lengths (median 150, sigma 1) is written once, without an index of packs. Each contestant
is a process of its own with one thread; imports are done before the clock starts, the reading of compiled code is not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from datasets.table import InMemoryTable
from numpy.typing import NDArray

from bench_build import ONE_THREAD
from data_mix.packing import Conversations, PackKey, Packs, best_fit, epoch_order, packs_of, read_conversations
from data_mix.shards import map_table
from data_mix.tokens.token_shards import token_schema
from data_mix_trainer.dataset import Batch, Collator, StepReader, TokenRows, check_fits
from data_mix_trainer.schedule import Cursor, Schedule

MAX_LENGTH = 2048
VOCABULARY = 50_288
PAD = 0
IGNORED = -100
BATCH_ROWS = 65_536
SOURCES = ("first", "second", "third")
OURS = ("datamix, no index yet", "datamix, index on disk")
PEER = "datasets, row by row"

Reading = Iterator[int]
"""The tokens of batch after batch, padding not counted."""

Start = Callable[[Path, int], Reading]
"""Token shard, rows of a batch → the reading; what has to be done only once is done at the first batch."""


def main() -> None:
    """Write the shard, let each contestant read it, print the table."""
    options = _options()
    if options.child:
        name, shard, per_device = options.child
        print(json.dumps(_measure(name, Path(shard), int(per_device), options.packs)))
        return
    best_fit(np.array([1]), 1)  # the first call ever on a machine compiles
    with tempfile.TemporaryDirectory(prefix="bench-loader-", dir=options.folder) as folder:
        shard = Path(folder) / "tokens.arrow"
        tokens = write_shard(shard, options.conversations)
        print(f"{options.conversations:,} conversations, {tokens:,} tokens, {shard.stat().st_size / 1e6:,.0f} MB\n")
        print(f"{'':24}{'per device':>12}{'start s':>10}{'tokens/s':>14}{'start MB':>10}{'peak MB':>9}{'reading MB':>12}")
        for per_device, name in itertools.product(options.per_device, (*OURS, PEER)):
            if name == OURS[0]:
                for old in shard.with_suffix(".packs").glob("*"):
                    old.unlink()
            _print(name, per_device, _child(options, name, shard, per_device))
    print(
        "\nMB: anonymous memory beyond that after the imports; after the first batch, the most until then, most while reading"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--packs", type=int, default=4_000, help="read by ours, a tenth of it by the peer")
    parser.add_argument("--per-device", type=int, nargs="+", default=[1, 8], help="packs of a batch")
    parser.add_argument("--folder", type=Path, help="where the shard is put and removed again (about 600 MB)")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_shard(path: Path, conversations: int) -> int:
    """A token shard in record batches of `BATCH_ROWS`; returns its tokens."""
    random, schema, tokens = np.random.default_rng(0), token_schema(VOCABULARY), 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for first in range(0, conversations, BATCH_ROWS):
            lengths = draw_lengths(random, min(BATCH_ROWS, conversations - first))
            writer.write_batch(_record_batch(random, lengths, schema))
            tokens += int(lengths.sum())
    return tokens


def draw_lengths(random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Tokens of conversations: log-normal, 16 at least, so that a question and an answer have room, and a row at most."""
    return np.clip(random.lognormal(np.log(150), 1, count).astype(np.int64), 16, MAX_LENGTH)


def _record_batch(random: np.random.Generator, lengths: NDArray[np.int64], schema: pa.Schema) -> pa.RecordBatch:
    """Conversations of a question, which is a third, and an answer, which is trained."""
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    ids = random.integers(1, VOCABULARY, int(lengths.sum()), dtype=np.uint16)
    named = random.integers(0, len(SOURCES), len(lengths), dtype=np.int16)
    bounds = [pa.array(bound.astype(np.uint32)) for bound in (lengths // 3, lengths)]
    spans = pa.StructArray.from_arrays(bounds, fields=list(schema.field("loss").type.value_type))
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(named), pa.array(SOURCES)),
        pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids), type=schema.field("input_ids").type),
        pa.ListArray.from_arrays(pa.array(np.arange(len(lengths) + 1, dtype=np.int32)), spans, type=schema.field("loss").type),
    ]
    return pa.record_batch(columns, schema=schema)


def read_ours(shard: Path, per_device: int) -> Reading:
    """What the trainer does with a shard: map it, know its rows, have its packs, read them step by step."""
    table = map_table(shard)
    rows, packs = TokenRows(table), _packs(shard, table)
    check_fits(packs, rows)
    schedule = Schedule(packs=len(packs), global_batch=per_device, steps=-(-len(packs) // per_device))
    collate = Collator(rows=rows, packs=packs, pad=PAD)
    reader = StepReader(collate=collate, schedule=schedule, seed=0, rank=0, world=1, passes=1)
    return (step.tokens for step in reader.steps(Cursor(), 0))


def read_peer(shard: Path, per_device: int) -> Reading:
    """The rows of the same packs by `datasets`, put together as a plain collator does."""
    table = map_table(shard)
    mapped = datasets.Dataset(InMemoryTable(table), fingerprint="bench")  # else it reads the whole table to make one
    rows, packs = mapped.with_format("numpy"), _packs(shard, table)
    order = epoch_order(len(packs), seed=0, epoch=0)
    for first in range(0, len(order), per_device):
        numbers = order[first : first + per_device].tolist()
        batch = collate_plainly(
            [[_labelled(rows[piece]) for piece in packs[number]["conversation"].tolist()] for number in numbers]
        )
        yield int((batch["input_ids"] != PAD).sum())


def _labelled(row: dict[str, Any]) -> dict[str, NDArray[np.int64]]:
    """A conversation with its labels, positions and source."""
    ids = np.asarray(row["input_ids"], np.int64)
    labels = np.full(len(ids), IGNORED)
    for span in row["loss"]:
        trained = slice(span["start"], span["end"])
        labels[trained] = ids[trained]
    return {"input_ids": ids, "labels": labels, "position_ids": np.arange(len(ids))}


def collate_plainly(packs: list[list[dict[str, NDArray[np.int64]]]]) -> Batch:
    """Each pack's conversations one after the other, padded to the longest pack."""
    fillers = {"input_ids": PAD, "labels": IGNORED, "position_ids": 0}
    width = max(sum(len(row["input_ids"]) for row in pack) for pack in packs)
    arrays = {name: np.full((len(packs), width), filler) for name, filler in fillers.items()}
    for (name, array), (place, pack) in itertools.product(arrays.items(), enumerate(packs)):
        joined = np.concatenate([row[name] for row in pack])
        array[place, : len(joined)] = joined
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _packs(shard: Path, table: pa.Table) -> Packs:
    def conversations() -> Conversations:
        return read_conversations(table["input_ids"], table["loss"])

    return packs_of(shard.with_suffix(".packs"), PackKey(tokens="bench:train", max_length=MAX_LENGTH), conversations)


STARTS: dict[str, Start] = {**dict.fromkeys(OURS, read_ours), PEER: read_peer}


def _measure(name: str, shard: Path, per_device: int, packs: int) -> dict[str, float]:
    """Start, then read, by the clock; in a process that has done nothing but imports."""
    torch.set_num_threads(1)
    steps = (packs if name in OURS else packs // 10) // per_device
    before = anonymous()
    with _watched() as starting:
        began = time.perf_counter()
        reading = STARTS[name](shard, per_device)
        next(reading)
        start = time.perf_counter() - began
    started = anonymous()
    with _watched() as read:
        began = time.perf_counter()
        tokens = sum(itertools.islice(reading, steps))
        seconds = time.perf_counter() - began
    memory = {"started": started, "peak": max(starting), "reading": max(read)}
    return {"start": start, "rate": tokens / seconds} | {key: value - before for key, value in memory.items()}


@contextmanager
def _watched() -> Iterator[list[float]]:
    """What anonymous memory is at the beginning, the end and a hundred times a second between."""
    seen, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            seen.append(anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
        seen.append(anonymous())


def anonymous() -> float:
    """Memory of the process in MB that is of no file; mapped files do not count."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024 / 1e6


def _child(options: argparse.Namespace, name: str, shard: Path, per_device: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--packs", str(options.packs), "--child", name, str(shard), str(per_device)]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _print(name: str, per_device: int, run: dict[str, float]) -> None:
    print(
        f"{name:24}{per_device:>12}{run['start']:>10.2f}{run['rate']:>14,.0f}"
        f"{run['started']:>10.0f}{run['peak']:>9.0f}{run['reading']:>12.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

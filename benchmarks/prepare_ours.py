"""What `bench_tokens.py` measures end to end: raw files → build → token shards → packs on the disk, from an empty cache."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import build_ours
from data_mix.packing import Conversations, PackKey, Packs, packs_of, read_conversations
from data_mix.schema import SPLITS
from data_mix.tokens import Tokenizer, Tokens, tokenize_build

MAX_LENGTH = 2048


def get_ready(raw: Path, tokenizer: Tokenizer) -> None:
    """Prepare the first two records of each raw file: what is done once in a process is not measured, of the peer neither.

    Two, so that no split is empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "raw"
        few.mkdir()
        with (raw / "dolly.jsonl").open("rb") as lines:
            (few / "dolly.jsonl").write_bytes(lines.readline() + lines.readline())
        pq.write_table(pq.read_table(raw / "gsm8k.parquet").slice(0, 2), few / "gsm8k.parquet")
        run(few, Path(folder) / "out", tokenizer)


def run(raw: Path, out: Path, tokenizer: Tokenizer) -> dict[str, Any]:
    """Build, tokenize and pack; return what came of it, and the seconds of each step."""
    steps = [time.perf_counter()]
    rows = build_ours.run(raw, out)
    steps.append(time.perf_counter())
    tokens, _ = tokenize_build(out, tokenizer)
    steps.append(time.perf_counter())
    packs = [pack(tokens, split).statistics for split in SPLITS]
    steps.append(time.perf_counter())
    return {
        "rows": rows,
        "packs": sum(each.packs for each in packs),
        "tokens": sum(each.tokens for each in packs),
        "trained": sum(each.trained_tokens for each in packs),
        "steps": dict(zip(("build", "tokenize", "pack"), np.diff(steps).tolist(), strict=True)),
    }


def pack(tokens: Tokens, split: str) -> Packs:
    """The packs of a split, beside its token shard."""

    def conversations() -> Conversations:
        table = tokens.table(split)
        return read_conversations(table["input_ids"], table["loss"])

    key = PackKey(tokens=f"{tokens.path.stem}:{split}", max_length=MAX_LENGTH)
    return packs_of(tokens.path.with_suffix(".packs"), key, conversations)

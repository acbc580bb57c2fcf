"""What `bench_tokens.py` measures end to end: raw files → build → token shards → packs on the disk, from an empty cache."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np

import build_ours
from data_mix.config import settings_models
from data_mix.packing import Conversations, PackKey, Packs, best_fit, packs_of, read_conversations
from data_mix.schema import SPLITS
from data_mix.tokens import Tokenizer, Tokens, tokenize_build

MAX_LENGTH = 2048

# Imports are not measured, those neither that come late.
importlib.import_module("pandas")  # by pyarrow, when numpy is first given one of its chunked arrays
settings_models()  # of the settings of all packages, when it is first called
best_fit(np.array([1]), 1)  # and of the machine code, when it is first called


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

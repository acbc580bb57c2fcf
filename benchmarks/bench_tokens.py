"""How fast a build becomes token shards, beside the bare encoders on the same texts.

    python benchmarks/bench_tokens.py

Dolly and GSM8K, 22,488 conversations, are built once. Each contestant then is a process of its own, with one worker and one
thread, by turns with the others; imports and the loading of the tokenizer are done before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow as pa

import build_ours
import build_raw
from bench_build import DOLLY, GSM8K, ONE_THREAD, ROWS_OF_BOTH
from data_mix.arrays import strings
from data_mix.shards import open_build
from data_mix.tokens import load_tokenizer, tokenize_build
from data_mix.tokens.encode import encoder
from data_mix.tokens.tokenizing import prepare

TOKENIZER = Path("../shared/tokenizers/gpt-neox-20b")
EOS = "<|endoftext|>"

Work = Callable[[], int]
"""The measured part of a contestant; returns how many tokens came out."""


def ours(build: Path, tokenizer: Path) -> Work:
    """`datamix tokenize`, its manifest, proof, checksums and fsync included."""
    loaded = load_tokenizer(tokenizer)
    encoder(prepare(loaded, "openassistant", EOS).plain)(strings(["a"]))  # the first call imports more of awkward
    return lambda: sum(file["tokens"] for file in tokenize_build(build, loaded)[0].manifest["files"].values())


def bare(build: Path, tokenizer: Path, *, is_fast: bool = True) -> Work:
    """An encoder and the texts of all messages; nothing is put together, checked or written."""
    plain = prepare(load_tokenizer(tokenizer), "openassistant", EOS).plain._replace(is_fast=is_fast)
    encode, texts = encoder(plain), contents(build)
    encode(strings(["a"]))  # as above
    return lambda: len(encode(texts).ids)


def contents(build: Path) -> pa.Array:
    """The text of every message of a build."""
    tables = [table for split in ("train", "validation") for _, table in open_build(build).tables(split)]
    chunks = [chunk.flatten().field("content") for table in tables for chunk in table["messages"].chunks]
    return pa.concat_arrays([strings([]), *chunks])


CONTESTANTS: dict[str, Callable[[Path, Path], Work]] = {
    "gigatoken, texts alone": bare,
    "datamix tokenize": ours,
    "tokenizers, texts alone": lambda build, tokenizer: bare(build, tokenizer, is_fast=False),
}


def main() -> None:
    """Build, let the contestants take turns, print the table."""
    options = _options()
    if options.child:
        name, build = options.child
        _run_child(CONTESTANTS[name](Path(build), options.tokenizer))
        return
    with tempfile.TemporaryDirectory(prefix="bench-tokens-") as folder:
        build = _build(options, Path(folder))
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
        for _ in range(options.rounds):
            for name, runs in taken.items():
                runs.append(_child(options, name, build))
    _print_table(taken, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dolly", type=Path, default=DOLLY, help="databricks-dolly-15k.jsonl")
    parser.add_argument("--gsm8k", type=Path, default=GSM8K, help="GSM8K's train split as Parquet")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER, help=f"a tokenizer's folder, its eos being {EOS}")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contestant")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _build(options: argparse.Namespace, folder: Path) -> Path:
    raw, out = folder / "raw", folder / "out"
    raw.mkdir()
    build_raw.make(options.dolly, options.gsm8k, rows=ROWS_OF_BOTH, folder=raw)
    print(f"{build_ours.run(raw, out):,} conversations kept of {ROWS_OF_BOTH:,}", end="; ")
    return out


def _child(options: argparse.Namespace, name: str, build: Path) -> dict[str, float]:
    """Run a contestant in a fresh process, on a build without token shards."""
    command = [sys.executable, __file__, "--tokenizer", str(options.tokenizer), "--child", name, str(build)]
    answer = subprocess.run(command, env=os.environ | ONE_THREAD, check=True, stdout=subprocess.PIPE, text=True).stdout
    for path in (build / "tokens").glob("*"):
        path.unlink()
    measured: dict[str, float] = json.loads(answer)
    return measured


def _run_child(work: Work) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    tokens = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "tokens": tokens, "megabytes": megabytes}))


def _print_table(taken: dict[str, list[dict[str, float]]], rounds: int) -> None:
    print(f"medians of {rounds} runs by turns; one worker, one thread; imports and loading excluded\n")
    print(f"{'':<26}{'seconds':>9}{'CPU s':>9}{'tokens':>12}{'tokens/s':>13}{'MB':>7}{'times the first':>17}")
    first = None
    for name, runs in taken.items():
        seconds, cpu, tokens, megabytes = (
            median(run[key] for run in runs) for key in ("seconds", "cpu", "tokens", "megabytes")
        )
        first = first or seconds
        print(
            f"{name:<26}{seconds:>9.3f}{cpu:>9.3f}{tokens:>12,.0f}{tokens / seconds:>13,.0f}{megabytes:>7.0f}"
            f"{seconds / first:>17.2f}"
        )


if __name__ == "__main__":
    main()

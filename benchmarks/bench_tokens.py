"""How fast token shards are made: beside the bare encoders on the same texts, and from the raw files on, beside TRL.

    python benchmarks/bench_tokens.py                           ours and the bare encoders
    python benchmarks/bench_tokens.py --peer-python PYTHON      TRL's SFTTrainer as well; PYTHON can import trl

Dolly and GSM8K, 22,488 conversations. Each contestant is a process of its own, with one worker, by turns with the others; its
libraries may use one thread (datamix has two: `data_mix.write_behind`). Imports and loading the tokenizer are done before the
clock starts. From the raw files on, each side has also prepared a conversation or a few before: what is done once in a
process is not measured of either.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa

import build_ours
import prepare_ours
from bench_build import DOLLY, GSM8K, ONE_THREAD, ROWS_OF_BOTH
from data_mix.arrays import strings
from data_mix.shards import open_build
from data_mix.template import chat_template
from data_mix.tokens import Tokenizer, load_tokenizer, prepare, tokenize_build
from data_mix.tokens.encode import encoder

TOKENIZER = Path("../shared/tokenizers/gpt-neox-20b")
TEMPLATE = "openassistant"
EOS = "<|endoftext|>"
PEER = Path(__file__).with_name("prepare_peer.py")

Work = Callable[[], dict[str, Any]]
"""The measured part of a contestant; returns what came of it, `tokens` at least."""

Runs = dict[str, list[dict[str, Any]]]
"""What each contestant took, run by run."""


def tokenizing(build: Path, _out: Path, tokenizer: Tokenizer) -> Work:
    """`datamix tokenize`, its manifest, proof, checksums and fsync included."""

    def work() -> dict[str, Any]:
        return {"tokens": sum(file["tokens"] for file in tokenize_build(build, tokenizer)[0].manifest["files"].values())}

    return work


def bare(build: Path, _out: Path, tokenizer: Tokenizer, *, is_fast: bool = True) -> Work:
    """An encoder and the texts of all messages; nothing is put together, checked or written."""
    encode, texts = encoder(prepare(tokenizer, TEMPLATE, EOS).plain._replace(is_fast=is_fast)), contents(build)
    return lambda: {"tokens": len(encode(texts).ids)}


def contents(build: Path) -> pa.Array:
    """The text of every message of a build."""
    tables = [table for split in ("train", "validation") for _, table in open_build(build).tables(split)]
    chunks = [chunk.flatten().field("content") for table in tables for chunk in table["messages"].chunks]
    return pa.concat_arrays([strings([]), *chunks])


def whole(raw: Path, out: Path, tokenizer: Tokenizer) -> Work:
    """From the raw files to packs on the disk, in a process that has prepared a few conversations before."""
    prepare_ours.get_ready(raw, tokenizer)
    return lambda: prepare_ours.run(raw, out, tokenizer)


OURS = "datamix, raw files to packs"
THEIRS = "TRL, raw files to packs"
CONTESTANTS: dict[str, Callable[[Path, Path, Tokenizer], Work]] = {
    "gigatoken, texts alone": bare,
    "datamix tokenize": tokenizing,
    "tokenizers, texts alone": lambda *given: bare(*given, is_fast=False),
    OURS: whole,
}
"""Each takes what it reads (of the first three a build, of the last the raw files), an empty folder and the tokenizer."""


def main() -> None:
    """Let the contestants take turns, print the tables."""
    options = _options()
    if options.child:
        name, given, out = options.child
        _run_child(CONTESTANTS[name](Path(given), Path(out), _ready(options.tokenizer)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-tokens-", dir=options.folder) as folder:
        raw, build = Path(folder) / "raw", Path(folder) / "built" / "out"
        _make_given(options, raw, build)
        texts = _by_turns(options, [name for name in CONTESTANTS if name != OURS], build)
        whole = _by_turns(options, [OURS, *([THEIRS] if options.peer_python else [])], raw)
    print(f"\nmedians of {options.rounds} runs by turns; one worker; imports and loading excluded\n")
    _print_table(texts)
    _print_table(whole)
    _print_outcome(whole)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dolly", type=Path, default=DOLLY, help="databricks-dolly-15k.jsonl")
    parser.add_argument("--gsm8k", type=Path, default=GSM8K, help="GSM8K's train split as Parquet")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER, help=f"a tokenizer's folder, its eos being {EOS}")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--peer-python", type=Path, help="a Python that can import trl; without it, TRL is left out")
    parser.add_argument("--folder", type=Path, help="where raw files and results are put and removed again (about 400 MB)")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def _make_given(options: argparse.Namespace, raw: Path, build: Path) -> None:
    """Copy the raw files, and build them once for the contestants that take a build."""
    raw.mkdir()
    shutil.copyfile(options.dolly, raw / "dolly.jsonl")
    shutil.copyfile(options.gsm8k, raw / "gsm8k.parquet")
    template = chat_template(TEMPLATE, EOS)
    facts = {"jinja": template.jinja(), "control_tokens": template.control_tokens, "eos": EOS}
    (raw / "template.json").write_text(json.dumps(facts), encoding="utf8")
    build.parent.mkdir()
    print(f"{build_ours.run(raw, build):,} conversations kept of {ROWS_OF_BOTH:,}")


def _by_turns(options: argparse.Namespace, names: Sequence[str], given: Path) -> Runs:
    """Run the contestants `rounds` times, in a fresh process and an empty folder each time."""
    taken: Runs = {name: [] for name in names}
    for _ in range(options.rounds):
        for name, runs in taken.items():
            with tempfile.TemporaryDirectory(dir=given.parent) as folder:
                runs.append(_child(_command(options, name, given, Path(folder))))
            shutil.rmtree(given / "tokens", ignore_errors=True)
    return taken


def _command(options: argparse.Namespace, name: str, given: Path, folder: Path) -> list[object]:
    if name == THEIRS:
        return [options.peer_python, PEER, given, folder, options.tokenizer, given / "template.json"]
    return [sys.executable, __file__, "--tokenizer", options.tokenizer, "--child", name, given, folder / "out"]


def _child(command: Sequence[object]) -> dict[str, Any]:
    environment = os.environ | ONE_THREAD | {"TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run([*map(str, command)], env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _ready(folder: Path) -> Tokenizer:
    """The tokenizer, with all that is loaded of it once in a process."""
    tokenizer = load_tokenizer(folder)
    encoder(prepare(tokenizer, TEMPLATE, EOS).plain)(strings(["a"]))  # the first call imports more of awkward
    return tokenizer


def _run_child(work: Work) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    outcome = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": megabytes} | outcome))


def _print_table(taken: Runs) -> None:
    """A line per contestant, compared with the first."""
    names = ("seconds", "least–most", "CPU s", "tokens", "tokens/s", "MB", "× the first", "in CPU s")
    print(f"{'':28}" + "{:>9}{:>13}{:>8}{:>11}{:>13}{:>6}{:>13}{:>10}".format(*names))
    first = next(iter(taken.values()))
    for name, runs in taken.items():
        seconds, cpu, tokens, megabytes = (_median(runs, key) for key in ("seconds", "cpu", "tokens", "megabytes"))
        spread = f"{min(run['seconds'] for run in runs):.2f}–{max(run['seconds'] for run in runs):.2f}"
        print(
            f"{name:28}{seconds:9.3f}{spread:>13}{cpu:8.3f}{tokens:11,.0f}{tokens / seconds:13,.0f}{megabytes:6.0f}"
            f"{seconds / _median(first, 'seconds'):13.2f}{cpu / _median(first, 'cpu'):10.2f}"
        )
    print()


def _print_outcome(taken: Runs) -> None:
    """The steps of those who start at the raw files, and what is in their packs."""
    for name, runs in taken.items():
        steps = ", ".join(f"{step} {median(run['steps'][step] for run in runs):.3f} s" for step in runs[0]["steps"])
        found = "{rows:,} conversations, {trained:,} trained tokens in {packs:,} packs".format(**runs[0])
        version = f" {runs[0]['version']}" if "version" in runs[0] else ""
        print(f"{name}{version}: {steps}; {found}")
    if THEIRS not in taken:
        print("TRL was left out: name a Python that can import it with --peer-python")
        return
    ours = _median([run["steps"] for run in taken[OURS]], "tokenize") + _median([run["steps"] for run in taken[OURS]], "pack")
    theirs = _median([run["steps"] for run in taken[THEIRS]], "prepare")
    print(f"from conversations on (tokenize and pack, prepare): {theirs / ours:.1f} times as long")


def _median(runs: Sequence[dict[str, Any]], key: str) -> float:
    return float(median(run[key] for run in runs))


if __name__ == "__main__":
    main()

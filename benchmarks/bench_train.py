"""How fast is training: beside a loop as Open-Assistant's, and TRL with packing, on the mix of the model card.

    python benchmarks/bench_train.py                           ours and padded rows, in batches of 2 and 8
    python benchmarks/bench_train.py --peer-python PYTHON      TRL's SFTTrainer as well; PYTHON can import trl
    python benchmarks/bench_train.py --quick                   a step of each, to try out

A GPT-NeoX of six layers with the vocabulary of its family, untrained, in float32. Each contestant is a process of its own with
one thread, by turns with the others, and begins with the same weights. What counts is trained tokens a second, over whole
optimizer steps after the first; CPU seconds too, for a machine that does other things meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from bench_build import ONE_THREAD
from data_mix.packing import Conversations, make_packs, read_conversations
from data_mix.tokens import load_tokenizer, read_tokens
from data_mix_trainer.machine import quiet
from train_clock import IGNORED, ROWS

HUB, LOCAL, TOKENIZER = Path("../shared/hub"), Path("../shared/local"), Path("../shared/tokenizers/gpt-neox-20b")
HERE = Path(__file__).parent
SERVER = HERE.parent / "tests/hub_server.py"
VOCABULARY, LAYERS, HIDDEN, HEADS = 50_432, 6, 256, 4
STEP = 32
"""Conversations of an optimizer step."""
MULTIPLE = 16
"""Padded rows are a multiple of this."""

Runs = dict[str, list[dict[str, Any]]]
"""What each contestant took, run by run."""


@dataclass(frozen=True)
class Contestant:
    """Who trains, and on how many rows at a time."""

    script: str
    batch: int
    is_packed: bool = False


OURS, THEIRS = "datamix", "TRL, packed"
CONTESTANTS = {
    OURS: Contestant("train_ours.py", 1, is_packed=True),
    THEIRS: Contestant(
        "train_trl.py", 1, is_packed=True
    ),  # it puts the rows of a batch into one, whose mask grows with the square
    "padded, batches of 2": Contestant("train_padded.py", 2),
    "padded, batches of 8": Contestant("train_padded.py", 8),
}


def main() -> None:
    """Make what is given, let the contestants take turns, print the tables."""
    options = _options()
    quiet()
    names = [name for name in options.only or CONTESTANTS if name != THEIRS or options.peer_python]
    with tempfile.TemporaryDirectory(prefix="bench-train-", dir=options.folder) as folder:
        given = Path(folder).resolve()
        conversations = _make_given(options, given)
        passes = _passes(conversations, options.max_length)
        _print_ceilings(conversations, options.max_length)
        taken = _by_turns(options, names, given, passes)
    _print_table(taken)
    _print_outcome(taken, _ceilings(conversations.lengths, options.max_length))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--build", type=Path, help="a build with token shards of the tokenizer; by default the card's mix is built"
    )
    parser.add_argument("--hub", type=Path, default=HUB, help="its public sources, in the layout of the Hub")
    parser.add_argument("--local", type=Path, default=LOCAL, help="the files that it names")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER, help="GPT-NeoX's tokenizer.json in a folder")
    parser.add_argument("--max-length", type=int, default=1024, help="tokens of a packed row, and of the longest padded one")
    parser.add_argument("--steps", type=int, default=4, help="optimizer steps that are measured")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant, each in another order of the data")
    parser.add_argument("--quick", action="store_true", help="one step, one round")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, help="leave the other contestants out")
    parser.add_argument("--peer-python", type=Path, help="a Python that can import trl; without it, TRL is left out")
    parser.add_argument("--folder", type=Path, help="where everything is put and removed again (about 300 MB)")
    options = parser.parse_args()
    if options.quick:
        options.steps = options.rounds = 1
    return options


def _make_given(options: argparse.Namespace, given: Path) -> Conversations:
    """The build with its token shards, the same as rows, and a model."""
    if options.build:
        (given / "build").symlink_to(options.build.resolve(), target_is_directory=True)
    else:
        _build(options, given / "build")
    table = read_tokens(given / "build", load_tokenizer(options.tokenizer)).table("train")
    conversations = read_conversations(table["input_ids"], table["loss"])
    _write_rows(given / ROWS, table, conversations)
    _make_model(given / "model", options.tokenizer)
    return conversations


def _build(options: argparse.Namespace, out: Path) -> None:
    """The card's mix and its token shards."""
    command = [sys.executable, "-m", "data_mix", "build", "--quiet", "--configs", "datasets", "-o", str(out)]
    more = ["--datasets.webgpt.input_file_path", "webgpt/comparisons.jsonl", "--tokenizer", str(options.tokenizer.resolve())]
    with _served(options.hub) as url:
        own = {"HF_ENDPOINT": url, "DATAMIX_HOME": str(out.parent / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        subprocess.run([*command, *more], cwd=options.local, env=os.environ | own, check=True)


@contextmanager
def _served(hub: Path) -> Iterator[str]:
    """A hub on loopback that has the public sources; its URL."""
    with subprocess.Popen([sys.executable, SERVER, hub], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


def _write_rows(path: Path, table: pa.Table, conversations: Conversations) -> None:
    """Ids and labels of all conversations."""
    ids = table["input_ids"].combine_chunks().flatten().to_numpy().astype(np.int32)
    offsets = np.concatenate(([0], np.cumsum(conversations.lengths))).astype(np.int32)
    edges, spans = np.zeros(len(ids) + 1, np.int64), conversations.span_starts.counts()
    np.add.at(edges, conversations.span_starts.values + np.repeat(offsets[:-1], spans), 1)
    np.add.at(edges, conversations.span_ends.values + np.repeat(offsets[:-1], spans), -1)
    labels = np.where(np.cumsum(edges[:-1]) > 0, ids, IGNORED).astype(np.int32)
    columns = {"input_ids": ids, "labels": labels}
    pq.write_table(pa.table({name: pa.ListArray.from_arrays(offsets, values) for name, values in columns.items()}), path)


def _make_model(folder: Path, tokenizer: Path) -> None:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=4 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
    )
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    shutil.copyfile(tokenizer / "tokenizer.json", folder / "tokenizer.json")


def _passes(conversations: Conversations, max_length: int) -> int:
    """The packs that hold as many conversations as a step of padded rows has, on average, rounded up."""
    statistics = make_packs(conversations, max_length).statistics
    print(
        f"{statistics.conversations:,} conversations, {statistics.read_tokens:,} tokens, {statistics.read_trained_tokens:,} of "
        f"them trained; in packs of {max_length}: {statistics.trained_tokens / statistics.read_trained_tokens:.1%} of those, "
        f"{statistics.kept / statistics.packs:.1f} conversations to a pack, {statistics.padding_share:.2%} padding"
    )
    return -(-STEP * statistics.packs // statistics.kept)


def _ceilings(lengths: NDArray[np.int64], max_length: int) -> dict[int, float]:
    """For batches of 2 and 8, in random order: places of padded rows, of no more than `max_length`, for each token."""
    return {batch: _ceiling(np.minimum(lengths, max_length), batch) for batch in (2, 8)}


def _ceiling(lengths: NDArray[np.int64], batch: int) -> float:
    orders = [np.random.default_rng(seed).permutation(lengths) for seed in range(10)]
    batches = np.concatenate([order[: len(order) // batch * batch].reshape(-1, batch) for order in orders])
    widths = -(-batches.max(axis=1) // MULTIPLE) * MULTIPLE
    return float(batch * widths.sum() / batches.sum())


def _print_ceilings(conversations: Conversations, max_length: int) -> None:
    """What padding alone costs on these lengths, cut and whole."""
    for name, length in ((f"cut at {max_length} tokens", max_length), ("whole", int(conversations.lengths.max()))):
        of = ", ".join(
            f"{found:.2f} in batches of {batch}" for batch, found in _ceilings(conversations.lengths, length).items()
        )
        print(f"places of padded rows for each token, conversations {name}: {of}")


def _by_turns(options: argparse.Namespace, names: Sequence[str], given: Path, passes: int) -> Runs:
    """Run the contestants `rounds` times, in a fresh process and an empty folder each time."""
    taken: Runs = {name: [] for name in names}
    for seed in range(options.rounds):
        for name, runs in taken.items():
            asked = {"steps": options.steps, "warm": 1, "seed": seed, "max_length": options.max_length}
            runs.append(_child(options, name, given, asked, passes))
            speeds = [_speed(runs[-1:], clock) for clock in ("seconds", "cpu")]
            print(f"run {seed + 1}, {name}: {speeds[0]:.1f} trained tokens/s, {speeds[1]:.1f} by CPU seconds", flush=True)
    return taken


def _child(options: argparse.Namespace, name: str, given: Path, asked: dict[str, int], passes: int) -> dict[str, Any]:
    who = CONTESTANTS[name]
    asked |= {"batch": who.batch, "passes": passes if who.is_packed else STEP // who.batch}
    python = options.peer_python if name == THEIRS else sys.executable
    environment = os.environ | ONE_THREAD | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"}
    with tempfile.TemporaryDirectory(dir=given) as out:
        command = [python, HERE / who.script, given, f"{out}/out", json.dumps(asked)]
        done = subprocess.run([*map(str, command)], env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _print_table(taken: Runs) -> None:
    """A line per contestant; the figures are those of all its steps together."""
    names = ("trained/s", "least–most", "trained/CPU s", "least–most", "trained", "places/token", "step s", "MB")
    print(f"\n{'':22}" + "{:>10}{:>14}{:>15}{:>14}{:>9}{:>14}{:>8}{:>7}".format(*names))
    for name, runs in taken.items():
        share, places = (_total(runs, key) / _total(runs, "tokens") for key in ("trained", "places"))
        step, megabytes = _total(runs, "seconds") / _total(runs, "steps"), max(run["megabytes"] for run in runs)
        speeds = "".join(
            f"{_speed(runs, clock):{width}.1f}{_spread(runs, clock):>14}" for clock, width in (("seconds", 10), ("cpu", 15))
        )
        print(f"{name:22}{speeds}{share:9.1%}{places:14.2f}{step:8.1f}{megabytes:7.0f}")
    print()


def _print_outcome(taken: Runs, ceilings: dict[int, float]) -> None:
    """How many times as fast ours is, with what padding alone allows, and whether its loop waited for data."""
    for name in [name for name in taken if OURS in taken and name != OURS]:
        ratios = [_speed(taken[OURS], clock) / _speed(taken[name], clock) for clock in ("seconds", "cpu")]
        ceiling = ceilings.get(CONTESTANTS[name].batch, 1.0)
        note = f"; padding alone allows {ceiling:.2f}" if not CONTESTANTS[name].is_packed else ""
        print(f"datamix is {ratios[0]:.2f} times as fast as {name}, by CPU seconds {ratios[1]:.2f} times{note}")
    if OURS in taken:
        print(f"datamix waits for data {median(run['waited'] for run in taken[OURS]):.3%} of its time")
    if THEIRS in taken:
        run = taken[THEIRS][0]
        print(f"TRL {run['version']} {'keeps' if run['apart'] else 'does not keep'} the conversations of a row apart here")
    else:
        print("TRL was left out: name a Python that can import it with --peer-python")


def _total(runs: Sequence[dict[str, Any]], key: str) -> float:
    return float(sum(run[key] for run in runs))


def _speed(runs: Sequence[dict[str, Any]], clock: str) -> float:
    """Trained tokens a second, over all steps of all runs."""
    return _total(runs, "trained") / _total(runs, clock)


def _spread(runs: Sequence[dict[str, Any]], clock: str) -> str:
    speeds = [_speed([run], clock) for run in runs]
    return f"{min(speeds):.1f}–{max(speeds):.1f}"


if __name__ == "__main__":
    main()

"""How fast a model is scored: beside lm-evaluation-harness, on the same model and the same items.

    python benchmarks/bench_eval.py --model MODEL                    MMLU, 5 shots, and BBH asked directly, 3 shots
    python benchmarks/bench_eval.py --benchmark mmlu --alone         datamix alone

Without `--model` an untrained model of six layers is made. Each contestant is a process of its own with one thread, by turns
with the other; imports, the model, the tasks and their records are loaded before the clock starts. CPU seconds count, so that
a busy machine does not.
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
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bench_build import ONE_THREAD

FILES = Path("../shared/eval")
TOKENIZER = Path("../shared/tokenizers/gpt-neox-20b")
SUBJECTS = {"mmlu": ("abstract_algebra", "human_sexuality"), "bbh": ("boolean_expressions", "navigate")}
MAX_TOKENS = 32
"""Of an answer of BBH."""

OURS, THEIRS = "datamix", "lm-eval"
MODULES = {OURS: "eval_ours", THEIRS: "eval_peer"}
SEED, LAYERS = 0, 6
EOS = "<|endoftext|>"

Runs = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Let the contestants take turns, print the tables."""
    options = _options()
    if options.child:
        _run_child(options)
        return
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as folder:
        options.model = options.model or _made(Path(folder) / "model")
        print(f"medians of {options.rounds} runs by turns; one process, one thread; imports and loading excluded\n")
        for benchmark in options.benchmark:
            subjects = options.subjects or SUBJECTS[benchmark]
            _print_table(benchmark, subjects, _by_turns(options, benchmark, subjects))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a checkpoint's folder; by default a model is made")
    parser.add_argument("--files", type=Path, default=FILES, help="a folder with mmlu, bbh and bbh-cot-prompts")
    parser.add_argument("--benchmark", nargs="*", default=["mmlu", "bbh"], choices=["mmlu", "bbh"])
    parser.add_argument("--subjects", nargs="*", help=f"by default {SUBJECTS}")
    parser.add_argument("--limit", type=int, help="items of each subject")
    parser.add_argument("--batch", type=int, default=32, help="of datamix")
    parser.add_argument("--peer-batch", type=int, default=8, help="of lm-eval")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--alone", action="store_true", help="leave lm-eval out")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _made(folder: Path) -> Path:
    """A Llama of six layers, untrained, with GPT-NeoX's tokenizer."""
    file = str(TOKENIZER / "tokenizer.json")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=file, eos_token=EOS, bos_token=EOS)  # type: ignore[no-untyped-call]
    sizes: dict[str, Any] = {
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_attention_heads": 8,
        "num_hidden_layers": LAYERS,
    }
    torch.manual_seed(SEED)
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=4096, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _by_turns(options: argparse.Namespace, benchmark: str, subjects: Sequence[str]) -> Runs:
    names = [OURS] if options.alone else [OURS, THEIRS]
    taken: Runs = {name: [] for name in names}
    for _ in range(options.rounds):
        for name, runs in taken.items():
            runs.append(_child(options, name, benchmark, subjects))
    return taken


def _child(options: argparse.Namespace, name: str, benchmark: str, subjects: Sequence[str]) -> dict[str, Any]:
    limit = ["--limit", options.limit] if options.limit else []
    given = ["--model", options.model, "--files", options.files, "--batch", options.batch, "--peer-batch", options.peer_batch]
    command = [sys.executable, __file__, *given, *limit, "--subjects", *subjects, "--child", name, benchmark]
    environment = (
        os.environ | ONE_THREAD | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    )
    done = subprocess.run([*map(str, command)], env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _run_child(options: argparse.Namespace) -> None:
    name, benchmark = options.child
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as folder:
        work = importlib.import_module(MODULES[name]).prepare(options, benchmark, Path(folder), MAX_TOKENS)
        began, cpu = time.perf_counter(), time.process_time()
        outcome = work()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": megabytes} | outcome))


def _print_table(benchmark: str, subjects: Sequence[str], taken: Runs) -> None:
    first = taken[OURS][0]["items"]
    print(f"{benchmark}: {', '.join(subjects)}; {len(first)} items")
    print(f"{'':10}{'seconds':>10}{'CPU s':>10}{'CPU s/item':>13}{'items/CPU s':>13}{'MB':>7}")
    for name, runs in taken.items():
        cpu, seconds, megabytes = (float(median(run[key] for run in runs)) for key in ("cpu", "seconds", "megabytes"))
        print(f"{name:10}{seconds:10.2f}{cpu:10.2f}{cpu / len(first):13.4f}{len(first) / cpu:13.2f}{megabytes:7.0f}")
    if THEIRS in taken:
        ratio = float(median(run["cpu"] for run in taken[THEIRS])) / float(median(run["cpu"] for run in taken[OURS]))
        print(f"datamix answers {ratio:.1f} times as many items per CPU second; {_agreement(first, taken[THEIRS][0]['items'])}")
    print()


def _agreement(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    if isinstance(next(iter(ours.values())), str):
        same = sum(text.strip() == theirs[item].strip() for item, text in ours.items())
        return f"{same} of {len(ours)} answers are the same text"
    same = sum(_pick(values) == _pick(theirs[item]) for item, values in ours.items())
    pairs = [(one, other) for item, values in ours.items() for one, other in zip(values, theirs[item], strict=True)]
    return (
        f"{same} of {len(ours)} decisions agree, log-probabilities within {max(abs(one - other) for one, other in pairs):.1e}"
    )


def _pick(values: Sequence[float]) -> int:
    return max(range(len(values)), key=lambda place: values[place])


if __name__ == "__main__":
    main()

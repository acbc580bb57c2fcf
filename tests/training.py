"""What tests of the trainer run on: token shards and packs made by hand, a small build with its tokens, small models, runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from commands import Shell
from data_mix.packing import Layout, Packs, make_packs, read_conversations
from data_mix_trainer.dataset import Arrangement, Batch, Collator, TokenRows
from sample_tokenizers import byte_level

ROOT: Final = Path(__file__).parent.parent
PAD: Final = 1

Conversation = tuple[str, Sequence[int], Sequence[tuple[int, int]]]
"""Source, ids, loss spans."""


def token_table(conversations: Sequence[Conversation], *, chunk: int = 1000) -> pa.Table:
    """A token shard of these conversations, `chunk` of them to a record batch."""
    schema = pa.schema(
        [
            ("source", pa.dictionary(pa.int16(), pa.string())),
            ("input_ids", pa.list_(pa.uint16())),
            ("loss", pa.list_(pa.struct([("start", pa.uint32()), ("end", pa.uint32())]))),
        ]
    )
    batches = []
    for start in range(0, len(conversations), chunk):
        sources, ids, loss = zip(*conversations[start : start + chunk], strict=True)
        spans = [[{"start": first, "end": last} for first, last in each] for each in loss]
        columns = [pa.array(sources).dictionary_encode().cast(schema[0].type), pa.array(ids, schema[1].type)]
        batches.append(pa.RecordBatch.from_arrays([*columns, pa.array(spans, schema[2].type)], schema=schema))
    return pa.Table.from_batches(batches, schema)


def exchanges(count: int, *, seed: int = 0, longest: int = 20) -> list[Conversation]:
    """Conversations of a prompt and an answer of random lengths, the answer trained; ids from 10 on."""
    draw = np.random.default_rng(seed)
    made: list[Conversation] = []
    for number in range(count):
        prompt, answer = draw.integers(1, longest, 2).tolist()
        ids = draw.integers(10, 500, prompt + answer).tolist()
        made.append((f"source-{number % 3}", ids, [(prompt, prompt + answer)]))
    return made


def collator(
    conversations: Sequence[Conversation], max_length: int, *, arrangement: Arrangement = "rows", chunk: int = 1000
) -> Collator:
    """What makes batches of these conversations."""
    table = token_table(conversations, chunk=chunk)
    layout: Layout = "rectangle" if arrangement == "apart" else "row"
    packs = make_packs(read_conversations(table["input_ids"], table["loss"]), max_length, layout=layout)
    return Collator(rows=TokenRows(table), packs=packs, pad=PAD, arrangement=arrangement)


def all_packs(packs: Packs) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The numbers of all packs."""
    return np.arange(len(packs), dtype=np.int64)


def unpacked(collate: Collator) -> Iterator[Batch]:
    """Each piece of all packs in a row of its own."""
    for number in range(len(collate.packs)):
        for piece in range(len(collate.packs[number])):
            alone = Packs(
                offsets=np.array([0, 1]), pieces=collate.packs[number][piece : piece + 1], statistics=collate.packs.statistics
            )
            yield Collator(rows=collate.rows, packs=alone, pad=PAD)(np.array([0]))


def small_model(folder: Path, *, vocabulary: int = 1100, layers: int = 2, hidden: int = 64, seed: int = 0) -> Path:
    """A folder with an untrained GPT-NeoX."""
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * hidden,
        max_position_embeddings=512,
    )
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Place:
    """A folder with a build, its token shards and a base model, to train in."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def build(self) -> Path:
        """The build of the shipped samples."""
        return self.folder / "samples"

    @property
    def model(self) -> Path:
        """The base model with its tokenizer."""
        return self.folder / "model"

    def shell(self) -> Shell:
        """Where to run commands."""
        own = {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "TRANSFORMERS_VERBOSITY": "error"}
        return Shell(cwd=self.folder, home=self.folder / "home", variables=own | self.variables)

    def arguments(self, out: Path, **keys: object) -> list[str]:
        """The arguments of a short run into `out`."""
        given: dict[str, object] = {
            "model_name": self.model,
            "data_path": self.build,
            "output_dir": out,
            "dtype": "fp32",
            "max_length": 256,
            "learning_rate": 1e-3,
            "warmup_steps": 0,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 4,
            "max_steps": 6,
            "eval_steps": 3,
            "save_steps": 3,
            "eval_answers": 1,
        }
        return [word for key, value in (given | keys).items() for word in (f"--{key}", str(value))]

    def launch(self, launcher: Sequence[str], *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run the trainer by a launcher, which is followed by the trainer's arguments."""
        command = [str(Path(sys.executable).parent / launcher[0]), *launcher[1:], *arguments]
        environment = self.shell().environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(
            command,
            cwd=ROOT / "packages/trainer",
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def make_place(folder: Path) -> Place:
    """Build the samples, make a tokenizer and a model, write the token shards."""
    place = Place(folder)
    byte_level(place.model)
    small_model(place.model)
    place.shell().build(place.build, "--configs", "datasets", "--samples")
    place.shell().ok("tokenize", place.build, "--tokenizer", place.model, "--quiet")
    return place


def train_here(*arguments: str) -> None:
    """Run the trainer in this process, which takes a second; what libraries keep of a run for the next is put away after it."""
    from accelerate.state import AcceleratorState  # type: ignore[import-untyped]

    from data_mix_trainer.cli import train

    before = dict(os.environ)
    try:
        train(arguments)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
        os.environ.clear()
        os.environ.update(before)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf8").split("\n")[:-1]]  # texts may hold other line ends


def losses(out: Path, log_dir: str = "base") -> dict[int, float]:
    """The training loss of each step of a run."""
    return {line["step"]: line["loss"] for line in read_lines(out / log_dir / "metrics.jsonl") if "loss" in line}


def rates(out: Path, log_dir: str = "base") -> list[float]:
    """The learning rate of each step of a run."""
    return [line["learning_rate"] for line in read_lines(out / log_dir / "metrics.jsonl") if "loss" in line]

"""A contestant of `bench_train.py`: a loop as Open-Assistant's, a conversation to a row, padded to the longest of its batch.

    python train_padded.py GIVEN OUT '{"steps": 4, "warm": 1, "seed": 0, "max_length": 1024, "batch": 2, "passes": 16}'

Random batches, rows cut on the right at `max_length` and padded to a multiple of 16, an attention mask, logits of every place,
and the loss of those that are trained. Its loop is transformers' Trainer too. What that project does beside it in every step,
tokenising the texts, is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

from train_clock import IGNORED, OPTIMIZER, ROWS, Clock

Rows = list[tuple[Any, Any]]
"""The ids of each conversation and its labels, as arrays."""

PAD = 1
MULTIPLE = 16


class PaddedTrainer(Trainer):
    """Computes the logits of whole rows."""

    def __init__(self, *, clock: Clock, **named: Any) -> None:
        super().__init__(**named, callbacks=[clock], data_collator=collate)
        self._clock = clock

    def compute_loss(self, model: nn.Module, inputs: Any, *_: Any, **__: Any) -> Any:
        """The mean over the trained tokens of the batch."""
        ids, mask, is_trained = (inputs[name] for name in ("input_ids", "attention_mask", "is_trained"))
        self._clock.count(trained=int(is_trained.sum()), tokens=int(mask.sum()), places=ids.numel())
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        is_trained, targets = is_trained.view(-1), ids.roll(-1, dims=1).view(-1)
        return functional.cross_entropy(logits.view(-1, logits.shape[-1])[is_trained], targets[is_trained])


def collate(rows: Rows) -> dict[str, torch.Tensor]:
    """Rows of one width; `is_trained` says whether the next token is trained on."""
    width = -(-max(len(ids) for ids, _ in rows) // MULTIPLE) * MULTIPLE
    padded = torch.full((len(rows), width), PAD)
    mask, is_trained = torch.zeros_like(padded), torch.zeros_like(padded, dtype=torch.bool)
    for place, (ids, labels) in enumerate(rows):
        size = len(ids)
        padded[place, :size], mask[place, :size] = torch.from_numpy(ids), 1
        is_trained[place, : size - 1] = torch.from_numpy(labels[1:] != IGNORED)
    return {"input_ids": padded, "attention_mask": mask, "is_trained": is_trained}


def main(given: Path, out: Path, asked: dict[str, int]) -> None:
    """Train; print what it took."""
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=asked["warm"] + asked["steps"],
        per_device_train_batch_size=asked["batch"],
        gradient_accumulation_steps=asked["passes"],
        seed=asked["seed"],
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        disable_tqdm=True,
        **OPTIMIZER,
    )
    clock, rows = Clock(), _read(given / ROWS, asked["max_length"])
    model = AutoModelForCausalLM.from_pretrained(given / "model", dtype=torch.float32)
    PaddedTrainer(clock=clock, model=model, args=arguments, train_dataset=rows).train()
    clock.report(asked["warm"])


def _read(path: Path, max_length: int) -> Rows:
    """The rows, cut on the right, of which something is trained."""
    table = pq.read_table(path)
    ids, labels = (table[name].combine_chunks() for name in ("input_ids", "labels"))
    starts = ids.offsets.to_numpy()
    bounds = zip(starts[:-1], (starts[:-1] + max_length).clip(max=starts[1:]), strict=True)
    cut = [[column.values.to_numpy()[start:end] for column in (ids, labels)] for start, end in bounds]
    return [(ids, labels) for ids, labels in cut if (labels[1:] != IGNORED).any()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))

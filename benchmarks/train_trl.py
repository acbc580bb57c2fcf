"""A contestant of `bench_train.py`: `trl.SFTTrainer` with packing, in a Python that can import it.

    python train_trl.py GIVEN OUT '{"steps": 4, "warm": 1, "seed": 0, "max_length": 1024, "batch": 1, "passes": 5}'

It is given ids and labels, so that all train on the same tokens; packing (best fit decreasing), loss and figures are its
own. Before the clock starts it is asked whether it keeps the conversations of a row apart.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import datasets
import torch
import trl  # type: ignore[import-not-found]  # of the peer's Python, not of ours
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from train_clock import IGNORED, OPTIMIZER, ROWS, Clock

datasets.disable_progress_bars()


class PeerTrainer(trl.SFTTrainer):  # type: ignore[misc]  # its class is unknown here
    """Counts what its batches are made of."""

    clock: Clock

    def training_step(self, model: nn.Module, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """Count first; its rows have no padding where batches are of one."""
        places = inputs["input_ids"].numel()
        self.clock.count(trained=int((inputs["labels"][:, 1:] != IGNORED).sum()), tokens=places, places=places)
        return super().training_step(model, inputs, *arguments, **named)


def main(given: Path, out: Path, asked: dict[str, int]) -> None:
    """Train; print what it took."""
    tokenizer: Any = AutoTokenizer.from_pretrained(given / "model")
    arguments = trl.SFTConfig(
        output_dir=str(out),
        max_length=asked["max_length"],
        packing=True,
        max_steps=asked["warm"] + asked["steps"],
        per_device_train_batch_size=asked["batch"],
        gradient_accumulation_steps=asked["passes"],
        activation_checkpointing=False,
        seed=asked["seed"],
        use_cpu=True,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        pad_token="<|padding|>",
        disable_tqdm=True,
        **OPTIMIZER,
    )
    model = AutoModelForCausalLM.from_pretrained(given / "model", dtype=torch.float32)
    rows = datasets.Dataset.from_parquet(str(given / ROWS), cache_dir=str(out / "cache"))
    trainer = PeerTrainer(model, arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.clock = Clock()
    trainer.add_callback(trainer.clock)
    apart = _keeps_apart(trainer)
    trainer.train()
    trainer.clock.report(asked["warm"], version=trl.__version__, apart=apart)


def _keeps_apart(trainer: Any) -> bool:
    """Whether the logits of a conversation in a row do not depend on the one before it."""
    first, other = (_second_logits(trainer, start) for start in (10, 20))
    return bool(torch.allclose(first, other, atol=1e-5))


@torch.no_grad()
def _second_logits(trainer: Any, start: int) -> torch.Tensor:
    """The logits of a conversation behind one of ids from `start` on, in a batch as its collator makes it."""
    ids = [*range(start, start + 4), *range(2, 6)]
    batch = trainer.data_collator([{"input_ids": ids, "labels": ids, "seq_lengths": [4, 4]}])
    logits: torch.Tensor = trainer.model.eval()(input_ids=batch["input_ids"], position_ids=batch["position_ids"]).logits
    return logits[0, 4:]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))

"""A contestant of `bench_train.py`: the trainer, as `datamix train` runs it, on token shards and packs.

python train_ours.py GIVEN OUT '{"steps": 4, "warm": 1, "seed": 0, "max_length": 1024, "batch": 1, "passes": 5}'
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_mix_trainer.config import TrainSettings
from data_mix_trainer.machine import quiet
from data_mix_trainer.metrics import METRICS
from data_mix_trainer.plan import Plan, plan_run
from data_mix_trainer.run import _make_trainer
from data_mix_trainer.sft import Run
from data_mix_trainer.training_data import open_data
from train_clock import OPTIMIZER, Clock


class OurClock(Clock):
    """Counts what the run's steps are made of."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        """Count the step first."""
        if (step := self._run.step) is not None:
            places = sum(batch["input_ids"].numel() for batch in step.batches)
            self.count(trained=step.trained, tokens=step.tokens, places=places)
        super().on_step_end(*arguments, **named)


def main(given: Path, out: Path, asked: dict[str, int]) -> None:
    """Train; print what it took, and what part of its time the loop waited for data."""
    quiet()
    plan = _plan(given, out, asked)
    trainer = _make_trainer(plan)
    clock = OurClock(trainer.run)
    trainer.add_callback(clock)
    trainer.train()
    clock.report(asked["warm"], waited=_waited(plan, asked["warm"]))


def _plan(given: Path, out: Path, asked: dict[str, int]) -> Plan:
    """The run, without the validation split: its evaluations are not measured."""
    settings = TrainSettings(
        model_name=str(given / "model"),
        data_path=str(given / "build"),
        output_dir=str(out),
        dtype="fp32",
        max_length=asked["max_length"],
        per_device_train_batch_size=asked["batch"],
        gradient_accumulation_steps=asked["passes"],
        max_steps=asked["warm"] + asked["steps"],
        seed=asked["seed"],
        **{name: value for name, value in OPTIMIZER.items() if name != "optim"},  # the trainer's on a CPU
    )
    return plan_run(settings, replace(open_data(settings, None), validation=None), by_deepspeed=False)


def _waited(plan: Plan, warm: int) -> float:
    """The part of the steps' time, by the run's own log, for which the loop waited for data."""
    lines = [json.loads(line) for line in (plan.log_dir / METRICS).read_text(encoding="utf8").splitlines()]
    steps = [line for line in lines if "data_seconds" in line][warm:]
    return float(sum(line["data_seconds"] for line in steps) / sum(line["seconds"] for line in steps))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))

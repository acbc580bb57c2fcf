"""What the contestants of `bench_train.py` have in common: how they are timed, what they count, and their optimizer."""

from __future__ import annotations

import json
import resource
import time
from typing import Any

from transformers import TrainerCallback

IGNORED = -100
"""The label of a token that is not trained."""
ROWS = "rows.parquet"
"""The conversations as `input_ids` and `labels`, for those who do not read token shards."""
OPTIMIZER: dict[str, Any] = {
    "optim": "adamw_torch",
    "learning_rate": 1e-4,
    "adam_beta1": 0.9,
    "adam_beta2": 0.95,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.0,
    "max_grad_norm": 2.0,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
}


class Clock(TrainerCallback):
    """Seconds, and what was counted, at the end of each optimizer step."""

    def __init__(self) -> None:
        self.counted = {"trained": 0, "tokens": 0, "places": 0}
        self._marks: list[dict[str, float]] = []

    def count(self, *, trained: int, tokens: int, places: int) -> None:
        """A batch has so many trained tokens, tokens, and places with its padding."""
        for name, number in (("trained", trained), ("tokens", tokens), ("places", places)):
            self.counted[name] += number

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:  # type: ignore[override]  # by position
        """Note the time; nothing is saved after the last step, since saving is not measured."""
        control.should_save = False
        self._marks.append({"seconds": time.perf_counter(), "cpu": time.process_time(), **self.counted})

    def report(self, warm: int, **more: Any) -> None:
        """Print what the steps after the first `warm` took, all between their ends included, as JSON."""
        first, last = self._marks[warm - 1], self._marks[-1]
        taken = {name: last[name] - first[name] for name in first}
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"steps": len(self._marks) - warm, "megabytes": megabytes} | taken | more))

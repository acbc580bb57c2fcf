"""What a run writes down of itself, below output_dir/log_dir, a line of JSON each time.

    metrics.jsonl       {"step": 7, "epoch": 0.02, "loss": 2.31, "grad_norm": 1.2, "learning_rate": 1e-05, …}
    packs-00000.jsonl   {"step": 7, "epoch": 0, "packs": [311, 7, 48]}: what each process trained on, a file for each, so that a
                        spike can be traced to its conversations
    samples.jsonl       answers at each evaluation

A run that goes on from a checkpoint first takes away what was written after it: those steps are done again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.files import output_errors, write_bytes

METRICS: Final = "metrics.jsonl"
SAMPLES: Final = "samples.jsonl"

FIGURES: Final = ("loss", "perplexity", "token_accuracy")
"""What is measured of the validation split."""


def metric_names(sources: Sequence[str]) -> list[str]:
    """The names of the figures of these sources, those of all together first."""
    return [f"{prefix}{figure}" for prefix in ("", *(f"{source}_" for source in sources)) for figure in FIGURES]


def packs_file(rank: int) -> str:
    """The name of the file of the packs of one process."""
    return f"packs-{rank:05}.jsonl"


@dataclass(frozen=True)
class Log:
    """A file of lines."""

    path: Path

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a line; OutputError where it cannot be written."""
        line = json.dumps({name: _plain(value) for name, value in record.items()}, ensure_ascii=False)
        with output_errors(self.path), self.path.open("a", encoding="utf8", errors="surrogatepass") as file:
            file.write(f"{line}\n")

    def forget_after(self, step: int) -> None:
        """Take away the lines of later steps, and one that a kill has cut."""
        with output_errors(self.path):
            lines = self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []
        kept = [line for line in lines if _step(line) <= step]
        if len(kept) < len(lines):
            write_bytes(self.path, b"".join(kept))


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no infinity: they are written as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _step(line: bytes) -> float:
    """The step of a line; infinite where it is no whole line."""
    try:
        return float(json.loads(line)["step"]) if line.endswith(b"\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf

"""How fast a run is: figures for its log, and a bar on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from data_mix_trainer.dataset import StepBatch, StepReader


@dataclass(kw_only=True)
class Progress:
    """The clock of a run, and what one sees of it."""

    steps: int
    max_length: int
    is_shown: bool
    """On the first process alone."""
    clock: Callable[[], float] = time.perf_counter
    _began: float = field(init=False, default=0.0)
    _bar: Bar | None = field(init=False, default=None)

    def open(self, done: int) -> None:
        """Show the bar, where there is a terminal, at so many steps."""
        if self.is_shown and Console().is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, TextColumn("{task.fields[speed]}"))
            self._bar.add_task("train", total=self.steps, completed=done, speed="")
            self._bar.start()

    def begin(self) -> None:
        """A step begins."""
        self._began = self.clock()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def figures(self, step: StepBatch, reader: StepReader) -> dict[str, float]:
        """What the log says of a step beside its loss."""
        seconds = self.clock() - self._began
        return {
            "seconds": seconds,
            "data_seconds": step.waited,
            "tokens": step.tokens,
            "trained_tokens": step.trained,
            "tokens_per_second": step.tokens / seconds,
            "trained_tokens_per_second": step.trained / seconds,
            "padding_share": 1 - step.tokens / (reader.schedule.global_batch * self.max_length),
        }

    def show(self, step: int, logs: Mapping[str, float]) -> None:
        """Move the bar; an evaluation is a line, wherever the output goes."""
        if self._bar is not None and "loss" in logs:
            speed = f"loss {logs['loss']:.3f}, {logs['tokens_per_second']:,.0f} tokens/s"
            self._bar.update(self._bar.task_ids[0], completed=step, speed=speed)
        if "eval_loss" in logs:
            line = (
                f"step {step}: validation loss {logs['eval_loss']:.4f}, perplexity {logs['eval_perplexity']:.2f}, "
                f"token accuracy {logs['eval_token_accuracy']:.4f}"
            )
            if self._bar is not None:
                self._bar.console.print(line, highlight=False, soft_wrap=True)
            else:
                typer.echo(line)

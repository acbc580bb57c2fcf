"""How fast a run is said to be, and where it is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from data_mix_trainer.dataset import StepBatch, StepReader
from data_mix_trainer.progress import Progress
from data_mix_trainer.schedule import Cursor, Schedule
from training import collator, exchanges

STEP = {"loss": 2.5, "tokens_per_second": 12345.6}
EVALUATION = {"eval_loss": 1.0, "eval_perplexity": 2.71828, "eval_token_accuracy": 0.25}
SAID = "step 7: validation loss 1.0000, perplexity 2.72, token accuracy 0.2500\n"


def clock_of(*seconds: float) -> Callable[[], float]:
    """A clock that shows these times one after the other."""
    return iter(seconds).__next__


def first_step(size: int) -> tuple[StepBatch, StepReader]:
    """The first step of a run in rows of 64 tokens, which took half a second to read."""
    collate = collator(exchanges(40), 64)
    schedule = Schedule(packs=len(collate.packs), global_batch=size, steps=3)
    reader = StepReader(
        collate=collate, schedule=schedule, seed=0, rank=0, world=1, passes=size, clock=clock_of(10.0, 10.5, 11.0, 11.0)
    )
    return next(reader.steps(Cursor(), 0)), reader


def test_figures_are_those_of_the_step() -> None:
    """Tokens per second count the whole step, from before its data were read."""
    step, reader = first_step(4)
    progress = Progress(steps=3, max_length=64, is_shown=False, clock=clock_of(100.0, 102.0))
    progress.begin()
    found = progress.figures(step, reader)
    assert (found["seconds"], found["data_seconds"]) == (2.0, 0.5)
    assert (found["tokens"], found["trained_tokens"]) == (step.tokens, step.trained)
    assert (found["tokens_per_second"], found["trained_tokens_per_second"]) == (step.tokens / 2, step.trained / 2)
    assert found["padding_share"] == pytest.approx(1 - step.tokens / (4 * 64))


def test_rows_without_a_pack_are_padding() -> None:
    """In a step that an epoch's last packs do not fill, what is missing counts as padding."""
    step, reader = first_step(30)
    assert step.rows < 30
    progress = Progress(steps=3, max_length=64, is_shown=False, clock=clock_of(0.0, 1.0))
    progress.begin()
    assert progress.figures(step, reader)["padding_share"] == pytest.approx(1 - step.tokens / (30 * 64))


def test_without_a_terminal_an_evaluation_is_a_line_and_a_step_none(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file of a job holds a line per evaluation, and no bar."""
    progress = Progress(steps=10, max_length=64, is_shown=True)
    progress.open(0)
    progress.show(6, STEP)
    progress.show(7, EVALUATION)
    progress.close()
    assert capsys.readouterr().out == SAID


def test_on_a_terminal_there_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands at the steps that are done and says loss and speed; an evaluation is a line above it."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    progress = Progress(steps=10, max_length=64, is_shown=True)
    progress.open(4)
    progress.show(7, STEP)
    progress.show(7, EVALUATION)
    progress.close()
    printed = capsys.readouterr().out
    assert "7/10" in printed
    assert "loss 2.500, 12,346 tokens/s" in printed
    assert "validation loss" in printed


def test_another_process_shows_no_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many processes the first alone has one."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    progress = Progress(steps=10, max_length=64, is_shown=False)
    progress.open(0)
    progress.show(1, STEP)
    progress.close()
    assert capsys.readouterr().out == ""

"""Steps and the cursor: the same whatever the number of processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix.errors import ConfigError
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.schedule import Cursor, Schedule, accumulation, make_schedule


def test_an_epoch_takes_every_pack_and_the_last_step_what_is_left() -> None:
    """Ten packs in global batches of four are three steps, and two epochs six."""
    schedule = make_schedule(TrainSettings(num_train_epochs=2, gradient_accumulation_steps=2), packs=10, world=1)
    assert (schedule.global_batch, schedule.steps_per_epoch, schedule.steps) == (4, 3, 6)


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 2), (0.01, 1), (1.34, 5)])
def test_a_part_of_an_epoch_is_rounded_up(epochs: float, steps: int) -> None:
    """Half of three steps are two, and no run has less than one."""
    settings = TrainSettings(num_train_epochs=epochs, gradient_accumulation_steps=2)
    assert make_schedule(settings, packs=10, world=1).steps == steps


def test_max_steps_wins_over_epochs() -> None:
    """`max_steps` decides whatever `num_train_epochs` says."""
    assert make_schedule(TrainSettings(max_steps=7, num_train_epochs=1), packs=10, world=1).steps == 7


@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 60))
def test_the_cursor_passes_every_pack_of_every_epoch_once(packs: int, size: int, steps: int) -> None:
    """Each step starts where the one before it ended, and epochs end on their last pack."""
    schedule, cursor, seen = Schedule(packs=packs, global_batch=size, steps=steps), Cursor(), 0
    for _ in range(steps):
        taken = min(size, packs - cursor.packs)
        following, seen = schedule.after(cursor), seen + taken
        assert schedule.epochs(following) == pytest.approx(seen / packs)
        cursor = following


def test_the_checkpoints_global_batch_is_kept() -> None:
    """A run that goes on with fewer processes takes the same global batch by more forward passes."""
    settings = TrainSettings(per_device_train_batch_size=1, gradient_accumulation_steps=4)
    schedule = make_schedule(settings, packs=100, world=1, global_batch=8)
    assert (schedule.global_batch, accumulation(schedule, per_device=1, world=1)) == (8, 8)


def test_a_global_batch_that_does_not_divide_is_refused() -> None:
    """Three processes cannot share eight packs."""
    with pytest.raises(ConfigError, match="a global batch of 8 packs cannot be shared by 3 processes that take 1 at a time"):
        accumulation(Schedule(packs=10, global_batch=8, steps=1), per_device=1, world=3)

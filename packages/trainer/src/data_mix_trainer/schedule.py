"""How many steps a run takes, and where in its packs it is.

An epoch is every pack once, in global batches of the same size, the last one filled up with rows of padding. The size does not
depend on the number of processes, so neither do the steps, nor the packs of any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from data_mix.errors import ConfigError
from data_mix_trainer.config import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the run: the packs before it were trained on."""

    epoch: int = 0
    packs: int = 0
    """Those of the epoch that were trained on."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The steps of a run."""

    packs: int
    """In an epoch."""
    global_batch: int
    """Packs per optimizer step, over all processes and forward passes."""
    steps: int
    """Of the whole run."""

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of an epoch; the last takes what is left."""
        return math.ceil(self.packs / self.global_batch)

    def after(self, cursor: Cursor) -> Cursor:
        """The place one step further."""
        packs = min(cursor.packs + self.global_batch, self.packs)
        return Cursor(epoch=cursor.epoch, packs=packs) if packs < self.packs else Cursor(epoch=cursor.epoch + 1)

    def epochs(self, cursor: Cursor) -> float:
        """Epochs that were trained on up to this place."""
        return cursor.epoch + cursor.packs / self.packs


def make_schedule(settings: TrainSettings, *, packs: int, world: int, global_batch: int | None = None) -> Schedule:
    """The schedule of these settings; `global_batch` is that of the checkpoint which the run goes on from."""
    size = global_batch or world * settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    per_epoch = math.ceil(packs / size)
    steps = settings.max_steps or max(1, math.ceil(settings.num_train_epochs * per_epoch))
    return Schedule(packs=packs, global_batch=size, steps=steps)


def accumulation(schedule: Schedule, *, per_device: int, world: int) -> int:
    """Forward passes per optimizer step that make the global batch; ConfigError where it does not divide."""
    if schedule.global_batch % (per_device * world):
        raise ConfigError(
            f"a global batch of {schedule.global_batch} packs cannot be shared by {world} processes that take {per_device} at "
            f"a time; choose per_device_train_batch_size and processes whose product divides {schedule.global_batch}"
        )
    return schedule.global_batch // (per_device * world)

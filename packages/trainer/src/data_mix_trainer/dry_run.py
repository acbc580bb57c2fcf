"""What a run would be, from its packs, its schedule and its model's size: what `datamix train --dry-run` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from data_mix.packing import Statistics
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.memory import ParameterCount, StateMemory, memory_by_stage, run_parameters
from data_mix_trainer.schedule import Schedule

if TYPE_CHECKING:
    from data_mix_trainer.plan import Plan

_MEMORY: Final = ("ZeRO stage", "on the device", "in the machine's memory")


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """A run before anything of it is done."""

    settings: TrainSettings
    build: str
    """What the build folder is called."""
    statistics: Statistics
    """Of the packs of the train split."""
    schedule: Schedule
    world: int
    """Processes."""
    engine: str
    """`torch`, or `deepspeed stage 3`."""
    done: int = 0
    """Steps that a checkpoint spares the run."""
    parameters: ParameterCount
    memory: Sequence[StateMemory]

    @property
    def tokens_per_step(self) -> float:
        """The mean over an epoch, padding left out."""
        return self.statistics.tokens / self.schedule.steps_per_epoch

    @property
    def trained_per_step(self) -> float:
        """The mean over an epoch."""
        return self.statistics.trained_tokens / self.schedule.steps_per_epoch

    def rows(self) -> list[tuple[str, str]]:
        """(name, value) of everything but the memory, to be read."""
        found, schedule = self.statistics, self.schedule
        return [
            ("model", f"{self.settings.model_name}, {self._parameters()}"),
            ("engine", f"{self.engine}, {self.settings.dtype}"),
            ("build", self.build),
            ("conversations", self._conversations()),
            ("packs", f"{found.packs:,} of {found.max_length:,} tokens"),
            ("tokens", f"{found.tokens:,}"),
            ("trained tokens", f"{found.trained_tokens:,} ({found.trained_tokens / found.tokens:.1%})"),
            ("padding", f"{found.padding_share:.2%}"),
            ("global batch", self._global_batch()),
            ("steps per epoch", f"{schedule.steps_per_epoch:,}"),
            ("steps", self._steps()),
            ("warm-up", self._warmup()),
            ("tokens per step", f"{self.tokens_per_step:,.0f}, {self.trained_per_step:,.0f} of them trained"),
        ]

    def memory_rows(self) -> list[tuple[str, str, str]]:
        """(ZeRO stage, on the device, in the machine's memory) of one process, to be read."""
        return [
            (f"{row.stage}, offloaded" if row.is_offloaded else str(row.stage), _bytes(row.device), _bytes(row.host))
            for row in self.memory
        ]

    def as_text(self) -> str:
        """All of it, to be read."""
        table = ["", "memory of the model's states, of each process", *_aligned([_MEMORY, *self.memory_rows()])]
        return "\n".join([*_aligned(self.rows()), *table])

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "model": self.settings.model_name,
            "parameters": asdict(self.parameters),
            "engine": self.engine,
            "dtype": self.settings.dtype,
            "build": self.build,
            "packing": self.statistics.describe(),
            "processes": self.world,
            "schedule": asdict(self.schedule) | {"steps_per_epoch": self.schedule.steps_per_epoch},
            "steps_done": self.done,
            "warmup_steps": self.settings.warmup_steps,
            "tokens_per_step": self.tokens_per_step,
            "trained_tokens_per_step": self.trained_per_step,
            "memory": [asdict(row) for row in self.memory],
        }

    def _parameters(self) -> str:
        frozen = f", {self.parameters.frozen:,} of them frozen" if self.parameters.frozen else ""
        return f"{self.parameters.total:,} parameters{frozen}"

    def _conversations(self) -> str:
        found = self.statistics
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in found.dropped.items())
        dropped = f"{sum(found.dropped.values()):,} dropped ({reasons})" if reasons else "none dropped"
        changed = [f"{count:,} {what}" for what, count in (("cut", found.cut), ("split", found.split)) if count]
        kept = f"{found.kept:,} kept ({', '.join(changed)})" if changed else f"{found.kept:,} kept"
        return f"{found.conversations:,} read, {kept}, {dropped}"

    def _global_batch(self) -> str:
        rows, size = self.settings.per_device_train_batch_size, self.schedule.global_batch
        passes = size // (self.world * rows)
        return f"{size:,} packs: processes {self.world} × rows {rows} × forward passes {passes}"

    def _steps(self) -> str:
        done = f", {self.done:,} of them done" if self.done else ""
        return f"{self.schedule.steps:,}, {self.schedule.steps / self.schedule.steps_per_epoch:.3g} epochs{done}"

    def _warmup(self) -> str:
        steps = self.settings.warmup_steps
        never = ": the run ends before it does" if steps >= self.schedule.steps else ""
        return f"{steps:,} steps{never}"


def describe_run(plan: Plan) -> DryRun:
    """What a planned run would be. Of the model its configuration is read; errors as of `memory.run_parameters`."""
    parameters = run_parameters(plan.settings, plan.data.control)
    return DryRun(
        settings=plan.settings,
        build=str(plan.data.build.path),
        statistics=plan.data.train.packs.statistics,
        schedule=plan.schedule,
        world=plan.machine.world,
        engine=plan.record.engine,
        done=plan.record.step,
        parameters=parameters,
        memory=memory_by_stage(parameters, world=plan.machine.world, dtype=plan.machine.dtype),
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lines in which each column is as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _bytes(count: int) -> str:
    """In the largest binary unit of which there is one."""
    size, units = float(count), ["B", "KiB", "MiB", "GiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:,.1f} {units[0]}" if count >= 1024 else f"{count} B"

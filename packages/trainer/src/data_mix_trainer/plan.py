"""A run before anything of it is done: checked, and where it starts."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.errors import ConfigError, TrainingError
from data_mix_trainer.checkpoint import Record, check_resume, checkpoints, last_checkpoint, package_versions
from data_mix_trainer.config import TrainSettings
from data_mix_trainer.evaluators import Evaluator
from data_mix_trainer.machine import Machine, this_machine
from data_mix_trainer.metrics import metric_names
from data_mix_trainer.schedule import Cursor, Schedule, accumulation, make_schedule
from data_mix_trainer.training_data import TrainingData
from data_mix_trainer.zero import deepspeed_config, stage

logger = logging.getLogger(__name__)

TRAINED: Final = "training.json"
"""Stands in output_dir once the run has ended and its model is whole."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run, planned."""

    settings: TrainSettings
    data: TrainingData
    machine: Machine
    zero: dict[str, Any] | None
    """DeepSpeed's configuration; None without it."""
    schedule: Schedule
    passes: int
    """Forward passes per process and step."""
    record: Record
    """What its checkpoints say; of the one that it goes on from step and cursor."""
    checkpoint: Path | None
    """What it goes on from."""
    wrote: int | None
    """How many processes wrote that."""
    evaluators: tuple[Evaluator, ...] = ()

    @property
    def output_dir(self) -> Path:
        """Where everything of the run is written."""
        return Path(self.settings.output_dir).expanduser()

    @property
    def log_dir(self) -> Path:
        """Where its logs are written."""
        return self.output_dir / self.settings.log_dir

    @property
    def evaluates(self) -> bool:
        """Whether there is anything to measure while it trains."""
        return self.data.validation is not None or bool(self.evaluators)

    @property
    def is_elastic(self) -> bool:
        """Whether DeepSpeed's states have to be converted, since another number of processes wrote them."""
        return self.zero is not None and self.wrote not in (None, self.machine.world)

    def describe(self) -> dict[str, Any]:
        """What it takes to repeat the run, as plain data."""
        return {
            "settings": self.record.settings,
            "data": dict(self.data.facts),
            **_of_the_build(self.data.build.manifest),
            "packing": asdict(self.data.train.packs.statistics),
            "schedule": asdict(self.schedule),
            "processes": self.machine.world,
            "engine": self.record.engine,
            "deepspeed": self.zero,
            "versions": dict(self.record.versions),
        }


def plan_run(
    settings: TrainSettings,
    data: TrainingData,
    *,
    by_deepspeed: bool,
    is_dry: bool = False,
    evaluators: tuple[Evaluator, ...] = (),
) -> Plan:
    """Check all that can be checked before the processes join. Raises ConfigError, TrainingError and CheckpointError.

    A dry run may be of another machine than this one.
    """
    machine = this_machine(settings, is_dry=is_dry)
    zero = deepspeed_config(settings, on_cpu=machine.on_cpu, world=machine.world) if by_deepspeed else None
    _refuse_missing_reporters(settings)
    _refuse_unknown_metric(settings, data, evaluators)
    checkpoint, before = _resume_from(settings) or (None, None)
    schedule = make_schedule(
        settings, packs=len(data.train.packs), world=machine.world, global_batch=before.global_batch if before else None
    )
    record = Record(
        step=before.step if before else 0,
        cursor=before.cursor if before else Cursor(),
        global_batch=schedule.global_batch,
        world=machine.world,
        engine="torch" if zero is None else f"deepspeed stage {stage(zero)}",
        data=data.facts,
        settings=settings.model_dump(mode="json"),
        versions=package_versions(),
    )
    if before is not None and checkpoint is not None:
        check_resume(before, record, checkpoint)
    return Plan(
        settings=settings,
        data=data,
        machine=machine,
        zero=zero,
        schedule=schedule,
        passes=_passes(settings, schedule, machine),
        record=record,
        checkpoint=checkpoint,
        wrote=before.world if before else None,
        evaluators=evaluators,
    )


def _of_the_build(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's card tells of its data, so that a model can be passed on without its build."""
    kept = ("licence", "homepage", "languages")
    return {
        "template": manifest["template"],
        "mix": manifest["mix"],
        "sources": {
            name: {key: facts.get(key) for key in kept} | {"rows": facts["rows"]["kept"]}
            for name, facts in manifest["sources"].items()
        },
        "licence_warnings": manifest["licence_warnings"],
    }


def _passes(settings: TrainSettings, schedule: Schedule, machine: Machine) -> int:
    passes = accumulation(schedule, per_device=settings.per_device_train_batch_size, world=machine.world)
    if passes != settings.gradient_accumulation_steps and machine.is_first:
        logger.warning(
            "gradient_accumulation_steps: %d in place of %d, so that the global batch stays the checkpoint's %d packs",
            passes,
            settings.gradient_accumulation_steps,
            schedule.global_batch,
        )
    return passes


def _resume_from(settings: TrainSettings) -> tuple[Path, Record] | None:
    """The checkpoint to go on from; refuses a folder that holds another run where none is asked for."""
    output_dir = Path(settings.output_dir).expanduser()
    if settings.resume_from_checkpoint:
        return last_checkpoint(output_dir)
    if (output_dir / TRAINED).exists() or checkpoints(output_dir):
        raise TrainingError(
            f"{output_dir}: holds an earlier run; go on with it by --resume_from_checkpoint, or name another --output_dir"
        )
    return None


def _refuse_missing_reporters(settings: TrainSettings) -> None:
    for name in settings.report_to:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"report_to: {name} is not installed; pip install {name}, or leave it out")


def _refuse_unknown_metric(settings: TrainSettings, data: TrainingData, evaluators: Sequence[Evaluator]) -> None:
    """The metric that decides the best checkpoint must be one that evaluations give, as often as there are checkpoints."""
    metric = settings.metric_for_best_model
    if metric is None:
        return
    benchmarks = [name for evaluator in evaluators for name in evaluator.metrics]
    if data.validation is None and not benchmarks:
        raise ConfigError("metric_for_best_model: the build has no validation split to measure it on; set a val_split")
    known = [*benchmarks, *(metric_names(data.validation.rows.sources) if data.validation else ())]
    if metric.removeprefix("eval_") not in known:
        raise ConfigError(f"metric_for_best_model: found {metric!r}, wanted one of {', '.join(known)}")
    if settings.save_steps % settings.eval_steps:
        raise ConfigError(
            f"save_steps: found {settings.save_steps}, wanted a multiple of eval_steps ({settings.eval_steps}), "
            "so that every checkpoint has its metric"
        )

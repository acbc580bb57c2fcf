"""Supervised fine-tuning: transformers' Trainer with a data path, a loss, an evaluation and checkpoints of our own.

The Trainer sees the whole run as one epoch of as many steps as the schedule has: it derives its place in the data from settings
of the moment, which is wrong once the number of processes changes. Where the run is in its packs is the cursor's to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from peft import PeftModel
from torch import distributed
from transformers import Trainer, TrainerCallback, TrainingArguments

from data_mix.errors import TrainingError
from data_mix_trainer.checkpoint import Record, checkpoint_folder, remove_old, seal_checkpoint
from data_mix_trainer.dataset import Batch, StepBatch, StepReader, ahead
from data_mix_trainer.evaluation import Validation, evaluate
from data_mix_trainer.evaluators import Evaluator
from data_mix_trainer.generation import Prompt, answers
from data_mix_trainer.isolation import refuse_leaks
from data_mix_trainer.lora import save_adapter
from data_mix_trainer.loss import evaluating, summed_loss, trained_logits
from data_mix_trainer.metrics import Log
from data_mix_trainer.progress import Progress
from data_mix_trainer.schedule import Cursor

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_PICKLED_ARGUMENTS: Final = "training_args.bin"
"""What the Trainer leaves beside a model: a pickle, which is code to whoever loads it, and says nothing that we do not."""


@dataclass(kw_only=True)
class Run:
    """What a run holds beside the model, and where it is."""

    output_dir: Path
    tokenizer: PreTrainedTokenizerBase
    reader: StepReader
    cursor: Cursor
    record: Record
    """What its checkpoints say; of the one that it goes on from step and cursor, which are filled in anew."""
    save_total_limit: int | None
    metrics: Log
    samples: Log
    packs: Log
    progress: Progress
    validation: Validation | None = None
    prompts: list[Prompt] = field(default_factory=list)
    evaluators: tuple[Evaluator, ...] = ()
    step: StepBatch | None = None
    """The optimizer step that is computed."""
    learning_rate: float = 0.0
    """Of the same step."""

    @property
    def evaluates(self) -> bool:
        """Whether there is anything to measure."""
        return self.validation is not None or bool(self.evaluators)


class Steps:
    """The forward passes of a run, for the Trainer to count and to ask for."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.dataset = run.reader.collate.packs
        """What the Trainer takes the number of examples from."""

    def __len__(self) -> int:
        return self._run.reader.schedule.steps * self._run.reader.passes

    def __iter__(self) -> Iterator[StepBatch]:
        return ahead(self._run.reader.steps(self._run.cursor, self._run.record.step))


class SftTrainer(Trainer):
    """Trains by the steps of a run."""

    model: PreTrainedModel

    def __init__(self, *, run: Run, model: PreTrainedModel, args: TrainingArguments) -> None:
        # The Trainer only asks whether there is something to evaluate on.
        eval_dataset = run.prompts if run.evaluates else None
        super().__init__(model=model, args=args, eval_dataset=eval_dataset, processing_class=run.tokenizer)
        self.run = run
        self.loss_is_scaled_for_ga = True  # it is a part of the global batch's mean already
        self.add_callback(_Place(run))

    @property
    def best_checkpoint(self) -> Path | None:
        """The best of the run's checkpoints; None where no metric decides, or it is there no more."""
        folder = checkpoint_folder(self.run.output_dir, self.state.best_global_step or 0)
        return folder if folder.is_dir() else None

    def get_train_dataloader(self) -> Any:
        """The run's steps; sharing them among processes is theirs as well."""
        return Steps(self.run)

    def _prepare_for_training(self, *arguments: Any, **named: Any) -> Any:
        prepared = super()._prepare_for_training(*arguments, **named)  # type: ignore[no-untyped-call]
        self._follow_settings()
        if self.run.reader.collate.arrangement != "apart":
            refuse_leaks(self.model_wrapped, self.args.device, str(self.model.name_or_path))
        return prepared

    def _follow_settings(self) -> None:
        """Step by this run's settings: the states of a checkpoint have brought those that it was written under."""
        scheduler: Any = getattr(self.lr_scheduler, "scheduler", self.lr_scheduler)  # DeepSpeed's engine wraps its own
        optimizer: Any = self.optimizer
        scheduler.base_lrs = [self.args.learning_rate] * len(scheduler.base_lrs)
        own = {"betas": (self.args.adam_beta1, self.args.adam_beta2), "eps": self.args.adam_epsilon}
        for group, rate, factor in zip(optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
            group["lr"] = rate * factor(scheduler.last_epoch)
            group.update({name: value for name, value in own.items() if name in group})
        optimizer.param_groups[0]["weight_decay"] = self.args.weight_decay  # the other group is of what never decays

    def get_batch_samples(
        self, epoch_iterator: Iterator[StepBatch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], int | None]:
        """The forward passes of one optimizer step, and the trained tokens of its global batch."""
        self.run.progress.begin()
        if self.optimizer is not None:
            self.run.learning_rate = self.optimizer.param_groups[0]["lr"]  # DeepSpeed has moved on when the step is logged
        self.run.step = next(epoch_iterator, None)
        if self.run.step is None:
            return [], None
        self.run.packs.write(
            {"step": self.state.global_step + 1, "epoch": self.run.step.epoch, "packs": self.run.step.packs.tolist()}
        )
        return list(self.run.step.batches), self.run.step.trained

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """These rows' part of the global batch's loss, times the processes: of their gradients the mean is taken."""
        loss = summed_loss(trained_logits(model, inputs), inputs["targets"])
        return loss / num_items_in_batch * self.run.reader.world

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the validation split and what evaluators measure, keep a few answers; every process makes the call."""
        device = self.args.device
        found = evaluate(self.model_wrapped, self.run.validation, device) if self.run.validation else {}
        for evaluator in self.run.evaluators:
            with evaluating(self.model):
                found |= evaluator.evaluate(self.model, self.run.tokenizer, device)
        metrics = {f"eval_{name}": value for name, value in found.items()}
        self.log(dict(metrics))
        for record in answers(self.model, self.run.tokenizer, self.run.prompts, device):
            if self.is_world_process_zero():
                self.run.samples.write({"step": self.state.global_step} | record)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write the metrics of a step, and stop where its loss is no number."""
        if "loss" in logs and self.run.step is not None:
            logs |= {"learning_rate": self.run.learning_rate} | self.run.progress.figures(self.run.step, self.run.reader)
        super().log(logs, start_time)
        if self.is_world_process_zero():
            self.run.metrics.write({"step": self.state.global_step} | logs)
            self.run.progress.show(self.state.global_step, logs)
        self._refuse_divergence(logs)

    def _refuse_divergence(self, logs: dict[str, float]) -> None:
        names = ["loss"] if self.args.fp16 else ["loss", "grad_norm"]  # in fp16 the loss scale is found by overflows
        for name in [name for name in names if not math.isfinite(logs.get(name) or 0.0)]:
            raise TrainingError(
                f"step {self.state.global_step}: {name} is {logs[name]}, the run has diverged; its packs stand in "
                f"{self.run.packs.path}; go on from the last checkpoint with a lower learning_rate, or look at the data"
            )

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Only a step that leaves a checkpoint can be the best one: of another there would be no weights to give."""
        return self.control.should_save and super()._determine_best_metric(metrics, trial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint, seal it once every process has written its part, then remove old ones."""
        super()._save_checkpoint(model, trial)
        if distributed.is_initialized():
            distributed.barrier()
        if self.is_world_process_zero():
            folder = checkpoint_folder(self.run.output_dir, self.state.global_step)
            now = {"step": self.state.global_step, "cursor": self.run.cursor}
            seal_checkpoint(folder, Record(**vars(self.run.record) | now))
            remove_old(self.run.output_dir, self.run.save_total_limit, self.best_checkpoint)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if isinstance(self.model, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            _load_weights(self.model, Path(resume_from_checkpoint))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.run.output_dir)
        if isinstance(self.model, PeftModel):
            save_adapter(self.model, folder, state_dict)
            self.run.tokenizer.save_pretrained(folder)
        else:
            super()._save(output_dir, state_dict)
            (folder / _PICKLED_ARGUMENTS).unlink(missing_ok=True)


def _load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Load a checkpoint's weights as `from_pretrained` does.

    The Trainer loads them by the names in the file, which are not the module's in every model (of GPT-NeoX the head is
    `embed_out` there), and only warns of those that it has not found.
    """
    saved = type(model).from_pretrained(folder, dtype=model.dtype)
    model.load_state_dict(saved.state_dict())


class _Place(TrainerCallback):
    """Keeps the run's cursor, and asks for an evaluation at its end."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        schedule = self._run.reader.schedule
        self._run.cursor = schedule.after(self._run.cursor)
        state.epoch = schedule.epochs(self._run.cursor)
        if state.global_step >= schedule.steps:
            control.should_evaluate = self._run.evaluates

"""A run of training from its plan to the trained model.

What it writes:

    output_dir/ config.json model.safetensors tokenizer.json generation_config.json …
                training.json        written last: everything that it takes to repeat the run
                checkpoint-200/ …    to go on from
                LOG_DIR/             metrics.jsonl, samples.jsonl, packs-RANK.jsonl
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
import typer
from torch import distributed
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from data_mix.errors import TrainingError
from data_mix.files import hold, make_folder, output_errors, write_bytes
from data_mix_trainer.chat_tokenizer import chat_tokenizer, set_ends
from data_mix_trainer.checkpoint import remove_unfinished, take_weights
from data_mix_trainer.dataset import Arrangement, Collator, StepReader
from data_mix_trainer.evaluation import Validation
from data_mix_trainer.generation import choose_prompts
from data_mix_trainer.lora import add_lora
from data_mix_trainer.machine import processes
from data_mix_trainer.metrics import METRICS, SAMPLES, Log, packs_file
from data_mix_trainer.model import load_model
from data_mix_trainer.plan import TRAINED, Plan
from data_mix_trainer.progress import Progress
from data_mix_trainer.sft import Run, SftTrainer
from data_mix_trainer.training_data import Split
from data_mix_trainer.universal import make_universal, remove_universal

_FLASH: Final = "flash_attention_2"


def train(plan: Plan, asked: Mapping[str, Any]) -> None:
    """Train as planned; every process of the run makes the call. `asked` is what the user asked for, to repeat it.

    Raises OutputError where something cannot be written, TrainingError where another run is at the folder or the loss is no
    number; the last checkpoint stays as it is.
    """
    with _held(plan), processes(plan.machine, by_deepspeed=plan.zero is not None):
        trainer = _make_trainer(plan)
        try:
            trainer.run.progress.open(plan.record.step)
            trainer.train(resume_from_checkpoint=str(plan.checkpoint) if plan.checkpoint else None)
        finally:
            trainer.run.progress.close()
        trainer.save_model(str(plan.output_dir))
        if plan.machine.is_first:
            if trainer.best_checkpoint is not None:
                take_weights(trainer.best_checkpoint, plan.output_dir)
            _write_note(plan, {**asked, **plan.describe(), **_outcome(trainer)})
            _end_reports(plan)


def _write_note(plan: Plan, note: Mapping[str, Any]) -> None:
    """Write training.json, and say that the run has ended well."""
    write_bytes(plan.output_dir / TRAINED, f"{json.dumps(note, ensure_ascii=False, indent=1)}\n".encode())
    best = note["best"]
    of = f", the weights of {best['checkpoint']}: {best['metric']} {best['value']:.4f}" if best else ""
    typer.echo(f"{plan.output_dir}: written{of}")


def _end_reports(plan: Plan) -> None:
    """Let W&B send what it still holds: it waits for the end of Python, which one of several processes does not come to."""
    if "wandb" in plan.settings.report_to:
        importlib.import_module("wandb").finish()


def _outcome(trainer: SftTrainer) -> dict[str, Any]:
    """The figures of the weights that are saved, and which checkpoint is the best one where a metric decides."""
    state, best = trainer.state, trainer.best_checkpoint
    if best is None:
        return {"best": None, "metrics": _figures(trainer.run.metrics, state.global_step)}
    metric = f"eval_{str(trainer.args.metric_for_best_model).removeprefix('eval_')}"
    figures = _figures(trainer.run.metrics, int(state.best_global_step or 0))
    return {"best": {"checkpoint": best.name, "metric": metric, "value": state.best_metric}, "metrics": figures}


def _figures(log: Log, step: int) -> dict[str, Any]:
    """What the log says of a step and of the evaluation after it."""
    found: dict[str, Any] = {"step": step}
    with output_errors(log.path), log.path.open(encoding="utf8") as file:
        for line in map(json.loads, file):
            if line["step"] == step and any(name == "loss" or name.startswith("eval_") for name in line):
                found |= line
    return found


@contextmanager
def _held(plan: Plan) -> Iterator[None]:
    """Hold the output folder for the run, and put away what a run that was killed has left."""
    if not plan.machine.is_first:
        yield
        return
    with output_errors(plan.output_dir):
        make_folder(plan.output_dir)
        held = hold(plan.output_dir)
    if held is None:
        raise TrainingError(f"{plan.output_dir}: another run is writing it; wait until it ends, or name another output_dir")
    try:
        if plan.checkpoint is not None:
            with output_errors(plan.output_dir):
                (plan.output_dir / TRAINED).unlink(missing_ok=True)
            remove_unfinished(plan.output_dir, plan.record.step)
        yield
    finally:
        os.close(held)


def _make_trainer(plan: Plan) -> SftTrainer:
    _prepare_states(plan)
    arguments = _arguments(plan)  # before the model: with it stage 3 partitions weights as they are loaded
    set_seed(plan.settings.seed)
    name = plan.settings.tokenizer_name or str(plan.settings.model_name)
    tokenizer = chat_tokenizer(name, plan.data.template, control=plan.data.control, max_length=plan.settings.max_length)
    model = _model(plan, tokenizer)
    arrangement: Arrangement = "apart" if plan.data.layout == "rectangle" else "rows"
    if model.config._attn_implementation == _FLASH and arrangement == "rows":
        arrangement = "flat"
    trainer = SftTrainer(run=_run(plan, arrangement, tokenizer), model=model, args=arguments)
    trainer.remove_callback(PrinterCallback)
    if plan.is_elastic:
        trainer.add_callback(_UniversalRemover(plan))
    return trainer


def _prepare_states(plan: Plan) -> None:
    """Convert DeepSpeed's states where another number of processes wrote them."""
    if plan.checkpoint is None or plan.zero is None or not plan.is_elastic:
        return
    if plan.machine.is_first:
        make_universal(plan.checkpoint)
    distributed.barrier()
    plan.zero["checkpoint"] = {"load_universal": True}


class _UniversalRemover(TrainerCallback):
    """Removes the converted states once every process has loaded them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        distributed.barrier()
        if self._plan.machine.is_first and self._plan.checkpoint is not None:
            remove_universal(self._plan.checkpoint)


def _arguments(plan: Plan) -> TrainingArguments:
    settings, machine = plan.settings, plan.machine
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(plan.log_dir)
    return TrainingArguments(
        output_dir=str(plan.output_dir),
        max_steps=plan.schedule.steps,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        per_device_eval_batch_size=settings.per_device_eval_batch_size,
        gradient_accumulation_steps=plan.passes,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.adam_beta1,
        adam_beta2=settings.adam_beta2,
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch" if machine.on_cpu else "adamw_torch_fused",
        seed=settings.seed,
        fp16=machine.dtype == "fp16",
        bf16=machine.dtype == "bf16",
        use_cpu=machine.on_cpu,
        activation_checkpointing=settings.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        deepspeed=plan.zero,
        eval_strategy="steps" if plan.evaluates else "no",
        eval_steps=settings.eval_steps,
        eval_on_start=plan.evaluates and plan.checkpoint is None,
        save_strategy="steps",
        save_steps=settings.save_steps,
        metric_for_best_model=settings.metric_for_best_model,
        greater_is_better=settings.greater_is_better,
        report_to=list(settings.report_to),
        run_name=plan.output_dir.name,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would show the mean of earlier losses in place of a NaN
        ignore_data_skip=True,  # the cursor says where to go on
        remove_unused_columns=False,
        disable_tqdm=True,
        ddp_find_unused_parameters=False,
    )


def _model(plan: Plan, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    control, lora = plan.data.control, plan.settings.lora
    # Without DeepSpeed the weights stay in float32 and are computed with in less; it keeps float32 copies of its own.
    dtype = torch.float32 if plan.zero is None else plan.machine.torch_dtype
    model = load_model(plan.settings, control, dtype=dtype)
    set_ends(model, tokenizer, plan.data.template)
    if lora is None:
        return model
    adapted: Any = add_lora(model, lora, has_new_tokens=bool(control.added))
    return adapted  # type: ignore[no-any-return]


def _run(plan: Plan, arrangement: Arrangement, tokenizer: PreTrainedTokenizerFast) -> Run:
    def collator(split: Split) -> Collator:
        return Collator(rows=split.rows, packs=split.packs, pad=tokenizer.pad_token_id, arrangement=arrangement)

    settings, machine, data = plan.settings, plan.machine, plan.data
    with output_errors(plan.log_dir):
        make_folder(plan.log_dir)
    logs = {name: Log(plan.log_dir / name) for name in (METRICS, SAMPLES, packs_file(machine.rank))}
    for log in logs.values() if machine.is_first else [logs[packs_file(machine.rank)]]:
        log.forget_after(plan.record.step)
    return Run(
        output_dir=plan.output_dir,
        tokenizer=tokenizer,
        reader=StepReader(
            collate=collator(data.train),
            schedule=plan.schedule,
            seed=settings.seed,
            rank=machine.rank,
            world=machine.world,
            passes=plan.passes,
        ),
        cursor=plan.record.cursor,
        record=plan.record,
        save_total_limit=settings.save_total_limit,
        metrics=logs[METRICS],
        samples=logs[SAMPLES],
        packs=logs[packs_file(machine.rank)],
        progress=Progress(steps=plan.schedule.steps, max_length=settings.max_length, is_shown=machine.is_first),
        validation=_validation(plan, collator(data.validation)) if data.validation else None,
        prompts=choose_prompts(data.validation.rows, settings.eval_answers, settings.max_length) if data.validation else [],
        evaluators=plan.evaluators,
    )


def _validation(plan: Plan, collate: Collator) -> Validation:
    size = plan.settings.per_device_eval_batch_size
    return Validation(collate=collate, size=size, rank=plan.machine.rank, world=plan.machine.world)

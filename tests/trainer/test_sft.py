"""The Trainer beneath a run: the loss of a share, its steps, its checkpoints, and when it stops."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState  # type: ignore[import-untyped]
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainingArguments

from data_mix.errors import TrainingError
from data_mix_trainer.checkpoint import Record, read_checkpoint
from data_mix_trainer.dataset import Collator, StepReader
from data_mix_trainer.evaluation import Validation
from data_mix_trainer.loss import summed_loss, trained_logits
from data_mix_trainer.metrics import Log
from data_mix_trainer.progress import Progress
from data_mix_trainer.schedule import Cursor, Schedule
from data_mix_trainer.sft import Run, SftTrainer, Steps
from training import Place, all_packs, collator, exchanges, read_lines

Make = Callable[..., SftTrainer]


def reader(collate: Collator, *, size: int = 4, steps: int = 3, rank: int = 0, world: int = 1) -> StepReader:
    """The steps of a process, one row to a forward pass."""
    schedule = Schedule(packs=len(collate.packs), global_batch=size, steps=steps)
    return StepReader(collate=collate, schedule=schedule, seed=0, rank=rank, world=world, passes=size // world)


@pytest.fixture
def make(place: Place, out: Path) -> Iterator[Make]:
    """Makes a trainer of a small model, its run in the folder `out`."""

    def trainer(*, validation: Validation | None = None, **keys: Any) -> SftTrainer:
        steps = reader(collator(exchanges(40), 64), **keys)
        record = Record(
            step=0,
            cursor=Cursor(),
            global_batch=steps.schedule.global_batch,
            world=1,
            engine="torch",
            data={},
            settings={},
            versions={},
        )
        out.mkdir(exist_ok=True)
        run = Run(
            output_dir=out,
            tokenizer=AutoTokenizer.from_pretrained(place.model),
            reader=steps,
            cursor=record.cursor,
            record=record,
            save_total_limit=None,
            metrics=Log(out / "metrics.jsonl"),
            samples=Log(out / "samples.jsonl"),
            packs=Log(out / "packs.jsonl"),
            progress=Progress(steps=steps.schedule.steps, max_length=64, is_shown=False),
            validation=validation,
        )
        arguments = TrainingArguments(
            output_dir=str(out),
            max_steps=steps.schedule.steps,
            gradient_accumulation_steps=steps.passes,
            learning_rate=1e-3,
            use_cpu=True,
            save_steps=1,
            logging_steps=1,
            eval_strategy="steps" if validation else "no",
            eval_steps=1000,
            remove_unused_columns=False,
            ignore_data_skip=True,
            disable_tqdm=True,
        )
        return SftTrainer(run=run, model=AutoModelForCausalLM.from_pretrained(place.model), args=arguments)

    yield trainer
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_loss_is_the_mean_over_the_trained_tokens_of_the_global_batch(make: Make, world: int) -> None:
    """Summed over the passes of a process and averaged over processes, as their gradients are, it is the mean over tokens."""
    collate, parts, whole = collator(exchanges(40), 64), [], 0.0
    for rank in range(world):
        share = reader(collate, rank=rank, world=world)
        trainer = make(rank=rank, world=world)
        step = next(share.steps(Cursor(), 0))
        losses = [trainer.compute_loss(trainer.model, batch, num_items_in_batch=step.trained).item() for batch in step.batches]
        whole += sum(
            summed_loss(trained_logits(trainer.model, batch), batch["targets"]).item() / step.trained for batch in step.batches
        )
        parts.append(sum(losses))
    assert sum(parts) / world == pytest.approx(whole, rel=1e-6)
    alone = collate(next(reader(collate).steps(Cursor(), 0)).packs)
    mean = summed_loss(trained_logits(trainer.model, alone), alone["targets"]).item() / len(alone["targets"])
    assert whole == pytest.approx(mean, rel=1e-6)


def test_the_trainer_counts_forward_passes(make: Make) -> None:
    """Three steps of four passes are twelve to the Trainer, whatever the epochs are."""
    assert len(Steps(make().run)) == 12


def test_steps_go_on_from_the_cursor(make: Make) -> None:
    """Steps that are done are not given again."""
    run = make().run
    first = [step.packs.tolist() for step in Steps(run)]
    run.cursor, run.record = run.reader.schedule.after(run.cursor), replace(run.record, step=1)
    assert [step.packs.tolist() for step in Steps(run)] == first[1:]


def test_each_checkpoint_knows_its_place(make: Make, out: Path) -> None:
    """A checkpoint holds the cursor after its step, every file of it is known, and none is a pickle of the arguments."""
    trainer = make(size=8, steps=4)
    trainer.train()
    cursors, packs = [Cursor()], trainer.run.reader.schedule.packs
    for _ in range(4):
        cursors.append(trainer.run.reader.schedule.after(cursors[-1]))
    assert packs % 8
    assert [read_checkpoint(out / f"checkpoint-{step}").cursor for step in range(1, 5)] == cursors[1:]
    assert trainer.run.cursor == cursors[-1]
    assert list(out.rglob("training_args.bin")) == []


def test_an_epoch_is_that_of_the_packs(make: Make, out: Path) -> None:
    """The log tells how often the packs were seen, not how far the Trainer is."""
    trainer = make(size=8, steps=4)
    trainer.train()
    packs = trainer.run.reader.schedule.packs
    epochs = [line["epoch"] for line in read_lines(out / "metrics.jsonl") if "loss" in line]
    assert 8 < packs < 16
    assert epochs == pytest.approx([8 / packs, 1, 1 + 8 / packs, 2])


def test_without_a_validation_split_nothing_is_evaluated(make: Make, out: Path) -> None:
    """A build without validation rows trains to its end."""
    trainer = make()
    trainer.train()
    assert trainer.evaluate() == {}
    assert not any("eval_loss" in line for line in read_lines(out / "metrics.jsonl"))


def test_an_evaluation_changes_nothing_of_the_training(make: Make, out: Path) -> None:
    """The losses of a run with evaluations are those of one without, digit by digit."""
    found = []
    for validation in (None, Validation(collate=collator(exchanges(9, seed=1), 64), size=2, rank=0, world=1)):
        trainer = make(validation=validation)
        trainer.args.eval_steps = 1
        trainer.train()
        lines = read_lines(out / "metrics.jsonl")
        found.append([line["loss"] for line in lines if "loss" in line])
        assert any("eval_loss" in line for line in lines) == (validation is not None)
        (out / "metrics.jsonl").unlink()
    assert found[0] == found[1]


def test_a_checkpoint_is_loaded_whole(make: Make, out: Path) -> None:
    """Every weight is the checkpoint's, the head's as well, whose name in the file is another than the module's."""
    trainer = make(steps=1)
    trainer.train()
    wanted = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.zero_()
    trainer._load_from_checkpoint(str(out / "checkpoint-1"))
    assert all(torch.equal(weight, wanted[name]) for name, weight in trainer.model.state_dict().items())


@pytest.mark.parametrize(
    "logs", [{"loss": math.nan}, {"loss": math.inf, "grad_norm": 1.0}, {"loss": 2.0, "grad_norm": math.inf}]
)
def test_what_is_no_number_stops_the_run(make: Make, out: Path, logs: dict[str, float]) -> None:
    """A loss or a norm that is no finite number is said with its step and where its packs stand, once it is in the log."""
    trainer = make()
    with pytest.raises(TrainingError, match=r"step 0: \w+ is \w+, the run has diverged; its packs stand in .*packs\.jsonl"):
        trainer.log(logs)
    assert len(read_lines(out / "metrics.jsonl")) == 1


def test_an_evaluation_without_a_number_stops_nothing(make: Make, out: Path) -> None:
    """What decides is the loss that is trained on."""
    make().log({"eval_loss": math.nan, "eval_perplexity": math.nan, "eval_token_accuracy": 0.0})
    assert read_lines(out / "metrics.jsonl")[0]["eval_loss"] == "nan"


def test_in_fp16_an_overflow_of_gradients_stops_nothing(make: Make) -> None:
    """There the scale of the loss is found by overflows: such a step is left out, and the run goes on."""
    trainer = make()
    trainer.args.fp16 = True
    trainer.log({"loss": 2.0, "grad_norm": math.inf})
    with pytest.raises(TrainingError, match="loss is nan"):
        trainer.log({"loss": math.nan, "grad_norm": 1.0})


def test_the_number_of_examples_is_that_of_the_packs(make: Make) -> None:
    """What the Trainer asks for the size of an epoch is the packs."""
    trainer = make()
    assert len(trainer.get_train_dataloader().dataset) == len(all_packs(trainer.run.reader.collate.packs))

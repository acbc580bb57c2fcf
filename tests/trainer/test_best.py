"""The best checkpoint of a run: which one it is, that its weights are those that are left, and what is said of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from training import Place, free_port, read_lines, train_here

Keys = dict[str, object]


def falling(**keys: object) -> Keys:
    """Settings of a run whose first checkpoint is the best: its loss falls, and the highest one is asked for."""
    own: Keys = {"metric_for_best_model": "loss", "greater_is_better": True, "save_total_limit": 1, "max_steps": 3}
    return {**own, "save_steps": 1, "eval_steps": 1, "eval_answers": 0, "gradient_accumulation_steps": 8, **keys}


def note_of(out: Path) -> dict[str, Any]:
    """What a run says of itself once it has ended."""
    found: dict[str, Any] = json.loads((out / "training.json").read_text(encoding="utf8"))
    return found


def figures_of(out: Path, step: int) -> dict[str, Any]:
    """What the log says of a step and its evaluation."""
    lines = [
        line for line in read_lines(out / "base" / "metrics.jsonl") if line["step"] == step and "train_runtime" not in line
    ]
    return {key: value for line in lines for key, value in line.items()}


def weights(folder: Path) -> bytes:
    """The file of a folder's weights."""
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def best(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, of which the first is the best."""
    out = tmp_path_factory.mktemp("best") / "out"
    train_here(*place.arguments(out, **falling()))
    return out


def test_the_best_checkpoint_is_named_with_its_metric(best: Path) -> None:
    """`training.json` says which checkpoint is the best one, by which metric, and what its value is."""
    value = figures_of(best, 1)["eval_loss"]
    assert note_of(best)["best"] == {"checkpoint": "checkpoint-1", "metric": "eval_loss", "value": value}
    assert value > figures_of(best, 3)["eval_loss"]


def test_weights_and_figures_are_of_the_same_step(best: Path) -> None:
    """The figures beside the best step's weights are those of that step, which is named, and not of the last one."""
    assert note_of(best)["metrics"] == figures_of(best, 1)
    assert weights(best) == weights(best / "checkpoint-1")
    assert weights(best) != weights(best / "checkpoint-3")


def test_without_a_metric_the_last_step_is_left(place: Place, out: Path) -> None:
    """No checkpoint is called the best, and weights and figures are those of the end."""
    train_here(*place.arguments(out, **falling(metric_for_best_model="null")))
    assert note_of(out)["best"] is None
    assert note_of(out)["metrics"] == figures_of(out, 3)
    assert weights(out) == weights(out / "checkpoint-3")


def test_only_a_step_with_a_checkpoint_can_be_the_best(place: Place, out: Path) -> None:
    """Where it is evaluated more often than saved, the best is the best of those whose weights are there."""
    train_here(*place.arguments(out, **falling(save_steps=2, max_steps=5)))
    assert figures_of(out, 1)["eval_loss"] > figures_of(out, 2)["eval_loss"]
    assert note_of(out)["best"]["checkpoint"] == "checkpoint-2"
    assert weights(out) == weights(out / "checkpoint-2")


def test_the_best_is_still_known_in_a_folder_that_was_moved(
    place: Place, best: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that goes on under another path keeps its best checkpoint, beyond the limit as before, and ends by naming it."""
    shutil.copytree(best, out)
    train_here(*place.arguments(out, **falling(max_steps=5)), "--resume_from_checkpoint")
    value = figures_of(best, 1)["eval_loss"]
    assert capsys.readouterr().out.splitlines()[-1] == f"{out}: written, the weights of checkpoint-1: eval_loss {value:.4f}"
    assert sorted(path.name for path in out.glob("checkpoint-*")) == ["checkpoint-1", "checkpoint-5"]
    assert note_of(out)["best"] == note_of(best)["best"]
    assert weights(out) == weights(best)


@pytest.mark.slow
def test_the_best_may_have_been_written_by_another_number_of_processes(place: Place, out: Path) -> None:
    """Two ranks under ZeRO-3 write the best checkpoint, one goes on: its weights are left all the same."""
    for processes, steps in ((2, 2), (1, 3)):
        launcher = ["deepspeed", "--num_accelerators", str(processes), "--master_port", str(free_port()), "trainer_sft.py"]
        arguments = place.arguments(out, **falling(max_steps=steps, gradient_accumulation_steps=4))
        done = place.launch(launcher, *arguments, "--deepspeed", "--resume_from_checkpoint")
        assert done.returncode == 0, done.stderr
    assert note_of(out)["best"]["checkpoint"] == "checkpoint-1"
    assert note_of(out)["metrics"] == figures_of(out, 1)
    assert weights(out) == weights(out / "checkpoint-1")

"""Benchmarks while a model is trained: they are scored, may decide the best checkpoint, and leave the training as it is."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from data_mix.errors import ConfigError
from training import Place, free_port, losses, make_place, read_lines, train_here

SAMPLES = str(files("data_mix_eval") / "samples")
ASKED = {"eval_tasks": "mmlu,bbh_direct", "eval_limit": 2, "eval_benchmark_path": SAMPLES, "eval_answers": 0}
METRICS = {"eval_mmlu_acc", "eval_bbh_direct_acc"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A build of the samples with token shards and a base model."""
    return make_place(tmp_path_factory.mktemp("place"))


def scores(out: Path) -> dict[int, dict[str, float]]:
    """The benchmarks' scores of each evaluation of a run."""
    lines = [line for line in read_lines(out / "base" / "metrics.jsonl") if line.keys() >= METRICS]
    return {line["step"]: {name: line[name] for name in METRICS} for line in lines}


def test_each_evaluation_scores_the_benchmarks_and_changes_no_step(place: Place, tmp_path: Path) -> None:
    """Every evaluation has the scores asked for, and the losses are those of a run that asks for none, digit by digit."""
    train_here(*place.arguments(tmp_path / "without", eval_answers=0))
    train_here(*place.arguments(tmp_path / "with", **ASKED))
    assert sorted(scores(tmp_path / "with")) == [0, 3, 6]
    assert all(0 <= score <= 1 for found in scores(tmp_path / "with").values() for score in found.values())
    assert losses(tmp_path / "with") == losses(tmp_path / "without")


def test_a_benchmark_may_decide_the_best_checkpoint(place: Place, tmp_path: Path) -> None:
    """The checkpoint with the best score is the one whose weights are left."""
    keys = {"metric_for_best_model": "mmlu_acc", "greater_is_better": "true", "learning_rate": 1e-2}
    train_here(*place.arguments(tmp_path / "out", **ASKED, **keys))
    best = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf8"))["best"]
    found = {step: score["eval_mmlu_acc"] for step, score in scores(tmp_path / "out").items() if step}
    assert best["metric"] == "eval_mmlu_acc"
    assert best["value"] == max(found.values()) == found[int(best["checkpoint"].removeprefix("checkpoint-"))]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"eval_tasks": "mmlu,arc"}, "'arc'"),
        ({"eval_engine": "vllm"}, "eval_engine"),
        ({"metric_for_best_model": "bbh_acc"}, "mmlu_acc"),
        ({"eval_benchmark_path": "/nowhere"}, "/nowhere"),
    ],
    ids=["task", "engine", "metric", "path"],
)
def test_what_cannot_be_scored_ends_the_run_before_it_begins(
    place: Place, tmp_path: Path, keys: dict[str, str], said: str
) -> None:
    """A task, an engine, a metric or a folder that is not there is said in one line, and nothing is written."""
    with pytest.raises(Exception, match=said) as caught:
        train_here(*place.arguments(tmp_path / "out", **{**ASKED, **keys}))
    assert caught.type.__module__ == ConfigError.__module__
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_weights_that_are_shared_out_are_scored_as_well(place: Place, tmp_path: Path) -> None:
    """Two processes under ZeRO-3 score the benchmarks, and go on with the same losses as two that score none."""
    launcher = ("deepspeed", "--num_accelerators", "2", "--master_port")
    for name, keys in (("with", ASKED), ("without", {"eval_answers": 0})):
        arguments = place.arguments(tmp_path / name, **keys)
        ended = place.launch([*launcher, str(free_port()), "trainer_sft.py"], *arguments, "--deepspeed")
        assert ended.returncode == 0, ended.stderr
    assert sorted(scores(tmp_path / "with")) == [0, 3, 6]
    assert losses(tmp_path / "with") == losses(tmp_path / "without")

"""Going on from a checkpoint: the same losses to the last digit, the packs not yet seen, other data refused."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import torch

from data_mix.errors import CheckpointError
from data_mix.packing import NO_PACK
from training import ROOT, Place, free_port, losses, rates, read_lines, train_here

EVERY_TWO: Final[dict[str, object]] = {"save_steps": 2, "save_total_limit": "null"}
"""A checkpoint after every second step, and all are kept."""


def deepspeed(processes: int) -> list[str]:
    """The launcher of the original command, for so many processes on this machine."""
    return ["deepspeed", "--num_accelerators", str(processes), "--master_port", str(free_port()), "trainer_sft.py"]


def packs_by_step(out: Path) -> dict[int, list[int]]:
    """The packs that all processes together trained on, by step."""
    found: dict[int, list[int]] = {}
    for path in sorted((out / "base").glob("packs-*.jsonl")):
        for line in read_lines(path):
            found.setdefault(line["step"], []).extend(pack for pack in line["packs"] if pack != NO_PACK)
    return found


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps with a checkpoint every two, by one process."""
    out = tmp_path_factory.mktemp("whole") / "out"
    train_here(*place.arguments(out, **EVERY_TWO))
    return out


def go_on(place: Place, out: Path, **keys: object) -> None:
    """Go on with the run in `out`, as it was or with other keys."""
    train_here(*place.arguments(out, **EVERY_TWO | keys), "--resume_from_checkpoint")


def interrupted(whole: Path, out: Path, step: int) -> Path:
    """The same run as if it had been killed after a step's checkpoint: later lines and half a later checkpoint are there."""
    shutil.copytree(whole, out)
    for folder in out.glob("checkpoint-*"):
        if int(folder.name.rpartition("-")[2]) > step:
            (folder / "datamix.json").unlink()
    (out / "training.json").unlink(missing_ok=True)
    return out


@pytest.mark.parametrize("step", [2, 4])
def test_a_resumed_run_is_the_run_that_was_not_interrupted(place: Place, whole: Path, out: Path, step: int) -> None:
    """From a checkpoint in the middle of an epoch on, losses, packs and weights are those of the uninterrupted run."""
    interrupted(whole, out, step)
    go_on(place, out)
    assert losses(out) == losses(whole)
    assert packs_by_step(out) == packs_by_step(whole)
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    lines = read_lines(out / "base" / "metrics.jsonl")
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6]


def test_without_a_checkpoint_it_starts_from_the_beginning(place: Place, whole: Path, out: Path) -> None:
    """A job that always asks to go on, as one in a queue does, starts where there is nothing to go on from."""
    go_on(place, out)
    assert losses(out) == losses(whole)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"max_length": 128}, "max_length: it has 256, now 128"),
        ({"seed": 5}, "seed: it has 0, now 5"),
        ({"packing_policy": "drop"}, 'packing_policy: it has "truncate", now "drop"'),
    ],
)
def test_other_data_are_refused(place: Place, whole: Path, out: Path, keys: dict[str, object], said: str) -> None:
    """What would change the packs of a step is refused, with the difference named, and nothing is touched."""
    interrupted(whole, out, 4)
    with pytest.raises(CheckpointError, match=re.escape(f"was trained on other data ({said}")):
        go_on(place, out, **keys)
    assert losses(out) == losses(whole)


def test_another_build_is_refused(place: Place, whole: Path, out: Path, tmp_path: Path) -> None:
    """A checkpoint does not go on with the tokens of another build."""
    interrupted(whole, out, 4)
    shell = place.shell()
    shell.build(tmp_path / "other", "--configs", "datasets", "--samples", "--without", "joke")
    shell.ok("tokenize", tmp_path / "other", "--tokenizer", place.model, "--quiet")
    with pytest.raises(CheckpointError, match=r"was trained on other data \(build: it has "):
        go_on(place, out, data_path=tmp_path / "other")


def test_other_settings_are_told_and_followed(place: Place, whole: Path, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run that goes on with another learning rate says so, and steps by the new one at once."""
    interrupted(whole, out, 4)
    go_on(place, out, learning_rate=1e-4, max_steps=8)
    assert "settings differ from this run's (learning_rate: it has 0.001, now 0.0001; max_steps: it has 6, now 8" in caplog.text
    assert rates(out) == pytest.approx(
        [1e-3 * (6 - step) / 6 for step in range(4)] + [1e-4 * (8 - step) / 8 for step in range(4, 8)]
    )


def test_the_optimizer_follows_the_settings(place: Place, whole: Path, out: Path) -> None:
    """AdamW's constants are those of the run that goes on, and what never decays still does not."""
    interrupted(whole, out, 4)
    go_on(place, out, weight_decay=0.5, adam_beta2=0.9, adam_epsilon=1e-8)
    groups = torch.load(out / "checkpoint-6" / "optimizer.pt")["param_groups"]
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]
    assert [(group["betas"], group["eps"]) for group in groups] == [((0.9, 0.9), 1e-8)] * 2


def test_a_checkpoint_cut_short_is_passed_over(place: Place, whole: Path, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a file of the last checkpoint is cut, the run goes on from the one before it and comes to the same."""
    interrupted(whole, out, 6)
    weights = out / "checkpoint-6" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    (out / "checkpoint-4" / "datamix.json").write_text("garbage")
    go_on(place, out)
    assert "checkpoint-6/model.safetensors: has" in caplog.text
    assert "checkpoint-4: its datamix.json is damaged" in caplog.text
    assert losses(out) == losses(whole)


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Started jobs, ended with all of their processes however the test ends."""
    jobs: list[subprocess.Popen[bytes]] = []
    yield jobs
    for job in jobs:
        kill(job)


def kill(job: subprocess.Popen[bytes]) -> None:
    """Kill a job with every process of it."""
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.wait()


def start(place: Place, launcher: list[str], arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start a job in a process group of its own."""
    command = [str(Path(sys.executable).parent / launcher[0]), *launcher[1:], *arguments]
    environment = place.shell().environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=ROOT / "packages/trainer", env=environment, stdout=silent, stderr=silent, start_new_session=True
    )


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_job_killed_at_a_random_step_goes_on_as_if_it_had_not_been(
    place: Place, tmp_path: Path, running: list[subprocess.Popen[bytes]]
) -> None:
    """Two ranks under ZeRO-3, killed at a random step: the losses after it equal the uninterrupted ones digit by digit."""
    keys: dict[str, object] = {"max_steps": 12, "save_steps": 2, "eval_steps": 100, "gradient_accumulation_steps": 2}
    done = place.launch(deepspeed(2), *place.arguments(tmp_path / "whole", **keys), "--deepspeed")
    assert done.returncode == 0, done.stderr
    out, step = tmp_path / "out", random.Random(time.time_ns()).randrange(3, 10)
    running.append(start(place, deepspeed(2), [*place.arguments(out, **keys), "--deepspeed"]))
    metrics = out / "base" / "metrics.jsonl"
    wait_for(lambda: metrics.is_file() and f'"step": {step},' in metrics.read_text())
    kill(running[0])
    done = place.launch(deepspeed(2), *place.arguments(out, **keys), "--deepspeed", "--resume_from_checkpoint")
    assert done.returncode == 0, done.stderr
    assert losses(out) == losses(tmp_path / "whole"), f"killed at step {step}"
    assert packs_by_step(out) == packs_by_step(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("config", ["zero2.json", "zero3_config_sft.json"])
def test_two_ranks_then_one_then_two_see_each_pack_of_the_epoch_once(place: Place, out: Path, config: str) -> None:
    """The number of processes changes twice in an epoch: every pack is trained on once, and the loss goes on falling."""
    for processes, steps in ((2, 2), (1, 4), (2, 7)):
        keys: dict[str, object] = {"max_steps": steps, "save_steps": 100, "eval_steps": 100, "deepspeed_config": config}
        flags = ["--deepspeed", "--resume_from_checkpoint"]
        done = place.launch(deepspeed(processes), *place.arguments(out, **keys), *flags)
        assert done.returncode == 0, done.stderr
    packs = packs_by_step(out)
    assert sorted(pack for step in packs.values() for pack in step) == list(range(sum(map(len, packs.values()))))
    assert [len(packs[step]) for step in range(1, 7)] == [8] * 6
    found = losses(out)
    assert sorted(found) == [1, 2, 3, 4, 5, 6, 7]
    assert found[7] < found[1] - 0.05
    record = json.loads((out / "checkpoint-7" / "datamix.json").read_bytes().partition(b" ")[2])
    assert (record["world"], record["global_batch"], record["cursor"]) == (2, 8, {"epoch": 1, "packs": 0})
    assert not list(out.glob("checkpoint-*/*_universal"))

"""What W&B gets of a run, where it is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from training import Place, free_port


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs the package wandb; it is not installed")
@pytest.mark.parametrize("processes", [1, 2])
def test_all_figures_have_come_when_the_run_has_ended(place: Place, out: Path, tmp_path: Path, processes: int) -> None:
    """Of several processes too, which end without Python's own end, the file of an offline run holds the last evaluation."""
    launcher = ["deepspeed", "--num_accelerators", str(processes), "--master_port", str(free_port()), "trainer_sft.py"]
    offline = replace(place, variables={"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)})
    done = offline.launch(launcher, *place.arguments(out, report_to="wandb", max_steps=3), "--deepspeed")
    assert done.returncode == 0, done.stderr
    (sent,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    found = sent.read_bytes()
    assert found.count(b"eval/loss") >= 2
    assert found.count(b"train/learning_rate") >= 3

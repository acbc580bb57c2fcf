"""DeepSpeed's states for another number of processes: made beside the checkpoint, whole, and taken away without a trace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from commands import digests
from data_mix.errors import CheckpointError
from data_mix_trainer.checkpoint import read_checkpoint
from data_mix_trainer.universal import make_universal, remove_universal
from training import Place


@pytest.fixture(scope="module")
def written(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that one process has written under ZeRO-3."""
    out = tmp_path_factory.mktemp("written") / "out"
    keys: dict[str, object] = {"max_steps": 1, "eval_answers": 0, "deepspeed_config": "zero3_config_sft.json"}
    place.shell().ok("train", *place.arguments(out, **keys), "--deepspeed")
    return out / "checkpoint-1"


@pytest.fixture
def checkpoint(written: Path, tmp_path: Path) -> Path:
    """A copy of it to work on."""
    return shutil.copytree(written, tmp_path / "checkpoint-1")


def test_states_are_converted_parameter_by_parameter(checkpoint: Path) -> None:
    """Every parameter of the model has a folder of its own with its weights and AdamW's two means, and DeepSpeed finds them."""
    make_universal(checkpoint)
    made = checkpoint / (checkpoint / "latest_universal").read_text()
    assert made == checkpoint / "global_step1_universal"
    wanted = {
        name.replace("embed_out", "lm_head"): weight for name, weight in load_file(checkpoint / "model.safetensors").items()
    }
    assert {folder.name for folder in (made / "zero").iterdir() if folder.is_dir()} == wanted.keys()
    for name, weight in wanted.items():
        folder = made / "zero" / name
        state = {path.stem: torch.load(path) for path in folder.iterdir()}
        assert state.keys() >= {"fp32", "exp_avg", "exp_avg_sq"}
        assert torch.equal(state["fp32"].reshape(weight.shape), weight), name


def test_nothing_is_left_of_it_after_use(checkpoint: Path) -> None:
    """Once it is removed the checkpoint is what it was, byte for byte, and a checkpoint still counts as whole with it there."""
    before = digests(checkpoint)
    make_universal(checkpoint)
    assert read_checkpoint(checkpoint).step == 1
    remove_universal(checkpoint)
    assert digests(checkpoint) == before


def test_what_a_kill_has_left_is_made_anew(checkpoint: Path) -> None:
    """Half a conversion is not taken for a whole one."""
    half = checkpoint / "global_step1_universal" / "zero" / "half"
    half.mkdir(parents=True)
    make_universal(checkpoint)
    assert not half.exists()


def test_what_deepspeed_cannot_convert_is_told_in_a_line(checkpoint: Path) -> None:
    """A damaged state is an error with its checkpoint, why, and what still can be done."""
    (state,) = (checkpoint / "global_step1").glob("*optim_states.pt")
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError) as caught:
        make_universal(checkpoint)
    assert str(caught.value).startswith(f"{checkpoint}: DeepSpeed cannot convert its states (")
    assert str(caught.value).endswith("); resume with as many processes as it was trained with")
    assert "\n" not in str(caught.value)


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    """A checkpoint that was never converted is left as it is."""
    remove_universal(tmp_path)
    assert list(tmp_path.iterdir()) == []

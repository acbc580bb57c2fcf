"""What a trainer's users get wrong: each is one clear line, and nothing of theirs is touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from commands import digests
from data_mix.errors import DataMixError
from data_mix.files import hold
from sample_tokenizers import byte_level
from training import Place, small_model, train_here


def refused(place: Place, out: Path, *flags: str, **keys: object) -> str:
    """The line that `datamix train` ends with."""
    with pytest.raises(DataMixError) as caught:
        train_here(*place.arguments(out, **keys), *flags)
    return str(caught.value)


def test_a_build_that_is_not_there(place: Place, out: Path, tmp_path: Path) -> None:
    """A folder that is no build is named, with the command that makes one."""
    line = refused(place, out, data_path=tmp_path / "nothing")
    assert line.endswith("nothing: does not exist; make it with datamix build -o " + str(tmp_path / "nothing"))
    assert not out.exists()


def test_no_build_and_no_mix(place: Place, out: Path) -> None:
    """Without a mix and without data_path there is nothing to train on."""
    arguments = place.arguments(out)
    place_of_path = arguments.index("--data_path")
    del arguments[place_of_path : place_of_path + 2]
    assert "found neither data_path nor a mix" in place.shell().refused("train", *arguments)


def test_tokens_that_are_not_there(place: Place, out: Path, tmp_path: Path) -> None:
    """A build without token shards is an error with the command that writes them; training writes none itself."""
    build = shutil.copytree(place.build, tmp_path / "build")
    shutil.rmtree(build / "tokens")
    line = refused(place, out, data_path=build)
    assert f"make them with datamix tokenize {build} --tokenizer {place.model}" in line
    assert not (build / "tokens").exists()


def test_tokens_of_another_tokenizer(place: Place, out: Path, tmp_path: Path) -> None:
    """Shards of another tokenizer are not taken for this model's."""
    model = small_model(byte_level(tmp_path / "other", vocabulary=600))
    line = refused(place, out, model_name=model)
    assert "there are 1 of another tokenizer or an earlier build; make them with datamix tokenize" in line


def test_a_truncated_shard(place: Place, out: Path, tmp_path: Path) -> None:
    """A shard that was cut is found by its size before anything is trained."""
    build = shutil.copytree(place.build, tmp_path / "build")
    (shard,) = build.glob("tokens/*.train.arrow")
    os.truncate(shard, shard.stat().st_size - 100)
    assert f"{shard.name}: has " in refused(place, out, data_path=build)


def test_another_mix(place: Place, out: Path) -> None:
    """A build of another mix is refused, with the difference and the command that makes the right one."""
    line = refused(place, out, "--configs", "datasets", "--datasets.joke.val_split", "0.5")
    assert "is a build of another mix (joke.val_split is 0.05 there and 0.5 here)" in line
    assert "make the right one with datamix build --configs defaults datasets" in line


def test_an_entry_that_the_build_leaves_out(place: Place, out: Path, tmp_path: Path) -> None:
    """A mix that the build has only a part of is told to leave the rest out, and then the build is the right one."""
    shell = place.shell()
    shell.build(tmp_path / "part", "--configs", "datasets", "--samples", "--without", "ikala")
    shell.ok("tokenize", tmp_path / "part", "--tokenizer", place.model, "--quiet")
    line = refused(place, out, "--configs", "datasets", data_path=tmp_path / "part")
    assert "it lacks ikala; leave them out with --without ikala" in line
    shell.ok(
        "train", "--configs", "datasets", *place.arguments(out, data_path=tmp_path / "part"), "--without", "ikala", "--dry-run"
    )


def test_a_model_whose_vocabulary_is_too_small(place: Place, out: Path, tmp_path: Path) -> None:
    """A model with fewer rows than its tokenizer has tokens does not belong to it."""
    model = small_model(shutil.copytree(place.model, tmp_path / "model"), vocabulary=300)
    line = refused(place, out, model_name=model)
    assert "300" in line
    assert "1007" in line or "100" in line


def test_a_max_length_that_nothing_fits_into(place: Place, out: Path) -> None:
    """A max_length in which no conversation has an answer says how much is wanted."""
    assert "max_length: found 4, but none of the 162 conversations fits, wanted" in refused(place, out, max_length=4)


def test_a_max_length_shorter_than_a_system_prompt(place: Place, out: Path) -> None:
    """Where conversations are split behind their system turn, that must fit."""
    line = refused(place, out, max_length=8, packing_policy="split")
    assert "max_length: found 8, but the system turn of conversation" in line


def test_a_half_written_checkpoint(place: Place, out: Path) -> None:
    """A folder of checkpoints of which none is whole starts from the beginning only where that is asked for."""
    (out / "checkpoint-3").mkdir(parents=True)
    (out / "checkpoint-3" / "model.safetensors").write_bytes(b"half")
    before = digests(out)
    assert "holds an earlier run; go on with it by --resume_from_checkpoint" in refused(place, out)
    assert digests(out) == before


def test_a_folder_with_a_finished_run(place: Place, out: Path) -> None:
    """A trained model is not overwritten."""
    out.mkdir()
    (out / "training.json").write_text("{}")
    assert "holds an earlier run" in refused(place, out)
    assert [path.name for path in out.iterdir()] == ["training.json"]


def test_two_runs_into_one_folder(place: Place, out: Path) -> None:
    """While one run writes a folder no other one does."""
    out.mkdir()
    held = hold(out)
    assert held is not None
    try:
        assert "another run is writing it; wait until it ends" in refused(place, out)
    finally:
        os.close(held)
    assert list(out.iterdir()) == []


def test_fp16_without_a_gpu(place: Place, out: Path) -> None:
    """Hardware that does not train in fp16 is an error that names the alternatives, with DeepSpeed and without."""
    for flags in ([], ["--deepspeed"]):
        line = refused(place, out, *flags, dtype="fp16")
        assert "dtype: found fp16, but without a GPU there is no training in it; use --dtype fp32" in line


def test_a_model_that_is_not_there(place: Place, out: Path) -> None:
    """A model that is neither a folder nor on the hub is one line."""
    assert "nope" in refused(place, out, model_name="./nope")


def test_processes_that_do_not_divide_the_global_batch(place: Place, out: Path) -> None:
    """A run of a global batch that its processes cannot share is refused before it starts."""
    arguments = place.arguments(out, per_device_train_batch_size=3)
    shell = place.shell()
    shell.ok("train", *place.arguments(out, max_steps=3))
    done = shell.run("train", *arguments, "--resume_from_checkpoint")
    assert "a global batch of 4 packs cannot be shared by 1 processes that take 3 at a time" in done.stderr


def test_a_metric_that_there_is_not(place: Place, out: Path) -> None:
    """The metric of the best model must be one that is measured; the line names those."""
    assert "found 'bleu', wanted one of loss, perplexity, token_accuracy" in refused(place, out, metric_for_best_model="bleu")
    line = refused(place, out, metric_for_best_model="loss", eval_steps=2, save_steps=3)
    assert "save_steps: found 3, wanted a multiple of eval_steps (2)" in line


def test_a_reporter_that_is_not_installed(place: Place, out: Path) -> None:
    """A reporter without its package names what to install."""
    assert "report_to: wandb is not installed; pip install wandb" in refused(place, out, report_to="wandb")


@pytest.mark.slow
def test_an_error_of_many_processes_is_one_line(place: Place, out: Path, tmp_path: Path) -> None:
    """Of two ranks that find the same mistake, the first alone says so, and the launcher ends."""
    launcher = ["torchrun", "--nproc_per_node", "2", "--master_port", "29613", "-m", "data_mix_trainer"]
    done = place.launch(launcher, *place.arguments(out, data_path=tmp_path / "nothing"))
    assert done.returncode != 0
    assert done.stderr.count("datamix: ") == 1


def test_a_dry_run_touches_nothing(place: Place, out: Path) -> None:
    """A dry run prints JSON that programs can read, and touches nothing."""
    printed = place.shell().ok("train", *place.arguments(out), "--dry-run", "--json")
    assert json.loads(printed)["schedule"]["steps"] == 6
    assert not out.exists()

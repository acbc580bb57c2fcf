"""What is read of a checkpoint's folder for its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data_mix.errors import EvalError
from data_mix.fetch import DigestStore
from data_mix_eval.card import example_prompt, model_card, read_checkpoint
from data_mix_eval.models.digest import checkpoint_digest
from data_mix_eval.results import BASE, Results, write_results
from scored import ComputedModel, asked, scored


def checkpoint_in(folder: Path) -> Path:
    """A folder that holds as much of a model as a card wants."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    return folder


def results_of(name: str, checkpoint: Path, subset: str) -> Results:
    """The results of a checkpoint on a part of a benchmark."""
    settings = {"engine": "computed", "dtype": None, "device": None, "context": None}
    digest = checkpoint_digest(checkpoint, settings, DigestStore(checkpoint.parent / "digests"))
    results = scored(ComputedModel(name=name, digest=digest), [asked()], checkpoint.parent)[0]
    return replace(results, tasks={task: replace(found, subset=subset) for task, found in results.tasks.items()})


def test_each_result_stands_beside_its_own_base_model(tmp_path: Path) -> None:
    """Where a model was scored whole and in part, no result is set beside what the base model was asked for the other."""
    checkpoint = checkpoint_in(tmp_path / "mine")
    for place, subset in (("standard", "all"), ("standard-limit20", "at most 20")):
        folder = checkpoint / "eval" / place
        write_results(folder, results_of("/somewhere/mine", checkpoint, subset), [], b"")
        write_results(folder / BASE, results_of("base", checkpoint, subset), [], b"")
    found = read_checkpoint(checkpoint)
    subsets = [each and each.tasks["sums"].subset for each in (*found.results, *found.base_results)]
    assert subsets == ["all", "at most 20"] * 2
    page = model_card(found)
    assert page.count("| base |") == 2
    assert page.count("| mine |") == 2
    assert "somewhere" not in page


def test_a_base_model_whose_run_has_not_ended_is_left_out(tmp_path: Path) -> None:
    """A folder of a base model without results is no reason to write no card."""
    checkpoint = checkpoint_in(tmp_path / "mine")
    folder = checkpoint / "eval/standard"
    write_results(folder, results_of("mine", checkpoint, "all"), [], b"")
    (folder / BASE).mkdir()
    assert read_checkpoint(checkpoint).base_results == [None]


def test_scores_of_other_weights_are_refused(tmp_path: Path) -> None:
    """A model that was trained on since it was scored, or another one, does not get these scores."""
    checkpoint = checkpoint_in(tmp_path / "mine")
    write_results(checkpoint / "eval/standard", results_of("mine", checkpoint, "all"), [], b"")
    assert len(read_checkpoint(checkpoint).results) == 1
    (checkpoint / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(EvalError, match=r"eval/standard: is of other files than .*mine holds now; score the model again"):
        read_checkpoint(checkpoint)


def test_a_file_of_another_trainer_is_refused(tmp_path: Path) -> None:
    """A training.json without what a card says of it is one clear line."""
    checkpoint = checkpoint_in(tmp_path / "mine")
    (checkpoint / "training.json").write_text('{"settings": {}}')
    with pytest.raises(EvalError, match=r"training\.json: holds no 'sections'"):
        read_checkpoint(checkpoint)


def test_a_model_without_a_tokenizer_gets_no_card(tmp_path: Path) -> None:
    """Without a tokenizer nobody could prompt the model."""
    checkpoint = checkpoint_in(tmp_path / "mine")
    (checkpoint / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(EvalError, match="mine: holds no tokenizer that can be read"):
        example_prompt(checkpoint)

"""What the Hub reads of a model card: each score under the benchmark, the recipe and the files that it is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard

from data_mix_eval.card.front_matter import front_matter
from data_mix_eval.results import Results
from scored import ComputedModel, asked, scored


def read(results: list[Results]) -> list[tuple[str | None, ...]]:
    """The scores as the Hub reads them: dataset, configuration, revision, name."""
    data: Any = ModelCard(front_matter("m", "", {}, results, None)).data
    return [
        (each.dataset_type, each.dataset_config, each.dataset_revision, each.dataset_name) for each in data.eval_results or ()
    ]


def of_files(results: Results, files: str) -> Results:
    """Results of the same tasks, of other files."""
    return replace(results, tasks={name: replace(task, files=files) for name, task in results.tasks.items()})


def test_scores_stay_with_their_own_recipe(tmp_path: Path) -> None:
    """Two tasks of the same files, and two protocols of the same task, are never gathered under one name."""
    what = [asked(name="one", recipe="one/1"), asked(name="two", recipe="two/1")]
    standard = scored(ComputedModel(), what, tmp_path)[0]
    card = scored(ComputedModel(), [asked(name="one", recipe="one/card")], tmp_path, protocol="card")[0]
    assert read([standard, card]) == [
        ("memory", "one/1, all", None, "Sums (one/1)"),
        ("memory", "two/1, all", None, "Sums (two/1)"),
        ("memory", "one/card, all", None, "Sums (one/card)"),
    ]


def test_files_of_the_hub_have_their_commit_and_local_ones_no_place(tmp_path: Path) -> None:
    """A repository and its revision stand apart, and of a folder on this machine no more than its name."""
    results = scored(ComputedModel(), [asked()], tmp_path)[0]
    assert read([of_files(results, "cais/mmlu@c30699e8")])[0][:3] == ("cais/mmlu", "sums/1, all", "c30699e8")
    assert read([of_files(results, "/benchmarks/mmlu")])[0][:3] == ("mmlu", "sums/1, all", None)

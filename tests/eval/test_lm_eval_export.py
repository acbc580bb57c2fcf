"""The files of lm-eval: its own functions read them, and they say what ours say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from data_mix_eval.lm_eval_export import export
from data_mix_eval.question import Sampling
from data_mix_eval.results import Results
from scored import ComputedModel, asked, scored, sums


@pytest.fixture
def exported(tmp_path: Path) -> tuple[Path, Results]:
    """The files of a run over choices and over generated answers, below a folder."""
    written = asked(sums(3, subjects=["written"], sampling=Sampling(max_tokens=2, stops=("\n",))), name="written", recipe="w/1")
    results, marked = scored(ComputedModel(name="org/model"), [asked(), written], tmp_path / "home")
    return export(tmp_path / "out", results, marked), results


def read(folder: Path, pattern: str) -> tuple[str, str]:
    """The name and text of the one file."""
    (path,) = folder.glob(pattern)
    return f"/{path.name}", path.read_text(encoding="utf8")


def test_the_names_are_lm_evals(exported: tuple[Path, Results]) -> None:
    """lm-eval finds results and samples by their names, and reads task and time out of them."""
    utils = pytest.importorskip("lm_eval.utils", reason="needs the extra lm-eval")
    folder, _ = exported
    assert folder.name == utils.sanitize_model_name("org/model")
    names = [f"/{path.name}" for path in sorted(folder.iterdir())]
    assert len(utils.get_results_filenames(names)) == 1
    samples = [name.removeprefix("/") for name in utils.get_sample_results_filenames(names)]
    assert [utils.get_file_task_name(name) for name in samples] == ["sums_large", "sums_small", "written"]
    assert len({utils.get_file_datetime(name) for name in samples}) == 1


def test_lm_eval_prints_its_table_of_them(exported: tuple[Path, Results]) -> None:
    """lm-eval's own table shows each score with its error, subjects below their groups."""
    utils = pytest.importorskip("lm_eval.utils", reason="needs the extra lm-eval")
    folder, results = exported
    table = utils.make_table(json.loads(read(folder, "results_*.json")[1]))
    score = results.tasks["sums"].scores["acc"]
    line = next(line for line in table.splitlines() if line.startswith("|sums "))
    assert f"| {score.score:.3f}" in line
    assert f"|{score.standard_error:.4f}" in line
    assert "- sums_all_sums" in table


def test_the_keys_are_lm_evals(exported: tuple[Path, Results]) -> None:
    """Every key is one that lm-eval's schema of results knows, and those of its core are there."""
    schema = pytest.importorskip("lm_eval.result_schema", reason="needs the extra lm-eval")
    found = json.loads(read(exported[0], "results_*.json")[1])
    assert found.keys() <= set(schema.EvalResults.__annotations__)
    core = {"results", "groups", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples"}
    assert core <= found.keys()
    line = json.loads(read(exported[0], "samples_sums_small_*.jsonl")[1].splitlines()[0])
    assert set(schema.SampleResult.__annotations__) | {"acc"} == line.keys()


def test_a_sample_of_choices(exported: tuple[Path, Results]) -> None:
    """A scored question has a request for each choice, and the log-probability of each as text."""
    line = samples(exported[0], "sums_small")[2]
    assert line["arguments"]["gen_args_1"] == {"arg_0": "Sums that are small.\n\n2+1=", "arg_1": "3"}
    assert line["resps"] == [[each] for each in line["filtered_resps"]]
    assert [float(logprob) < 0 for logprob, _ in line["filtered_resps"]] == [True, True]
    assert line["prompt_hash"] == hashlib.sha256(b"Sums that are small.\n\n2+1=").hexdigest()
    assert (line["target"], line["target_hash"]) == ("3", hashlib.sha256(b"3").hexdigest())


def test_a_sample_that_was_written(exported: tuple[Path, Results]) -> None:
    """A generated answer has one request with its stops, what was said, and what was read out of it."""
    line = samples(exported[0], "written")[0]
    given = {"until": ["\n"], "max_gen_toks": 2, "do_sample": False, "temperature": 0.0}
    assert line["arguments"] == {"gen_args_0": {"arg_0": "Sums that are written.\n\n0+1=", "arg_1": given}}
    assert line["resps"] == [[line["filtered_resps"][0]]]


def samples(folder: Path, task: str) -> list[dict[str, Any]]:
    """The lines of a task's samples."""
    return [json.loads(line) for line in read(folder, f"samples_{task}_*.jsonl")[1].splitlines()]

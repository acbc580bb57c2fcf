"""`datamix eval` from checkpoint to results: on a real model, the shipped samples, and no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data_mix_eval.cli import main
from scored import contents, make_checkpoint, read_results, shell

Run = Callable[..., str]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained model; what is scored of it lies elsewhere."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command on the samples with a cache of this test's own, and returns what it prints."""
    monkeypatch.setenv("DATAMIX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        assert main([*map(str, arguments), "--samples"]) == 0
        return capsys.readouterr().out

    return run


def test_a_score_per_benchmark_and_where_the_rest_is(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    """The table has a column per benchmark and names protocol, recipes, numbers and the folder, which holds three files."""
    printed = run(checkpoint, "--task", "mmlu", "bbh_direct", "-o", "out").splitlines()
    assert printed[0] == "protocol standard"
    assert printed[1].split() == ["model", "MMLU", "BBH,", "direct", "source"]
    assert any(
        "MMLU: mmlu/lm-eval-0.4.13, acc, mean over questions; all 48 of 48 questions of samples" in line for line in printed
    )
    assert printed[-1] == "out: results.json, items.jsonl, report.html"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["items.jsonl", "report.html", "results.json"]


def test_a_rerun_finds_the_same(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    """Again into the same folder, and from nothing into another: results, items and page are the same but for the times."""
    run(checkpoint, "--task", "mmlu", "-o", "out")
    first = contents(tmp_path / "out")
    run(checkpoint, "--task", "mmlu", "-o", "out")
    assert contents(tmp_path / "out") == first
    for path in sorted((tmp_path / "home").rglob("*.jsonl")):
        path.unlink()
    run(checkpoint, "--task", "mmlu", "-o", "fresh")
    assert contents(tmp_path / "fresh") == first


def test_the_default_folder_says_what_is_in_it(tmp_path: Path, run: Run) -> None:
    """Results go below the checkpoint, by protocol, and those of a part or of samples beside them."""
    model = make_checkpoint(tmp_path / "model")
    run(model, "--task", "mmlu", "--limit", 2)
    assert (model / "eval/standard-samples-limit2/results.json").is_file()


def test_a_subset_is_called_one(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    """The number of questions stands beside the score, and that they are a part."""
    printed = run(checkpoint, "--task", "mmlu", "--limit", 2, "-o", "out")
    assert "a subset (at most 2 of each subject by hash of the id), 8 of 48 questions" in printed
    task = read_results(tmp_path / "out")["tasks"]["mmlu"]
    assert (task["n"], task["of"]) == (8, 48)


@pytest.mark.parametrize("protocol", ["standard", "card", "chat"])
def test_every_protocol_scores_every_benchmark(checkpoint: Path, tmp_path: Path, run: Run, protocol: str) -> None:
    """MMLU, BBH and HumanEval give a score under each protocol, with its own recipe."""
    run(checkpoint, "--protocol", protocol, "--limit", 1, "-o", "out")
    results = read_results(tmp_path / "out")
    assert results["protocol"] == protocol
    assert list(results["tasks"]) == ["mmlu", "bbh", "humaneval"]
    assert all(0 <= figure["score"] <= 1 for task in results["tasks"].values() for figure in task["scores"].values())


def test_a_base_model_stands_beside_it(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    """A base model is scored alike, and its results are kept, so that they can be named the next time."""
    base = make_checkpoint(tmp_path / "base", seed=1)
    first = run(checkpoint, "--task", "mmlu", "--base-model", base, "-o", "out")
    assert f"{base}" in first
    assert "base model, measured" in first
    again = run(checkpoint, "--task", "mmlu", "--base-model", "out/base-model", "-o", "out")
    assert again == first
    assert b"base model, measured" in (tmp_path / "out/report.html").read_bytes()


def test_results_as_json(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    """`--json` prints what results.json holds."""
    printed = json.loads(run(checkpoint, "--task", "mmlu", "--json", "-o", "out"))
    assert printed == json.loads((tmp_path / "out/results.json").read_text())


def test_files_of_lm_eval_are_written_when_asked(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    """`--lm-eval-files` writes a file of results and one of samples per subject."""
    run(checkpoint, "--task", "mmlu", "--lm-eval-files", "-o", "out")
    assert len(list((tmp_path / "out/lm-eval").glob("*/results_*.json"))) == 1
    assert len(list((tmp_path / "out/lm-eval").glob("*/samples_mmlu_*.jsonl"))) == 4


def test_two_runs_are_compared(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    """`--compare` prints the difference with its test, and the answers that changed."""
    other = make_checkpoint(tmp_path / "other", seed=2)
    run(checkpoint, "--task", "bbh_direct", "-o", "a")
    run(other, "--task", "bbh_direct", "-o", "b")
    printed = run("--compare", "a", "b")
    assert "McNemar, exact" in printed
    assert "as good" in printed
    (task,) = json.loads(run("--compare", "a", "b", "--json"))["tasks"]
    assert (task["paired"]["items"], task["paired"]["better"]) == (36, 0)
    assert len(task["changes"]) > 20


def test_prompts_are_exported(tmp_path: Path, run: Run) -> None:
    """`--export-prompts` writes a line of JSON for each prompt of the benchmarks, without a checkpoint."""
    printed = run("--export-prompts", "prompts.jsonl", "--task", "mmlu")
    lines = (tmp_path / "prompts.jsonl").read_text(encoding="utf8").splitlines()
    assert printed == f"prompts.jsonl: {len(lines)} prompts\n"
    assert len(lines) >= 48


def test_nothing_but_the_table_is_printed(checkpoint: Path, tmp_path: Path) -> None:
    """Without a terminal there are no bars, and libraries say nothing."""
    done = shell(tmp_path).run("eval", checkpoint, "--task", "mmlu", "--samples", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("protocol standard\n")

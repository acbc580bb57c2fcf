"""A run: what was answered is never asked again, whatever ended the run before, and nothing leaks from one run into another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from commands import Shell
from data_mix.errors import ConfigError, SandboxError
from data_mix_eval.question import Sampling
from data_mix_eval.results import Results
from data_mix_eval.run import ask
from data_mix_eval.sandbox import open_sandbox
from data_mix_eval.subset import Subset
from scored import BreakdownError, ComputedModel, asked, contents, make_checkpoint, scored, sums
from training import free_port

QUIET = {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}


def without_times(results: Results) -> Results:
    """What two runs of the same have in common."""
    return replace(results, times={})


def test_a_run_that_broke_down_goes_on(tmp_path: Path) -> None:
    """Broken down in any batch, the next run computes what is missing, and finds what an unbroken one finds."""
    whole, marked = scored(ComputedModel(), [asked()], tmp_path / "whole")
    for fails_at in range(4):
        home = tmp_path / str(fails_at)
        with pytest.raises(BreakdownError):
            scored(ComputedModel(fails_at=fails_at), [asked()], home)
        again = ComputedModel()
        results, same = scored(again, [asked()], home)
        assert len(again.asked) == 4 - fails_at
        assert (without_times(results), same[0].marks) == (without_times(whole), marked[0].marks)


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    """A rerun reads its answers, and tells the seconds that they once took."""
    first = scored(ComputedModel(), [asked()], tmp_path)[0]
    model = ComputedModel()
    second = scored(model, [asked()], tmp_path)[0]
    assert (model.asked, without_times(second)) == ([], without_times(first))
    assert second.times["tasks"]["sums"]["answering"] == first.times["tasks"]["sums"]["answering"]


def test_a_part_leaks_nothing_into_the_whole(tmp_path: Path) -> None:
    """Batches of a subset are others, and their digits are not taken for those of the whole benchmark."""
    part = asked(sums(5)[:4])
    scored(ComputedModel(), [part], tmp_path)
    model = ComputedModel()
    mixed, fresh = scored(model, [asked()], tmp_path)[0], scored(ComputedModel(), [asked()], tmp_path / "fresh")[0]
    assert without_times(mixed) == without_times(fresh)
    assert model.asked == [("small/3", "small/4", "large/0"), ("large/1", "large/2", "large/3"), ("large/4",)]


def test_models_and_recipes_do_not_share_answers(tmp_path: Path) -> None:
    """Another digest, another recipe and another seed of what is drawn are asked anew."""
    drawn = sums(2, sampling=Sampling(max_tokens=2, temperature=1.0))
    runs = [("d", "sums/1", 0), ("e", "sums/1", 0), ("d", "sums/2", 0), ("d", "sums/1", 1)]
    for digest, recipe, seed in runs:
        model = ComputedModel(digest=digest)
        scored(model, [asked(drawn, recipe=recipe)], tmp_path, seed=seed)
        assert len(model.asked) == 2


def test_scores_are_summed_up(tmp_path: Path) -> None:
    """Each metric of a task by itself, by group and by subject, with standard error and number."""
    results, marked = scored(ComputedModel(), [asked()], tmp_path)
    task = results.tasks["sums"]
    marks = [mark.metrics["acc"] for mark in marked[0].marks]
    assert task.scores["acc"].score == pytest.approx(sum(marks) / 10)
    assert task.scores["acc"].n == 10
    assert task.groups["all sums"] == task.scores
    assert task.subjects["large"]["acc"].score == pytest.approx(sum(marks[5:]) / 5)
    assert task.scores["acc"].standard_error == pytest.approx(
        (task.scores["acc"].score * (1 - task.scores["acc"].score) / 9) ** 0.5
    )


def test_tokens_are_counted(tmp_path: Path) -> None:
    """Tokens read and written are sums over the answers."""
    results, marked = scored(ComputedModel(), [asked(sums(5, sampling=Sampling(max_tokens=2)))], tmp_path)
    task, answers = results.tasks["sums"], marked[0].answers
    assert (task.prompt_tokens, task.generated_tokens) == (sum(each.prompt_tokens for each in answers), 10)
    assert (task.left_out_items, task.left_out_tokens, task.suspicious) == (0, 0, 0)


def test_an_item_per_question_in_the_order_asked(tmp_path: Path) -> None:
    """Items stand in the order of the questions, however batches were cut."""
    _, marked = scored(ComputedModel(size=4), [asked()], tmp_path)
    assert [item.id for item in marked[0].items()] == [question.id for question in sums(5)]


def test_a_subset_without_questions_is_refused() -> None:
    """A share so small that nothing is left is an error, not a score over nothing."""
    with pytest.raises(
        ConfigError, match=r"of the 48 questions of mmlu none is in the subset \(a share of 1e-09 by hash of the id\)"
    ):
        ask(["mmlu"], "standard", Subset(fraction=1e-9), samples=True)


def test_code_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    """Where code is to be run, the sandbox is opened first, so that no answer is computed that nobody could judge."""
    model = ComputedModel()
    try:
        open_sandbox().close()
    except SandboxError:
        with pytest.raises(SandboxError):
            scored(model, [asked(metric="pass@1")], tmp_path)
        assert model.asked == []
    else:
        scored(model, [asked(metric="pass@1")], tmp_path)
        assert len(model.asked) == 4


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """Killed again and again, the last run finds what an undisturbed one finds, and computes only what is missing."""
    make_checkpoint(tmp_path / "model")
    words = ["eval", "model", "--task", "mmlu", "bbh", "--samples", "--batch-size", 3, "-o"]
    calm, disturbed = (Shell(cwd=tmp_path, home=tmp_path / name, variables=QUIET) for name in ("calm", "disturbed"))
    calm.ok(*words, "calm-out")
    for least in (2, 12, 18, 24):
        _kill_once(disturbed.start(*words, "out"), tmp_path / "disturbed", least)
        assert not (tmp_path / "out/results.json").exists()
    before = _lines(tmp_path / "disturbed")
    disturbed.ok(*words, "out")
    assert 24 <= before < _lines(tmp_path / "disturbed") == _lines(tmp_path / "calm")
    assert contents(tmp_path / "out") == contents(tmp_path / "calm-out")


@pytest.mark.slow
def test_a_killed_run_judges_no_program_twice(tmp_path: Path) -> None:
    """Verdicts of code are kept as answers are: a rerun of a finished run opens no sandbox for them, and finds the same."""
    make_checkpoint(tmp_path / "model")
    run = Shell(cwd=tmp_path, home=tmp_path / "home", variables=QUIET)
    words = ["eval", "model", "--task", "humaneval", "--protocol", "card", "--samples", "-o", "out"]
    run.ok(*words)
    first, verdicts = contents(tmp_path / "out"), (tmp_path / "home/eval/verdicts/00000.jsonl").read_bytes()
    run.ok(*words)
    assert contents(tmp_path / "out") == first
    assert (tmp_path / "home/eval/verdicts/00000.jsonl").read_bytes() == verdicts


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 3])
def test_a_launcher_changes_nothing(tmp_path: Path, world: int) -> None:
    """Several ranks of torchrun find what one process finds, share the work, and the first one alone prints."""
    make_checkpoint(tmp_path / "model")
    words = ["eval", "model", "--task", "mmlu", "bbh_direct", "--samples", "--batch-size", "5", "-o"]
    alone, together = (Shell(cwd=tmp_path, home=tmp_path / name, variables=QUIET) for name in ("alone", "together"))
    printed = alone.ok(*words, "one")
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        str(world),
        "--master_port",
        str(free_port()),
    ]
    done = subprocess.run(
        [*launcher, "-m", "data_mix", *words, "many"],
        cwd=tmp_path,
        env=together.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert done.stdout.replace("many", "one") == printed
    assert len(list((tmp_path / "together/eval").glob("*/mmlu*/*.jsonl"))) == world


@pytest.mark.slow
def test_an_error_of_many_ranks_is_one_line(tmp_path: Path) -> None:
    """Of two ranks that find the same mistake the first alone says so, and the launcher ends."""
    place = Shell(cwd=tmp_path, home=tmp_path / "home", variables=QUIET)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port())]
    command = [*launcher, "-m", "data_mix", "eval", "./nope", "--task", "mmlu", "--samples"]
    done = subprocess.run(
        command, cwd=tmp_path, env=place.environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode != 0
    assert done.stderr.count("datamix: ") == 1


def _kill_once(process: subprocess.Popen[str], home: Path, least: int) -> None:
    """Kill a process as soon as so many batches are on disk."""
    while process.poll() is None and _lines(home) < least:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def _lines(home: Path) -> int:
    """Whole lines in a cache."""
    return sum(path.read_bytes().count(b"\n") for path in home.glob("eval/*/*/*.jsonl"))

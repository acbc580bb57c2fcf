"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data_mix.errors import ConfigError
from data_mix_eval import score
from data_mix_eval.report.comparison import compare_runs
from data_mix_eval.report.terminal import print_comparison
from data_mix_eval.results import Item, write_results
from scored import ComputedModel, asked, scored, sums


def write(folder: Path, digest: str, *, count: int = 20, **changes: object) -> list[Item]:
    """The results of a model in a folder; its batches, and so its answers, are cut by the digest."""
    model = ComputedModel(name=f"model {digest}", digest=digest, size=ord(digest))
    results, marked = scored(model, [asked(sums(count))], folder / "home")
    task = replace(results.tasks["sums"], **changes)  # type: ignore[arg-type]
    items = marked[0].items()
    write_results(folder, replace(results, tasks={"sums": task}), items, b"")
    return items


def test_a_difference_has_a_paired_test(tmp_path: Path) -> None:
    """The difference is that of the two scores, and its test that of the score module, item by item."""
    first, second = write(tmp_path / "a", "\3"), write(tmp_path / "b", "\7")
    (task,) = compare_runs(tmp_path / "a", tmp_path / "b").tasks
    marks = [
        {subject: [item.metrics["acc"] for item in items if item.subject == subject] for subject in ("small", "large")}
        for items in (first, second)
    ]
    assert task.paired == score.compare(marks[0], marks[1], "micro")
    assert task.paired.difference == pytest.approx(task.scores[1] - task.scores[0])


def test_changed_answers_are_listed(tmp_path: Path) -> None:
    """Every question that the two answer differently is there, with both answers and what became of the mark."""
    first, second = write(tmp_path / "a", "\3"), write(tmp_path / "b", "\7")
    (task,) = compare_runs(tmp_path / "a", tmp_path / "b").tasks
    pairs = list(zip(first, second, strict=True))
    assert [each.id for each in task.changes] == [one.id for one, other in pairs if one.picked != other.picked]
    effects = [each.effect for each in task.changes]
    assert (effects.count("better"), effects.count("worse")) == (task.paired.better, task.paired.worse)


def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    """No difference, p of one, and nothing changed."""
    write(tmp_path / "a", "\3")
    (task,) = compare_runs(tmp_path / "a", tmp_path / "a").tasks
    assert (task.paired.difference, task.paired.p, task.changes) == (0.0, 1.0, ())


def test_a_part_is_compared_over_what_both_were_asked(tmp_path: Path) -> None:
    """Where one was asked less, only the questions of both count."""
    write(tmp_path / "a", "\3")
    write(tmp_path / "b", "\3", count=5)
    (task,) = compare_runs(tmp_path / "a", tmp_path / "b").tasks
    assert task.paired.items == 10


def test_filters_and_groups_of_lm_eval_are_compared_by_what_has_items(tmp_path: Path) -> None:
    """A metric with a filter is compared over the items of that filter, and a group, which has none, is passed over."""
    for name in ("a", "b"):
        model = ComputedModel(name=name, digest=name, size=ord(name))
        results, marked = scored(model, [asked(sums(5))], tmp_path / name / "home")
        task = replace(results.tasks["sums"], metric="acc,strict")
        items = [replace(item, id=f"{item.id}/{kind}") for item in marked[0].items() for kind in ("strict", "flexible")]
        write_results(tmp_path / name, replace(results, tasks={"all sums": task, "sums": task}), items, b"")
    (compared,) = compare_runs(tmp_path / "a", tmp_path / "b").tasks
    assert (compared.name, compared.paired.items) == ("sums", 10)


@pytest.mark.parametrize("change", [{"recipe": "sums/2"}, {"files_sha256": "1" * 64}])
def test_what_was_asked_otherwise_does_not_compare(tmp_path: Path, change: dict[str, str]) -> None:
    """Another recipe or other benchmark files are an error, not a number."""
    write(tmp_path / "a", "\3")
    write(tmp_path / "b", "\3", **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sums: was asked as sums/1"):
        compare_runs(tmp_path / "a", tmp_path / "b")


def test_it_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal has the names, a row per task, and at most twenty changed answers with how many more there are."""
    write(tmp_path / "a", "\3", count=100)
    write(tmp_path / "b", "\7", count=100)
    comparison = compare_runs(tmp_path / "a", tmp_path / "b")
    print_comparison(comparison)
    printed = capsys.readouterr().out
    assert "A  model ␃\nB  model ␇\n" in printed
    assert f"… and {len(comparison.tasks[0].changes) - 20:,} more; --json prints all" in printed

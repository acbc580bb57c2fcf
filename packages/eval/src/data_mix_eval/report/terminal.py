"""Results on a terminal: the table of scores, their groups, and what a reader must know of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from data_mix.terminal import print_line, print_table, visible
from data_mix_eval.report.comparison import Comparison, TaskComparison
from data_mix_eval.report.table import percent, score_table
from data_mix_eval.results import Results

_SHOWN: Final = 20
"""Changed answers that are listed of each task."""


def print_results(results: Results, base: Results | None = None) -> None:
    """Print a run's scores beside those of the base model and published ones. ConfigError where these were not asked alike."""
    table = score_table(results, base)
    print_line(table.title, "bold")
    print_table(table.columns, [[visible(cell) for cell in row] for row in table.rows], numbers=table.columns[1:-1])
    for name, task in results.tasks.items():
        if task.groups:
            rows = [
                [group, percent(figures.get(task.metric)), figures[task.metric].n] for group, figures in task.groups.items()
            ]
            print_line("")
            print_table([name, task.metric, "questions"], rows, numbers=[task.metric, "questions"])
    print_line("")
    for note in table.notes:
        print_line(visible(note), "dim")


def print_comparison(comparison: Comparison) -> None:
    """Print by how much two runs differ, whether that is more than chance, and where their answers changed."""
    print_line(f"protocol {comparison.protocol}", "bold")
    print_line(f"A  {visible(comparison.first)}")
    print_line(f"B  {visible(comparison.second)}")
    rows = [_row(task) for task in comparison.tasks]
    columns = ["task", "A", "B", "B - A", "p", "better", "worse", "changed", "questions", "test"]
    print_table(columns, rows, numbers=columns[1:-1])
    for task in comparison.tasks:
        _print_changes(task)


def _row(task: TaskComparison) -> list[object]:
    found = task.paired
    error = "" if found.stderr is None else f" ± {100 * found.stderr:.1f}"
    difference = f"{100 * found.difference:+.1f}{error}"
    scores = [f"{100 * score:.1f}" for score in task.scores]
    counts = [found.better, found.worse, len(task.changes), found.items]
    return [f"{task.name} {task.metric}", *scores, difference, f"{found.p:.3g}", *counts, found.test]


def _print_changes(task: TaskComparison) -> None:
    if task.changes:
        print_line("")
        rows = [
            [each.id, _short(each.first), _short(each.second), _short(each.target), each.effect]
            for each in task.changes[:_SHOWN]
        ]
        print_table([task.name, "A", "B", "target", "B is"], rows)
    if len(task.changes) > _SHOWN:
        print_line(f"… and {len(task.changes) - _SHOWN:,} more; --json prints all", "dim")


def print_place(folder: Path) -> None:
    """Say where the results are."""
    print_line(f"{folder}: results.json, items.jsonl, report.html")


def _short(text: str) -> str:
    """A text in few words on one line."""
    line = " ".join(visible(text).split())
    return line if len(line) <= 32 else f"{line[:31]}…"

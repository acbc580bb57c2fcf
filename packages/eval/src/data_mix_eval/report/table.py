"""The table of scores, in the shape of the reference model card: a row per model, a column per benchmark, one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from data_mix.errors import ConfigError
from data_mix_eval.report.published import PUBLISHED, Published
from data_mix_eval.results import OWN_SAMPLES, Figure, Results, TaskResult

MEASURED: Final = "measured"
"""Files on which no score means anything, so that none stands beside a published one."""
_PASS: Final = "pass@"
_ASKED: Final = ("recipe", "subset", "files_sha256")
"""What two models must have been asked alike to stand in one table."""


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Texts, ready to be set."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def score_table(results: Results, base: Results | None = None) -> ScoreTable:
    """The scores of a model beside those of its base model and those that were published under the same protocol.

    Raises ConfigError where the base model was asked something else.
    """
    places = [(name, metric) for name, task in results.tasks.items() for metric in shown_metrics(task)]
    if base is not None:
        check_alike(results, base)
    of_base = [] if base is None else [_measured(base, places, "base model, ")]
    return ScoreTable(
        title=f"protocol {results.protocol}",
        columns=("model", *(_heading(results.tasks[name], metric) for name, metric in places), "source"),
        rows=(_measured(results, places, ""), *of_base, *_published_rows(results, places)),
        notes=tuple(note for task in results.tasks.values() for note in notes(task)),
    )


def shown_metrics(task: TaskResult) -> list[str]:
    """The metrics that stand in the table: the recipe's own, and of pass@k the largest k beside it."""
    passes = sorted((name for name in task.scores if name.startswith(_PASS)), key=lambda name: int(name.removeprefix(_PASS)))
    return list(dict.fromkeys([task.metric, *passes[-1:]]))


def percent(figure: Figure | None) -> str:
    """A score in percent with its standard error."""
    if figure is None:
        return "–"
    error = "" if figure.standard_error is None else f" ± {100 * figure.standard_error:.1f}"
    return f"{100 * figure.score:.1f}{error}"


def notes(task: TaskResult) -> list[str]:
    """What a reader must know of a task's score: what was asked, how much of it, and what was odd."""
    average = {"micro": "mean over questions", "macro": "mean over subjects"}[task.average]
    part = "all" if task.n == task.of else f"a subset ({task.subset}),"
    said = [
        f"{task.title}: {task.recipe}, {task.metric}, {average}; {part} {task.n:,} of {task.of:,} questions of {task.files}"
    ]
    if task.left_out_items:
        said.append(
            f"{task.title}: {task.left_out_items:,} prompts did not fit the context, {task.left_out_tokens:,} tokens left out"
        )
    if task.suspicious:
        said.append(
            f"{task.title}: {task.suspicious:,} suspicious questions, with code that passes only where it reaches its judge"
        )
    if task.recipe.startswith("humaneval/instruct-eval"):
        said.append(f'{task.title}: the card\'s "@10" is pass@1, estimated from 10 samples; published figures stand there')
    return said


def check_alike(results: Results, base: Results) -> None:
    """Raise ConfigError where a base model was not asked what this one was."""
    if base.protocol != results.protocol:
        raise ConfigError(
            f"base model {base.model['name']}: was scored by protocol {base.protocol}, wanted {results.protocol}; score it so"
        )
    for name, task in results.tasks.items():
        other = base.tasks.get(name)
        wrong = [what for what in _ASKED if other is not None and getattr(other, what) != getattr(task, what)]
        if wrong:
            raise ConfigError(
                f"base model {base.model['name']}: {name} has {wrong[0]} {getattr(other, wrong[0])}, wanted "
                f"{getattr(task, wrong[0])}; score it alike"
            )


def _heading(task: TaskResult, metric: str) -> str:
    return f"{task.title} {metric}" if metric.startswith(_PASS) else task.title


def _measured(results: Results, places: Sequence[tuple[str, str]], remark: str) -> tuple[str, ...]:
    tasks = results.tasks
    cells = (percent(tasks[name].scores.get(metric) if name in tasks else None) for name, metric in places)
    return (str(results.model["name"]), *cells, f"{remark}{MEASURED}")


def _published_rows(results: Results, places: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Rows of others under the same protocol."""
    is_real = all(task.files != OWN_SAMPLES for task in results.tasks.values())
    rows = [row for row in PUBLISHED if row.protocol == results.protocol]
    return [_published(row, places, results) for row in rows] if is_real else []


def _published(row: Published, places: Sequence[tuple[str, str]], results: Results) -> tuple[str, ...]:
    def cell(name: str, metric: str) -> str:
        value = row.percents.get(name) if metric == results.tasks[name].metric else None
        return "–" if value is None else f"{value:.1f}"

    return (row.model, *(cell(*place) for place in places), row.source)

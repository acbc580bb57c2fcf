"""Two runs side by side: what differs, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_mix.errors import ConfigError
from data_mix_eval import score
from data_mix_eval.results import Item, Results, read_items, read_results


@dataclass(frozen=True, kw_only=True)
class Change:
    """A question that the two answer differently."""

    id: str
    target: str
    first: str
    second: str
    effect: str
    """`better`, `worse`, or `as good`."""


@dataclass(frozen=True, kw_only=True)
class TaskComparison:
    """One task of two runs."""

    name: str
    metric: str
    scores: tuple[float, float]
    """Over the questions that both were asked."""
    paired: score.Comparison
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs."""

    protocol: str
    first: str
    second: str
    tasks: tuple[TaskComparison, ...]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare two folders of results, task by task, over the questions that both were asked.

    Raises FormatError where one holds none, ConfigError where they have no task that was asked alike.
    """
    one, other = read_results(first), read_results(second)
    if one.protocol != other.protocol:
        raise ConfigError(
            f"{first} was scored by protocol {one.protocol}, {second} by {other.protocol}; score both by one protocol"
        )
    metrics = {name: _split(task.metric) for name, task in one.tasks.items() if name in other.tasks}
    items = {name: (_by_id(first, name, *found), _by_id(second, name, *found)) for name, found in metrics.items()}
    both = [name for name, found in items.items() if any(found)]  # of a group of lm-eval's, only its tasks have items
    if not both:
        raise ConfigError(f"{first} and {second} have no task in common; score both on one, and compare again")
    return Comparison(
        protocol=one.protocol,
        first=str(one.model["name"]),
        second=str(other.model["name"]),
        tasks=tuple(_compare_task(name, one, other, *items[name]) for name in both),
    )


def _split(metric: str) -> tuple[str, str]:
    """The metric's name in an item, and what the items' ids end with: lm-eval has `exact_match,strict-match`, we no comma."""
    name, comma, kind = metric.partition(",")
    return name, f"/{kind}" if comma else ""


def _by_id(folder: Path, task: str, metric: str, ending: str) -> dict[str, Item]:
    items = (item for item in read_items(folder) if item.task == task and item.id.endswith(ending))
    return {item.id: item for item in items if metric in item.metrics}


def _compare_task(name: str, one: Results, other: Results, first: dict[str, Item], second: dict[str, Item]) -> TaskComparison:
    task, its = one.tasks[name], other.tasks[name]
    if (task.recipe, task.files_sha256) != (its.recipe, its.files_sha256):
        raise ConfigError(
            f"{name}: was asked as {task.recipe} of {task.files} and as {its.recipe} of {its.files}; score both alike"
        )
    pairs = [(item, second[id_]) for id_, item in first.items() if id_ in second]
    if not pairs:
        raise ConfigError(f"{name}: the two were asked no question in common; score both on one subset")
    metric, _ = _split(task.metric)
    marks = [_by_subject([pair[place] for pair in pairs], metric) for place in (0, 1)]
    averages = [score.average(task.average, each).value for each in marks]
    return TaskComparison(
        name=name,
        metric=task.metric,
        scores=(averages[0], averages[1]),
        paired=score.compare(marks[0], marks[1], task.average),
        changes=tuple(_change(*pair, metric) for pair in pairs if _differ(*pair)),
    )


def _by_subject(items: Sequence[Item], metric: str) -> dict[str, list[float]]:
    subjects: dict[str, list[float]] = {}
    for item in items:
        subjects.setdefault(item.subject, []).append(item.metrics[metric])
    return subjects


def _differ(one: Item, other: Item) -> bool:
    return one.picked != other.picked or one.metrics != other.metrics


def _change(one: Item, other: Item, metric: str) -> Change:
    gain = other.metrics[metric] - one.metrics[metric]
    effect = "better" if gain > 0 else "worse" if gain < 0 else "as good"
    return Change(id=one.id, target=one.target, first=one.picked, second=other.picked, effect=effect)

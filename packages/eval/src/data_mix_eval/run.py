"""Tasks × model → results: ask, answer, mark, sum up."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from data_mix.errors import ConfigError, FormatError
from data_mix.home import datamix_home
from data_mix_eval import score
from data_mix_eval.answering import Answered, Answering
from data_mix_eval.benchmark_files import FoundFiles, find_files
from data_mix_eval.cache import open_answers
from data_mix_eval.drawing import Drawing
from data_mix_eval.judging import CodeJudges
from data_mix_eval.model import Model
from data_mix_eval.question import Answer, Mark, ProtocolName, Question
from data_mix_eval.ranks import Ranks
from data_mix_eval.results import Figure, Figures, Item, Results, TaskResult, make_item
from data_mix_eval.subset import Subset
from data_mix_eval.task import Recipe, Task, find_recipe, find_task

_PACKAGES: Final = ("data-mix-eval", "data-mix-builder", "torch", "transformers", "tokenizers", "vllm")

Progress = Callable[[str, int, int], None]
"""Told of a step, how much of it is done, and of how much."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A task with the questions that are asked."""

    task: Task
    recipe: Recipe
    files: FoundFiles
    subset: Subset
    questions: list[Question]
    of: int
    """How many questions the whole benchmark has."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a run is done, whatever is asked."""

    protocol: ProtocolName
    seed: int = 0
    ranks: Ranks = field(default_factory=Ranks)
    home: Path = field(default_factory=datamix_home)
    """Where answers are kept."""


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A task with what the model made of it."""

    asked: Asked
    answers: list[Answer]
    marks: list[Mark]
    times: Mapping[str, float]

    def items(self) -> list[Item]:
        """A line per question."""
        triples = zip(self.asked.questions, self.answers, self.marks, strict=True)
        return [make_item(self.asked.task.name, *triple) for triple in triples]


def ask(
    names: Sequence[str],
    protocol: ProtocolName,
    subset: Subset | None = None,
    *,
    folder: Path | None = None,
    samples: bool = False,
    drawing: Drawing | None = None,
) -> list[Asked]:
    """What is to be asked, with all files read. Raises ConfigError for a name, FormatError or FetchError for a file."""
    recipes = {name: find_recipe(find_task(name), protocol) for name in names}
    found = {name: find_files(find_task(name), folder=folder, samples=samples) for name in recipes}
    return [
        _ask(find_task(name), found[name], recipe, subset or Subset(), drawing or Drawing()) for name, recipe in recipes.items()
    ]


def _ask(task: Task, files: FoundFiles, own: Recipe, subset: Subset, drawing: Drawing) -> Asked:
    recipe, every = drawing.of(own, own.ask(task.read(files.paths)))
    questions = subset.of(every)
    if not every:
        raise FormatError(f"{files.origin}: holds no question of {task.name} that is asked; use the whole benchmark")
    if not questions:
        raise ConfigError(f"of the {len(every)} questions of {task.name} none is in the subset ({subset}); raise it")
    return Asked(task=task, recipe=recipe, files=files, subset=subset, questions=questions, of=len(every))


def describe(model: Model, asked: Sequence[Asked], setup: Setup, marked: Sequence[Marked] = ()) -> Results:
    """The results of a run, of whatever is marked; without times."""
    done = {each.asked.task.name: each for each in marked}
    return Results(
        protocol=setup.protocol,
        model={"name": model.name, "digest": model.digest, **model.describe()},
        tasks={each.task.name: sum_up(each, done.get(each.task.name)) for each in asked},
        seed=setup.seed,
        versions=package_versions(),
    )


def evaluate(model: Model, asked: Sequence[Asked], setup: Setup, progress: Progress) -> tuple[Results, list[Marked]] | None:
    """Score a model; None on other ranks than the first, once their share of the answers is on disk.

    Raises EvalError for a model that gives no numbers, SandboxError where code is to be run and nothing would hold it.
    """
    began, clock = datetime.now(UTC), time.perf_counter()
    with CodeJudges(setup.home, lambda done, total: progress("code", done, total)) as judges:
        if setup.ranks.is_first and any(each.recipe.runs_code for each in asked):
            judges.open()  # before hours of answers that nobody could judge
        answering = [_answering(model, each, setup, progress) for each in asked]
        for each in answering:
            each.compute()
        if not setup.ranks.is_first:
            return None
        marked = [_mark(each, answers.join(), judges) for each, answers in zip(asked, answering, strict=True)]
    times: dict[str, Any] = {"began": began.isoformat(timespec="seconds"), "seconds": round(time.perf_counter() - clock, 3)}
    of_tasks = {each.asked.task.name: dict(each.times) for each in marked}
    return replace(describe(model, asked, setup, marked), times=times | {"tasks": of_tasks}), marked


def _answering(model: Model, asked: Asked, setup: Setup, progress: Progress) -> Answering:
    return Answering(
        model=model,
        recipe=asked.recipe.name,
        questions=asked.questions,
        seed=setup.seed,
        cache=open_answers(setup.home, model.digest, asked.recipe.name, setup.ranks.rank),
        ranks=setup.ranks,
        progress=lambda done, total: progress(asked.task.name, done, total),
    )


def _mark(asked: Asked, answered: Answered, judges: CodeJudges) -> Marked:
    clock = time.perf_counter()
    marks = asked.recipe.judge(asked.questions, answered.answers, judges)
    times = {"answering": round(answered.seconds, 3), "marking": round(time.perf_counter() - clock, 3)}
    return Marked(asked=asked, answers=answered.answers, marks=marks, times=times)


def sum_up(asked: Asked, marked: Marked | None) -> TaskResult:
    """The scores of a task; without marks, what is known of it beforehand."""
    recipe = asked.recipe
    values = _values(marked) if marked else {}
    return TaskResult(
        title=asked.task.title,
        recipe=recipe.name,
        metric=recipe.metric,
        average=recipe.average,
        files=asked.files.origin,
        files_sha256=asked.files.sha256,
        subset=str(asked.subset),
        n=len(asked.questions),
        of=asked.of,
        scores={metric: Figure.of(score.average(recipe.average, subjects)) for metric, subjects in values.items()},
        groups=_groups(values, recipe.groups),
        subjects=_groups(values, {question.subject: question.subject for question in asked.questions}),
        **_counts(marked),
    )


def _values(marked: Marked) -> dict[str, dict[str, list[float]]]:
    """The marks by metric and subject."""
    values: dict[str, dict[str, list[float]]] = {}
    for question, mark in zip(marked.asked.questions, marked.marks, strict=True):
        for metric, value in mark.metrics.items():
            values.setdefault(metric, {}).setdefault(question.subject, []).append(value)
    return values


def _groups(values: Mapping[str, Mapping[str, Sequence[float]]], groups: Mapping[str, str]) -> dict[str, Figures]:
    found: dict[str, Figures] = {}
    for metric, subjects in values.items():
        for group, figure in score.by_group(subjects, groups).items():
            found.setdefault(group, {})[metric] = Figure.of(figure)
    return found


def _counts(marked: Marked | None) -> dict[str, int]:
    answers, marks = (marked.answers, marked.marks) if marked else ([], [])
    return {
        "prompt_tokens": sum(answer.prompt_tokens for answer in answers),
        "generated_tokens": sum(answer.generated_tokens for answer in answers),
        "left_out_items": sum(answer.left_out > 0 for answer in answers),
        "left_out_tokens": sum(answer.left_out for answer in answers),
        "suspicious": sum(mark.is_suspicious for mark in marks),
    }


def package_versions() -> dict[str, str]:
    """The versions of what scores depend on."""
    return {"python": platform.python_version()} | {name: found for name in _PACKAGES if (found := _version(name))}


def _version(name: str) -> Any:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

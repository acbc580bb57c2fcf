"""What a task is, and how one is found by its name.

A task is a benchmark as it can be asked: its files, a reader of them, and for each protocol a recipe, which turns records into
questions and marks the answers. A module of `data_mix_eval.tasks` holds the tasks of one benchmark as `TASKS`; the folder is
the registry. Others join by an entry point of the group `data_mix_eval.tasks` that loads a task.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from data_mix.errors import ConfigError
from data_mix_eval.question import Answer, Mark, ProtocolName, Question

PLUGINS: Final = "data_mix_eval.tasks"

Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""The records of a benchmark by subject, in the order of its files; each has `split` where a subject has several."""


class Judges(Protocol):
    """What a recipe may need to mark answers beside the answers themselves."""

    def run_code(self, programs: Sequence[Any]) -> Sequence[Any]:
        """Verdicts of `sandbox.Program`s, in their order; the sandbox is opened at the first call."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a benchmark is asked and judged under one protocol."""

    name: str
    """Names the protocol whole, with the version of what it follows: `mmlu/lm-eval-0.4.13`. Changes when a prompt does."""
    metric: str
    """The metric that stands in tables."""
    average: Literal["micro", "macro"]
    """The mean over all items, or over the means of the subjects."""
    ask: Callable[[Records], list[Question]]
    judge: Callable[[Sequence[Question], Sequence[Answer], Judges], list[Mark]]
    groups: Mapping[str, str] = field(default_factory=dict)
    """Subject → the group under which it is also summed up."""

    @property
    def runs_code(self) -> bool:
        """Whether `judge` runs code of the model, as pass@k says; without a sandbox such a run ends at once."""
        return self.metric.startswith("pass@")


@dataclass(frozen=True, kw_only=True)
class BenchmarkFiles:
    """Where a benchmark is: a repository, pinned, or a local folder in one of the layouts that `read` knows."""

    repo: str
    """`OWNER/NAME` on the hub; where `pinned` is set, elsewhere."""
    revision: str
    """The commit."""
    patterns: tuple[str, ...] = ()
    """Paths in the repository on the hub, globs allowed."""
    pinned: Mapping[str, str] = field(default_factory=dict)
    """The files where the repository is not on the hub: URL → the SHA-256 that it must have."""
    layouts: tuple[tuple[str, ...], ...]
    """Globs below a local folder. A layout is the folder's where its first glob names a file; then all that it names count."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A benchmark as it can be asked."""

    name: str
    """`mmlu`, `bbh`, `bbh_direct`, `humaneval`."""
    title: str
    licence: str
    homepage: str
    files: BenchmarkFiles
    read: Callable[[Sequence[Path]], Records]
    """Records of the benchmark's files. Raises FormatError for a missing column or a wrong answer, with file and line."""
    recipes: Mapping[ProtocolName, Recipe]


def one_by_one(
    mark: Callable[[Question, Answer], Mark],
) -> Callable[[Sequence[Question], Sequence[Answer], Judges], list[Mark]]:
    """The judge of a recipe that marks each answer by itself."""
    return lambda questions, answers, _judges: [mark(each, its) for each, its in zip(questions, answers, strict=True)]


@cache
def tasks() -> Mapping[str, Task]:
    """Every task by its name."""
    package = importlib.import_module("data_mix_eval.tasks")
    modules = [importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]
    own = [task for module in modules for task in getattr(module, "TASKS", ())]
    return {task.name: task for task in (*own, *(point.load() for point in entry_points(group=PLUGINS)))}


def find_task(name: str) -> Task:
    """The task of this name; ConfigError for an unknown one."""
    if name not in tasks():
        raise ConfigError(
            f"task {name!r} is not known, wanted one of {', '.join(tasks())}; --engine lm-eval runs its own tasks"
        )
    return tasks()[name]


def find_recipe(task: Task, protocol: ProtocolName) -> Recipe:
    """How the task is asked under the protocol; ConfigError where it is not."""
    if protocol not in task.recipes:
        raise ConfigError(f"task {task.name!r} has no protocol {protocol!r}, only {', '.join(task.recipes)}; name another")
    return task.recipes[protocol]

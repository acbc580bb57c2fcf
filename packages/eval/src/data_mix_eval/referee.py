"""lm-evaluation-harness as it is, on a checkpoint of ours: the referee of our own scores, and the way to its other tasks.

    results   {"hellaswag": {"acc": {"value": 0.31, "stderr": 0.005}, "acc_norm": {…}}}

Its tasks read their own data, from the hub or as a file of `include_path` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_mix.errors import ConfigError, EvalError

if TYPE_CHECKING:
    from data_mix_eval.models.opening import Options

Scores = Mapping[str, Mapping[str, Mapping[str, float | None]]]
"""Of each task (or group of tasks) each metric's `value` and `stderr`; a metric of another filter is named `metric,filter`."""

_FILTER: Final = "none"
"""What lm-eval calls having none."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What lm-eval found."""

    version: str
    results: Scores
    groups: Scores
    samples: Mapping[str, Sequence[Mapping[str, Any]]]
    """Of each task what was asked and answered, item by item, as lm-eval logs it."""
    task_versions: Mapping[str, Any]
    shots: Mapping[str, int]
    of: Mapping[str, int]
    """How many questions each task has."""
    items: Mapping[str, int]
    """Of each task how many were asked."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What lm-eval is asked."""

    tasks: Sequence[str]
    """By its names, `*` allowed."""
    shots: int | None = None
    """By default what each task says, which is none of `mmlu`."""
    limit: int | None = None
    """Items of each task."""
    include_path: Path | None = None
    """A folder of more tasks, as YAML files."""
    is_chat: bool = False
    """Whether the checkpoint's chat template is applied."""
    options: Options = field(default_factory=dict)  # type: ignore[assignment]  # every key has a default
    """How the checkpoint is opened; the batch size is 8 by default, the seed lm-eval's own."""


def ask_lm_eval(checkpoint: str, terms: Terms) -> Ruling:
    """Let lm-eval score a checkpoint.

    Raises EvalError where it is not installed or a task cannot be run, ConfigError for a task that it does not know.
    """
    harness, tasks = _harness()
    manager = tasks.TaskManager(include_path=str(terms.include_path) if terms.include_path else None)
    names = _known(manager, terms.tasks)
    options = terms.options
    try:
        found = harness.simple_evaluate(
            model="hf",
            model_args=_model_args(checkpoint, options),
            tasks=names,
            num_fewshot=terms.shots,
            batch_size=options.get("batch_size", 8),
            device=options.get("device") or _default_device(),
            limit=terms.limit,
            apply_chat_template=terms.is_chat,
            task_manager=manager,
        )
    except (OSError, ValueError) as error:
        line = " ".join(str(error).split("\n", maxsplit=1)[0].split()).rstrip(".")
        raise EvalError(
            f"lm-eval cannot run {', '.join(names)} on {checkpoint} ({line}); check the task's data and the model"
        ) from error
    return _ruling(found)


def _harness() -> tuple[Any, Any]:
    try:
        return import_module("lm_eval"), import_module("lm_eval.tasks")
    except ImportError as error:
        raise EvalError("lm-eval is not installed; run `pip install 'data-mix-eval[lm-eval]'`, or use --engine hf") from error


def _default_device() -> str:
    return "cuda" if import_module("torch").cuda.is_available() else "cpu"


def _known(manager: Any, tasks: Sequence[str]) -> list[str]:
    for task in tasks:
        if not manager.match_tasks([task]):
            raise ConfigError(f"lm-eval knows no task {task!r}; `lm-eval ls tasks` lists them, --include-path adds yours")
    names: list[str] = manager.match_tasks(list(tasks))
    return names


def _model_args(checkpoint: str, options: Options) -> dict[str, Any]:
    path = Path(checkpoint).expanduser()
    given = {"pretrained": str(path) if path.exists() else checkpoint, "dtype": options.get("dtype") or "auto"}
    length = options.get("max_length")
    return given | ({"max_length": length} if length else {}) | {"softmax_dtype": "float32"}


def _ruling(found: Mapping[str, Any]) -> Ruling:
    return Ruling(
        version=version("lm_eval"),
        results={task: _metrics(metrics) for task, metrics in found["results"].items()},
        groups={group: _metrics(metrics) for group, metrics in found.get("groups", {}).items()},
        samples=found["samples"],
        task_versions=found["versions"],
        shots=found["n-shot"],
        of={task: counts["original"] for task, counts in found["n-samples"].items()},
        items={task: counts["effective"] for task, counts in found["n-samples"].items()},
    )


def _metrics(found: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """lm-eval's `acc,none` and `acc_stderr,none`, side by side."""
    metrics: dict[str, dict[str, float | None]] = {}
    for key, value in found.items():
        name, _, filtered = key.partition(",")
        if filtered and not name.endswith("_stderr"):
            error = found.get(f"{name}_stderr,{filtered}")
            metrics[name if filtered == _FILTER else key] = {"value": _number(value), "stderr": _number(error)}
    return metrics


def _number(value: object) -> float | None:
    """lm-eval writes N/A where there is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

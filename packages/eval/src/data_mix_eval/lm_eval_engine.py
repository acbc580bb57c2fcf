"""`--engine lm-eval`: what lm-evaluation-harness found on a checkpoint, as our results.

Its tasks, prompts and data are its own, and so the protocol is called `lm-eval`: it stands in no table with ours.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_mix.errors import ConfigError
from data_mix_eval.config import EvalSettings
from data_mix_eval.models.opening import Options
from data_mix_eval.referee import Ruling, Terms, ask_lm_eval
from data_mix_eval.results import Figure, Figures, Item, Results, TaskResult
from data_mix_eval.run import package_versions

PROTOCOL: Final = "lm-eval"
_FILES: Final = "lm-eval's own data"


def score_by_lm_eval(checkpoint: str, settings: EvalSettings, options: Options, digest: str) -> tuple[Results, list[Item]]:
    """Let lm-eval score a checkpoint of this digest.

    Raises ConfigError for a task that it does not know, EvalError where it cannot run one.
    """
    began, clock = datetime.now(UTC), time.perf_counter()
    path = settings.eval_benchmark_path
    terms = Terms(
        tasks=settings.eval_tasks,
        limit=settings.eval_limit,
        include_path=None if path is None else Path(path).expanduser(),
        is_chat=settings.eval_protocol == "chat",
        options=options,
    )
    ruling = ask_lm_eval(checkpoint, terms)
    results = Results(
        protocol=PROTOCOL,
        model={"name": checkpoint, "digest": digest, "engine": f"lm-eval {ruling.version}", **options},
        tasks=dict(_tasks(ruling, settings)),
        seed=settings.eval_seed,
        versions=package_versions() | {"lm_eval": ruling.version},
        times={"began": began.isoformat(timespec="seconds"), "seconds": round(time.perf_counter() - clock, 3)},
    )
    return results, list(_items(ruling))


def check_settings(settings: EvalSettings) -> None:
    """Refuse with ConfigError what lm-eval has nothing like."""
    if not settings.eval_tasks:
        raise ConfigError("engine lm-eval: found no task, wanted --task with names of lm-eval's, e.g. --task hellaswag")
    if settings.eval_subset is not None:
        raise ConfigError("engine lm-eval: it draws no share by hash; use --limit, the first questions of each task")
    if settings.eval_protocol == "card":
        raise ConfigError("engine lm-eval: it has no protocol card; use --engine hf, or protocol standard or chat")


def _tasks(ruling: Ruling, settings: EvalSettings) -> Iterator[tuple[str, TaskResult]]:
    limit, chat = settings.eval_limit, ", chat template" if settings.eval_protocol == "chat" else ""
    for name, metrics in {**ruling.groups, **ruling.results}.items():
        count, of = _count(ruling.items, name), _count(ruling.of, name)
        scores = _figures(metrics, count)
        if scores:
            shots = ruling.shots.get(name)
            yield (
                name,
                TaskResult(
                    title=name,
                    recipe=f"{name}/lm-eval-{ruling.version}-v{ruling.task_versions.get(name)}, {shots} shots{chat}",
                    metric=next(iter(scores)),
                    average="micro",
                    files=_FILES,
                    files_sha256=_digest(ruling, name),
                    subset="all" if limit is None else f"the first {limit} of each task",
                    n=count,
                    of=of,
                    scores=scores,
                    prompt_tokens=0,
                    generated_tokens=0,
                    left_out_items=0,
                    left_out_tokens=0,
                    suspicious=0,
                ),
            )


def _count(questions: Mapping[str, int], name: str) -> int:
    """Of a task, or of a group all that is in it, whose names begin with its own."""
    return questions.get(name) or sum(count for task, count in questions.items() if task.startswith(f"{name}_"))


def _figures(metrics: Mapping[str, Mapping[str, float | None]], count: int) -> Figures:
    values = {metric: found["value"] for metric, found in metrics.items()}
    return {
        metric: Figure(score=value, standard_error=metrics[metric].get("stderr"), n=count)
        for metric, value in values.items()
        if value is not None
    }


def _digest(ruling: Ruling, name: str) -> str:
    """Of the documents that were asked, as lm-eval digests them."""
    documents = [sample["doc_hash"] for sample in ruling.samples.get(name, ())]
    return hashlib.sha256("".join(documents).encode()).hexdigest()


def _items(ruling: Ruling) -> Iterator[Item]:
    for task, samples in ruling.samples.items():
        for sample in samples:
            logprobs, completions = _responses(sample["filtered_resps"])
            yield Item(
                task=task,
                id=f"{task}/{sample['doc_id']}/{sample['filter']}",
                subject=task,
                prompt_sha256=sample["prompt_hash"],
                target=str(sample["target"]),
                picked=str(int(np.argmax(logprobs))) if logprobs else next(iter(completions), ""),
                margin=_margin(logprobs),
                metrics={name: float(sample[name]) for name in sample["metrics"] if _is_number(sample[name])},
                logprobs=logprobs,
                completions=completions,
                prompt_tokens=0,
            )


def _responses(filtered: Sequence[Any]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The log-probabilities of choices, or the texts that were written."""
    if filtered and isinstance(filtered[0], tuple | list) and len(filtered[0]) == 2 and _is_number(filtered[0][0]):
        return tuple(float(each[0]) for each in filtered), ()
    return (), tuple(map(str, filtered))


def _margin(logprobs: Sequence[float]) -> float | None:
    if len(logprobs) < 2:
        return None
    second, first = sorted(logprobs)[-2:]
    return first - second


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number)

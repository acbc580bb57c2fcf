"""The front matter of a model card: what the Hub reads of it.

https://github.com/huggingface/hub-docs/blob/main/modelcard.md says what it may hold; huggingface_hub writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data_mix_eval.results import OWN_SAMPLES, Results, TaskResult

_PINNED: Final = re.compile(r"([^/]+/[^/@]+)@([0-9a-f]+)")
_METRICS: Final = {"acc": "accuracy", "exact_match": "exact_match"}
"""Our names of metrics → the Hub's; pass@k is the same in both."""


def front_matter(
    name: str, base_model: str, training: Mapping[str, Any], results: Sequence[Results], licence: str | None
) -> str:
    """The front matter, between its rules."""
    from huggingface_hub import EvalResult, ModelCardData  # noqa: PLC0415  slow to import, and for this alone

    scores = [EvalResult(**score) for score in _scores(results)]
    card = ModelCardData(
        base_model=base_model if base_model and not Path(base_model).exists() else None,
        language=_languages(training) or None,
        library_name="transformers",
        license=licence.lower() if licence else "other",
        pipeline_tag="text-generation",
        tags=["conversational", *(["sft"] if training else [])],
        model_name=name if scores else None,
        eval_results=scores or None,
    )
    return f"---\n{card.to_yaml().strip()}\n---"


def _scores(results: Sequence[Results]) -> Iterator[dict[str, Any]]:
    """Every score but those on our own samples."""
    for each in results:
        for task in each.tasks.values():
            if task.files != OWN_SAMPLES:
                yield from (_score(each, task, metric) for metric in task.scores)


def _score(results: Results, task: TaskResult, metric: str) -> dict[str, Any]:
    """A score as the Hub has it, which gathers those of equal dataset and configuration: the recipe keeps them apart."""
    figure = task.scores[metric]
    dataset, revision = _dataset(task.files)
    return {
        "task_type": "text-generation",
        "dataset_type": dataset,
        "dataset_config": f"{task.recipe}, {task.subset}",
        "dataset_revision": revision,
        "dataset_name": f"{task.title} ({task.recipe})",
        "metric_type": _METRICS.get(metric, metric),
        "metric_name": f"{metric}, protocol {results.protocol}, {figure.n} questions",
        "metric_value": round(figure.score, 6),
        "verified": False,
    }


def _dataset(files: str) -> tuple[str, str | None]:
    """Where a benchmark's files are from, and the commit; of a folder its name, since its place is this machine's."""
    pinned = _PINNED.fullmatch(files)
    return (pinned[1], pinned[2]) if pinned else (Path(files).name, None)


def _languages(training: Mapping[str, Any]) -> list[str]:
    """The base tags of the languages of the mix, sorted."""
    tags = (tag for facts in training.get("sources", {}).values() for tag in facts.get("languages") or ())
    return sorted({tag.split("-")[0] for tag in tags} - {"und"})

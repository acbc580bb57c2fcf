"""Results in the files that lm-evaluation-harness writes, for programs that read those.

    FOLDER/<model>/results_<time>.json           scores by task and group, as `lm_eval --output_path`
                   samples_<task>_<time>.jsonl   a line per question, as `--log_samples`

Every subject is a task (`mmlu_anatomy`), every benchmark of several a group. lm-eval also logs whether each choice is what the
model would write; that is not computed here and stands as `None`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_mix.files import write_bytes
from data_mix_eval.question import Answer, Mark, Question, TextPrompt
from data_mix_eval.results import Figure, Figures, Results, TaskResult
from data_mix_eval.run import Marked

FILTER: Final = "none"
_UNSAFE: Final = re.compile(r"[\"<>:/|\\?*\[\]]+")
"""What lm-eval replaces in the names of models."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One subject, which lm-eval calls a task."""

    name: str
    result: TaskResult
    figures: Figures
    group: str | None
    triples: Sequence[tuple[Question, Answer, Mark]]


def export(folder: Path, results: Results, marked: Sequence[Marked]) -> Path:
    """Write the files, and return the folder that they are in. OutputError where they cannot be written."""
    place = folder / _UNSAFE.sub("__", str(results.model["name"]))
    stamp = str(results.times["began"]).partition("+")[0].replace(":", "-")
    parts = [part for each in marked for part in _parts(results.tasks[each.asked.task.name], each)]
    hashes = {}
    for part in parts:
        lines = [_sample(number, triple) for number, triple in enumerate(part.triples)]
        hashes[part.name] = _sha256("".join(line["doc_hash"] + line["prompt_hash"] + line["target_hash"] for line in lines))
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        write_bytes(place / f"samples_{part.name}_{stamp}.jsonl", text.encode(errors="replace"))
    table = _table(results, parts) | _about(results) | {"task_hashes": hashes}
    write_bytes(place / f"results_{stamp}.json", json.dumps(table, ensure_ascii=False, indent=2).encode())
    return place


def _parts(result: TaskResult, marked: Marked) -> Iterator[_Part]:
    task, subjects = marked.asked.task.name, dict[str, list[tuple[Question, Answer, Mark]]]()
    for triple in zip(marked.asked.questions, marked.answers, marked.marks, strict=True):
        subjects.setdefault(triple[0].subject, []).append(triple)
    for subject, triples in subjects.items():
        group = marked.asked.recipe.groups.get(subject)
        yield _Part(
            name=_name(task, subject),
            result=result,
            figures=result.subjects[subject],
            group=None if group is None else f"{task}_{_plain(group)}",
            triples=triples,
        )


def _name(task: str, subject: str) -> str:
    return task if subject == task else f"{task}_{_plain(subject)}"


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _table(results: Results, parts: Sequence[_Part]) -> dict[str, Any]:
    """The scores, as lm-eval arranges them."""
    groups = _groups(results, parts)
    aggregated = {name: _scores(name, figures) for name, (figures, _) in groups.items()}
    every = {part.name: part.result for part in parts} | {name: _task_of(results, name) for name in groups}
    return {
        "results": aggregated | {part.name: _scores(part.name, part.figures) for part in parts},
        **({"groups": aggregated} if aggregated else {}),
        "group_subtasks": {name: inside for name, (_, inside) in groups.items()},
        "versions": {name: task.recipe for name, task in every.items()},
        "higher_is_better": {name: dict.fromkeys(task.scores, True) for name, task in every.items()},
        **_asked(parts),
    }


def _asked(parts: Sequence[_Part]) -> dict[str, Any]:
    """What was asked of each task."""
    return {
        "configs": {part.name: {"task": part.name, "metadata": {"version": part.result.recipe}} for part in parts},
        "n-shot": {part.name: len(part.triples[0][0].prompt.shots) for part in parts},
        "n-samples": {part.name: {"original": len(part.triples), "effective": len(part.triples)} for part in parts},
    }


def _groups(results: Results, parts: Sequence[_Part]) -> dict[str, tuple[Figures, list[str]]]:
    """Benchmarks of several subjects and their groups: scores, and the names of what is in them."""
    found: dict[str, tuple[Figures, list[str]]] = {}
    for name, task in results.tasks.items():
        own = [part for part in parts if part.result is task]
        if [part.name for part in own] != [name]:
            inside = dict.fromkeys(part.group or part.name for part in own)
            found[name] = task.scores, list(inside)
        for group, figures in task.groups.items():
            full = f"{name}_{_plain(group)}"
            found[full] = figures, [part.name for part in own if part.group == full]
    return found


def _task_of(results: Results, group: str) -> TaskResult:
    """The benchmark to which a group belongs: the longest name that it begins with."""
    return results.tasks[max((name for name in results.tasks if group.startswith(name)), key=len)]


def _scores(name: str, figures: Figures) -> dict[str, Any]:
    values = {key: value for metric, figure in figures.items() for key, value in _pair(metric, figure)}
    return {"name": name, "alias": name, "sample_len": next(iter(figures.values())).n, **values}


def _pair(metric: str, figure: Figure) -> list[tuple[str, float | str]]:
    error = "N/A" if figure.standard_error is None else figure.standard_error
    return [(f"{metric},{FILTER}", figure.score), (f"{metric}_stderr,{FILTER}", error)]


def _about(results: Results) -> dict[str, Any]:
    """What lm-eval says of model and run."""
    model = results.model
    return {
        "config": {
            "model": model.get("engine"),
            "model_args": {"pretrained": model["name"]},
            "model_num_parameters": model.get("parameters"),
            "model_dtype": model.get("dtype"),
            "model_sha": model["digest"],
            "batch_size": str(model.get("batch_size")),
            "device": model.get("device"),
            "random_seed": results.seed,
            "numpy_seed": results.seed,
            "torch_seed": results.seed,
            "fewshot_seed": results.seed,
        },
        "date": results.times["began"],
        "transformers_version": results.versions.get("transformers"),
        "lm_eval_version": f"data-mix-eval {results.versions.get('data-mix-eval')}",
        "max_length": model.get("context"),
        "model_source": model.get("engine"),
        "model_name": model["name"],
        "model_name_sanitized": _UNSAFE.sub("__", str(model["name"])),
        "total_evaluation_time_seconds": str(results.times["seconds"]),
    }


def _sample(number: int, triple: tuple[Question, Answer, Mark]) -> dict[str, Any]:
    question, answer, mark = triple
    prompt = (
        question.prompt.text if isinstance(question.prompt, TextPrompt) else json.dumps(vars(question.prompt), sort_keys=True)
    )
    responses, filtered = _responses(answer, mark)
    return {
        "doc_id": number,
        "doc": {"id": question.id, **question.record},
        "target": question.target,
        "arguments": _arguments(question, prompt),
        "resps": responses,
        "filtered_resps": filtered,
        "filter": FILTER,
        "metrics": list(mark.metrics),
        "doc_hash": _sha256(json.dumps(dict(question.record), indent=2, ensure_ascii=False, default=str)),
        "prompt_hash": _sha256(prompt),
        "target_hash": _sha256(question.target),
        **mark.metrics,
    }


def _responses(answer: Answer, mark: Mark) -> tuple[list[Any], list[Any]]:
    """What was said, and what was read out of it: of choices their log-probabilities."""
    if answer.completions:
        return [list(answer.completions)], [mark.picked]
    return [[[str(each), "None"]] for each in answer.logprobs], [[str(each), "None"] for each in answer.logprobs]


def _arguments(question: Question, prompt: str) -> Mapping[str, Any]:
    if question.sampling is None:
        return {f"gen_args_{place}": {"arg_0": prompt, "arg_1": each} for place, each in enumerate(question.choices)}
    sampling = question.sampling
    given = {
        "until": list(sampling.stops),
        "max_gen_toks": sampling.max_tokens,
        "do_sample": sampling.temperature > 0,
        "temperature": sampling.temperature,
    }
    return {"gen_args_0": {"arg_0": prompt, "arg_1": given}}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()

"""What `bench_eval.py` measures of datamix: a benchmark's files and a loaded model → an answer to every item."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_mix_eval.models.opening import open_hf
from data_mix_eval.question import Answer, Question
from data_mix_eval.task import Records, find_recipe, find_task

TASKS = {"mmlu": "mmlu", "bbh": "bbh_direct"}


def prepare(options: Namespace, benchmark: str, _folder: Path, max_tokens: int) -> Callable[[], dict[str, Any]]:
    """What is measured, once the model and the records are loaded."""
    model = open_hf(str(options.model), dtype="float32", batch_size=options.batch)
    records = read(options.files, benchmark, options.subjects, options.limit)
    return lambda: run(model, records, max_tokens)


def read(files: Path, benchmark: str, subjects: Sequence[str], limit: int | None) -> tuple[str, Records]:
    """The records of the subjects."""
    task = find_task(TASKS[benchmark])
    folders = [files / "mmlu"] if benchmark == "mmlu" else [files / "bbh", files / "bbh-cot-prompts"]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.*")) if _subject(path, benchmark) in subjects]
    records = task.read(paths)
    return task.name, {subject: _limited(records[subject], limit) for subject in subjects}


def _subject(path: Path, benchmark: str) -> str:
    return path.stem.rpartition("_")[0] if benchmark == "mmlu" else path.stem


def _limited(records: Any, limit: int | None) -> Any:
    """Records with the first `limit` of those that are asked."""
    asked = [record for record in records if record.get("split", "test") == "test"]
    return [record for record in records if record not in asked] + asked[:limit]


def run(model: Any, read_: tuple[str, Records], max_tokens: int) -> dict[str, Any]:
    """Ask all; of each item what was picked or written, and the log-probabilities."""
    name, records = read_
    questions = [_shortened(each, max_tokens) for each in find_recipe(find_task(name), "standard").ask(records)]
    answers: dict[int, Answer] = {}
    for batch in model.batches(questions):
        asked = [questions[place] for place in batch]
        found = model.generate(asked) if asked[0].sampling else model.loglikelihood(asked)
        answers |= dict(zip(batch, found, strict=True))
    items = {question.id: _item(answers[place]) for place, question in enumerate(questions)}
    return {"items": items, "tokens": sum(each.generated_tokens for each in answers.values())}


def _shortened(question: Question, max_tokens: int) -> Question:
    return replace(question, sampling=replace(question.sampling, max_tokens=max_tokens)) if question.sampling else question


def _item(answer: Answer) -> Any:
    return answer.completions[0] if answer.completions else answer.logprobs

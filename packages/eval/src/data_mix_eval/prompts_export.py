"""Every question of the benchmarks as JSON Lines, so that they can be kept out of training data.

    {"benchmark": "mmlu", "subject": "anatomy", "id": "anatomy/0", "prompt": "…", "answer": "A"}

The prompt is the question as it is asked under `standard`, without the shots before it. All questions are written, whatever
part of them a run would ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from data_mix.files import writing
from data_mix_eval.benchmark_files import find_files
from data_mix_eval.config import EvalSettings
from data_mix_eval.question import Question
from data_mix_eval.task import Task, find_recipe, find_task, tasks


def export_prompts(file: Path, settings: EvalSettings, *, samples: bool = False) -> int:
    """Write the questions of the tasks that the settings name, of all where they name none; return how many they are.

    Raises ConfigError for an unknown task, FormatError or FetchError for its files, OutputError where `file` cannot be written.
    """
    folder = None if settings.eval_benchmark_path is None else Path(settings.eval_benchmark_path)
    count = 0
    with writing(file) as opened:
        for task in _distinct([find_task(name) for name in settings.eval_tasks or tasks()]):
            for question in _questions(task, folder, samples=samples):
                opened.write(_line(task, question))
                count += 1
    return count


def _distinct(chosen: list[Task]) -> list[Task]:
    """The first task of each benchmark: two tasks over the same files ask the same questions."""
    return list({(task.files.repo, task.files.revision): task for task in reversed(chosen)}.values())[::-1]


def _questions(task: Task, folder: Path | None, *, samples: bool) -> Iterator[Question]:
    files = find_files(task, folder=folder, samples=samples)
    protocol = "standard" if "standard" in task.recipes else next(iter(task.recipes))
    yield from find_recipe(task, protocol).ask(task.read(files.paths))


def _line(task: Task, question: Question) -> bytes:
    fields = {
        "benchmark": task.name,
        "subject": question.subject,
        "id": question.id,
        "prompt": question.prompt.question,
        "answer": question.target or question.record.get("canonical_solution", ""),
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"

"""What `bench_eval.py` measures of lm-evaluation-harness: its own tasks on the same local files, its HF back end."""

from __future__ import annotations

import csv
import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

TASKS = Path(lm_eval.__file__).parent / "tasks"


def prepare(options: Namespace, benchmark: str, folder: Path, max_tokens: int) -> Callable[[], dict[str, Any]]:
    """What is measured, once the model, the tasks and their records are loaded; the cache of logits is on, as by default."""
    model = HFLM(pretrained=str(options.model), dtype="float32", batch_size=options.peer_batch, device="cpu", logits_cache=True)
    tasks = read(options.files, benchmark, options.subjects, folder, max_tokens)
    return lambda: run(model, tasks, options.limit)


def read(files: Path, benchmark: str, subjects: Sequence[str], folder: Path, max_tokens: int) -> dict[str, Any]:
    """Its tasks, with their index and their records."""
    for subject in subjects:
        (_mmlu if benchmark == "mmlu" else _bbh)(files, subject, folder, max_tokens)
    names = [f"local_{subject}" for subject in subjects]
    loaded: dict[str, Any] = TaskManager(include_path=str(folder), include_defaults=False).load(names)["tasks"]
    return loaded


def _mmlu(files: Path, subject: str, folder: Path, _max_tokens: int) -> None:
    for split in ("test", "dev"):
        with (files / "mmlu" / split / f"{subject}_{split}.csv").open(encoding="utf8", newline="") as file:
            _write(folder / f"{subject}.{split}", _mmlu_records(csv.reader(file)))
    _task(TASKS / "mmlu/default" / f"mmlu_{subject}.yaml", subject, folder, ("test", "dev"), "num_fewshot: 5\n")


def _mmlu_records(rows: Any) -> Iterator[dict[str, Any]]:
    for question, *choices, letter in rows:
        yield {"question": question, "choices": choices, "answer": "ABCD".index(letter)}


def _bbh(files: Path, subject: str, folder: Path, max_tokens: int) -> None:
    examples = json.loads((files / "bbh" / f"{subject}.json").read_text(encoding="utf8"))["examples"]
    _write(folder / f"{subject}.test", examples)
    stops = json.dumps(["</s>", "Q", "\n\n"])
    sampling = f"{{until: {stops}, do_sample: false, temperature: 0.0, max_gen_toks: {max_tokens}}}"
    _task(TASKS / "bbh/fewshot" / f"{subject}.yaml", subject, folder, ("test",), f"generation_kwargs: {sampling}\n")


def _write(path: Path, records: Any) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")


def _task(original: Path, subject: str, folder: Path, splits: Sequence[str], more: str) -> None:
    """Its own task, but for where the records are."""
    data = json.dumps({split: str(folder / f"{subject}.{split}") for split in splits})
    source = f"dataset_path: json\ndataset_name: null\ndataset_kwargs: {{data_files: {data}}}\n"
    text = f"include: {original}\ntask: local_{subject}\n{source}{more}"
    (folder / f"local_{subject}.yaml").write_text(text, encoding="utf8")


def run(model: Any, tasks: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """Ask all; of each item the log-probabilities, or what was written."""
    results: Any = lm_eval.evaluate(lm=model, task_dict=tasks, limit=limit, bootstrap_iters=0, log_samples=True)
    samples = {name: sorted(found, key=lambda each: each["doc_id"]) for name, found in results["samples"].items()}
    return {
        "items": {
            f"{name.removeprefix('local_')}/{place}": _item(each)
            for name, found in samples.items()
            for place, each in enumerate(found)
        }
    }


def _item(sample: dict[str, Any]) -> Any:
    found = sample["resps"]
    return found[0][0] if isinstance(found[0][0], str) else [each[0][0] for each in found]

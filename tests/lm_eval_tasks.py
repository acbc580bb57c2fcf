"""lm-eval's own tasks over local files, for comparison: made from its YAML files without its index, its hub, or the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest


class PeerTask:
    """A task of lm-eval, its records taken from us and its words from its own files."""

    def __init__(self, yaml: str, folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]], **changes: Any) -> None:
        lm_eval = pytest.importorskip("lm_eval", reason="needs lm-eval, the extra lm-eval of data-mix-eval")
        from lm_eval.api.task import ConfigurableTask
        from lm_eval.tasks._yaml_loader import load_yaml

        config = load_yaml(Path(lm_eval.__file__).parent / "tasks" / yaml)
        paths = {split: _write(folder / f"{split}.jsonl", records) for split, records in splits.items()}
        config |= {"dataset_path": "json", "dataset_name": None} | changes
        config["dataset_kwargs"] = {"data_files": paths, "cache_dir": str(folder / "cache")}
        self.task: Any = ConfigurableTask(config=config)

    def prompts(self, shots: int) -> list[str]:
        """What it asks of each of its test records."""
        return [self.task.fewshot_context(record, num_fewshot=shots) for record in self.task.test_docs()]

    def continuations(self, prompt: str) -> list[tuple[str, str]]:
        """What it has scored for a multiple choice record."""
        [record, *_] = self.task.test_docs()
        return [each.args for each in self.task.construct_requests(doc=record, ctx=prompt, metadata=("", 0, 1))]

    def scores(self, completions: Sequence[str]) -> list[float]:
        """Its mark for each completion of the test records, in their order, its filters applied."""
        records = list(self.task.test_docs())
        self.task.build_all_requests(limit=None, rank=0, world_size=1)
        for request, completion in zip(self.task.instances, completions, strict=True):
            request.resps.append(completion)
        self.task.apply_filters()
        [filtered] = {name for request in self.task.instances for name in request.filtered_resps}
        marks = [
            self.task.process_results(record, [request.filtered_resps[filtered]])
            for record, request in zip(records, self.task.instances, strict=True)
        ]
        return [float(mark["exact_match"]) for mark in marks]


def digest(texts: Iterable[str]) -> str:
    """One SHA-256 for texts in their order, made of the hash that lm-eval gives each in its logs."""
    hashes = "".join(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return hashlib.sha256(hashes.encode()).hexdigest()


def _write(path: Path, records: Sequence[Mapping[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return str(path)

"""`--engine lm-eval`: any of lm-eval's tasks, its figures in our files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_mix.errors import ConfigError
from data_mix_eval.config import EvalSettings
from data_mix_eval.question import TextPrompt
from data_mix_eval.ranks import Ranks
from data_mix_eval.results import prompt_sha256
from data_mix_eval.scoring import Order, score
from scored import make_checkpoint, read_results, shell

SUMS = [{"q": f"{one}+{other}=", "choices": [str(one + other), "9"], "answer": 0} for one in range(3) for other in range(3)]
YAML = """task: local_sums
dataset_path: json
dataset_kwargs:
  data_files:
    test: {path}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{q}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""


def write_task(folder: Path) -> Path:
    """A folder with a task of lm-eval's kind."""
    folder.mkdir()
    (folder / "sums.jsonl").write_text("".join(json.dumps(record) + "\n" for record in SUMS))
    (folder / "sums.yaml").write_text(YAML.format(path=folder / "sums.jsonl"))
    return folder


@pytest.mark.slow
def test_a_task_of_lm_evals_is_scored(tmp_path: Path) -> None:
    """The score, its error and each item stand in our files, under a protocol of their own, in a folder of their own."""
    pytest.importorskip("lm_eval", reason="needs the extra lm-eval")
    model, tasks = make_checkpoint(tmp_path / "model"), write_task(tmp_path / "tasks")
    words = ["eval", model, "--engine", "lm-eval", "--task", "local_sums", "--benchmark-path", tasks]
    printed = shell(tmp_path).ok(*words)
    assert printed.startswith("protocol lm-eval\n")
    out = model / "eval/lm-eval-local_sums"
    results = read_results(out)
    figure = results["tasks"]["local_sums"]["scores"]["acc"]
    items = [json.loads(line) for line in (out / "items.jsonl").read_text().splitlines()]
    assert figure["score"] == pytest.approx(np.mean([item["metrics"]["acc"] for item in items]))
    assert (figure["n"], len(items)) == (9, 9)
    assert results["tasks"]["local_sums"]["recipe"].startswith("local_sums/lm-eval-0.4.13-")
    assert items[0]["prompt_sha256"] == prompt_sha256(TextPrompt(question="0+0=", overflow="cut_left"))
    assert [item["picked"] for item in items] == [str(int(np.argmax(item["logprobs"]))) for item in items]
    assert "a subset (the first 4 of each task), 4 of 9 questions" in shell(tmp_path).ok(*words, "--limit", "4", "-o", "part")
    shell(tmp_path).ok("card", model)


@pytest.mark.parametrize(
    ("settings", "order", "said"),
    [
        ({"eval_tasks": ()}, {}, "found no task, wanted --task with names of lm-eval's"),
        ({"eval_subset": 0.5}, {}, "it draws no share by hash; use --limit"),
        ({"eval_protocol": "card"}, {}, "it has no protocol card"),
        ({}, {"samples": True}, "it takes no --samples"),
        ({}, {"base_model": "base"}, "it takes no --samples, --base-model"),
        ({}, {"ranks": Ranks(rank=0, world=2)}, "found 2 processes, wanted one"),
    ],
)
def test_what_lm_eval_has_nothing_like(tmp_path: Path, settings: dict[str, Any], order: dict[str, Any], said: str) -> None:
    """Settings that would be passed over in silence are an error before anything is loaded."""
    given = EvalSettings(**{"eval_engine": "lm-eval", "eval_tasks": ("hellaswag",)} | settings)
    with pytest.raises(ConfigError, match=said):
        score(Order(checkpoint=str(tmp_path / "none"), settings=given, **order))

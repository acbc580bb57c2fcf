"""The questions of the benchmarks as JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_mix.errors import ConfigError, FormatError, OutputError
from data_mix_eval.config import EvalSettings
from data_mix_eval.prompts_export import export_prompts


def exported(file: Path, **settings: Any) -> list[dict[str, str]]:
    """The lines of an export of our samples."""
    count = export_prompts(file, EvalSettings(**settings), samples=True)
    lines = [json.loads(line) for line in file.read_text(encoding="utf8").splitlines()]
    assert len(lines) == count
    return lines


def test_every_question_of_every_benchmark_is_there_once(tmp_path: Path) -> None:
    """One line per question, unique by benchmark and id; two tasks over the same files are written once."""
    lines = exported(tmp_path / "prompts.jsonl")
    keys = {(line["benchmark"], line["id"]) for line in lines}
    assert len(keys) == len(lines) == 48 + 36 + 6
    assert {line["benchmark"] for line in lines} == {"mmlu", "bbh", "humaneval"}
    assert all(set(line) == {"benchmark", "subject", "id", "prompt", "answer"} for line in lines)
    assert all(line["prompt"].strip() and line["answer"] for line in lines)


def test_a_prompt_is_the_question_without_shots(tmp_path: Path) -> None:
    """What stands in a line is of this question alone, so that one match means one question."""
    lines = exported(tmp_path / "prompts.jsonl", eval_tasks=("mmlu",))
    first = next(line for line in lines if line["id"] == "astronomy/0")
    assert first["prompt"].startswith("A telescope with a wider mirror is built mainly in order to\nA. ")
    assert first["prompt"].count("Answer:") == 1
    assert first["answer"] in "ABCD"


def test_a_folder_of_benchmarks_is_used(shared: Path, tmp_path: Path) -> None:
    """The real benchmarks give all their questions."""
    settings = EvalSettings(eval_benchmark_path=str(shared / "eval"))
    assert export_prompts(tmp_path / "prompts.jsonl", settings) == 14_042 + 6_511 + 164


def test_what_cannot_be_exported_leaves_no_file(tmp_path: Path) -> None:
    """An unknown task, a folder without benchmarks and a place that cannot be written are errors, and nothing is left."""
    file = tmp_path / "prompts.jsonl"
    with pytest.raises(ConfigError, match="task 'mmul' is not known"):
        export_prompts(file, EvalSettings(eval_tasks=("mmul",)), samples=True)
    with pytest.raises(FormatError, match="has no files of"):
        export_prompts(file, EvalSettings(eval_benchmark_path=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError):
        export_prompts(tmp_path / "taken" / "prompts.jsonl", EvalSettings(), samples=True)

"""What a run writes down of itself: whole lines of JSON, and none of a step that is done again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from data_mix.errors import OutputError
from data_mix_trainer.metrics import Log, metric_names, packs_file
from training import read_lines


def log_of(folder: Path, *records: dict[str, Any]) -> Log:
    """A log of these lines."""
    log = Log(folder / "metrics.jsonl")
    for record in records:
        log.write(record)
    return log


def refuse(constant: str) -> None:
    """What is no JSON, but Python reads it."""
    raise AssertionError(f"found {constant}")


def test_a_line_is_json_for_every_reader(tmp_path: Path) -> None:
    """Numbers that JSON does not know are text, and texts stay as they are, line ends and all."""
    record = {"step": 3, "loss": math.nan, "norm": -math.inf, "rate": 1e-5, "answer": "Größe\n\u2028日本\x85", "packs": [1, 2]}
    text = log_of(tmp_path, record).path.read_text(encoding="utf8")
    assert (text.count("\n"), text[-1]) == (1, "\n")
    assert json.loads(text, parse_constant=refuse) == record | {"loss": "nan", "norm": "-inf"}


def test_lines_are_added(tmp_path: Path) -> None:
    """A log that is there goes on."""
    log_of(tmp_path, {"step": 1})
    log = log_of(tmp_path, {"step": 2})
    assert read_lines(log.path) == [{"step": 1}, {"step": 2}]


def test_what_is_after_a_checkpoint_is_forgotten(tmp_path: Path) -> None:
    """Lines of later steps go, those of the checkpoint's own step stay."""
    log = log_of(tmp_path, {"step": 0}, {"step": 1}, {"step": 1, "eval_loss": 2.0}, {"step": 2}, {"step": 3})
    log.forget_after(1)
    assert read_lines(log.path) == [{"step": 0}, {"step": 1}, {"step": 1, "eval_loss": 2.0}]


@pytest.mark.parametrize("cut", [b'{"step": 1, "lo', b'{"step": 1}', b"null\n", b'{"loss": 1}\n', b"\xff\xfe\n"])
def test_a_line_that_a_kill_has_cut_is_forgotten(tmp_path: Path, cut: bytes) -> None:
    """What is no whole line with a step goes, so that the next one begins a line."""
    log = log_of(tmp_path, {"step": 1})
    with log.path.open("ab") as file:
        file.write(cut)
    log.forget_after(1)
    log.write({"step": 2})
    assert read_lines(log.path) == [{"step": 1}, {"step": 2}]


def test_forgetting_nothing_writes_nothing(tmp_path: Path) -> None:
    """A log that ends with the checkpoint is left alone, and one that is not there is not made."""
    log = log_of(tmp_path, {"step": 1})
    before = log.path.stat()
    log.forget_after(1)
    assert (log.path.stat().st_ino, log.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    Log(tmp_path / "none.jsonl").forget_after(0)
    assert not (tmp_path / "none.jsonl").exists()


def test_a_log_that_cannot_be_written_is_an_error_with_its_path(tmp_path: Path) -> None:
    """A folder in the log's place is one line, not a traceback."""
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"metrics\.jsonl"):
        log_of(tmp_path, {"step": 1})


def test_the_names_of_the_figures_are_of_all_and_of_each_source() -> None:
    """Three figures for all tokens together, then three for each source."""
    assert metric_names(["gsm8k"]) == [
        "loss",
        "perplexity",
        "token_accuracy",
        "gsm8k_loss",
        "gsm8k_perplexity",
        "gsm8k_token_accuracy",
    ]


def test_the_packs_of_many_processes_sort_by_their_rank() -> None:
    """Names are as long for the tenth process as for the first."""
    assert sorted(map(packs_file, (10, 2, 0))) == ["packs-00000.jsonl", "packs-00002.jsonl", "packs-00010.jsonl"]

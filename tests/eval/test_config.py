"""The settings of scoring, and `datamix eval --show`."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_mix.config import load
from data_mix.errors import ConfigError, DataMixError
from data_mix_eval.cli import main
from data_mix_eval.config import EvalSettings
from reference_card import paste


def test_the_keys_of_scoring_may_stand_in_a_section_of_training(tmp_path: Path) -> None:
    """Trainer and eval share sections, and each takes its own keys."""
    folder = paste(tmp_path, "mine:\n  learning_rate: 1e-4\n  eval_tasks: [mmlu, bbh]\n  eval_protocol: card")
    found = load(["mine"], {}, folder).settings(EvalSettings)
    assert found == EvalSettings(eval_tasks=("mmlu", "bbh"), eval_protocol="card")


def test_a_benchmark_that_is_not_known_is_named(tmp_path: Path) -> None:
    """A wrong benchmark is an error with file, line and those there are."""
    with pytest.raises(ConfigError, match=r"mine\.yaml:2: eval_tasks\[1\]: found \"bhb\", wanted 'mmlu', 'bbh' or 'humaneval'"):
        load(["mine"], {}, paste(tmp_path, "mine:\n  eval_tasks: [mmlu, bhb]"))


def test_show_prints_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed is shown as it would be used."""
    assert main(["--eval_tasks", "mmlu,humaneval", "--show"]) == 0
    assert capsys.readouterr().out == "eval_tasks:\n- mmlu\n- humaneval\neval_protocol: standard\n"


def test_help_names_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists every key of scoring."""
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in EvalSettings.model_fields if f"\n{name} " not in printed] == []


def test_without_show_it_says_what_is_missing() -> None:
    """Scoring is not here yet, and the command says so in place of pretending."""
    with pytest.raises(DataMixError, match="not in this version yet; --show prints"):
        main([])

"""The settings of scoring, and `datamix eval --show`."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_mix.config import load
from data_mix.errors import ConfigError
from data_mix_eval.cli import main
from data_mix_eval.config import EvalSettings
from data_mix_eval.question import PROTOCOLS
from reference_card import paste


def test_the_keys_of_scoring_may_stand_in_a_section_of_training(tmp_path: Path) -> None:
    """Trainer and eval share sections, and each takes its own keys."""
    folder = paste(tmp_path, "mine:\n  learning_rate: 1e-4\n  max_length: 64\n  eval_tasks: [mmlu, bbh]\n  eval_protocol: card")
    found = load(["mine"], {}, folder).settings(EvalSettings)
    assert found == EvalSettings(eval_tasks=("mmlu", "bbh"), eval_protocol="card")


def test_no_key_is_one_of_the_trainers() -> None:
    """Every key begins with `eval_`, and none is the trainer's, whose sections hold both."""
    from data_mix_trainer.config import TrainSettings

    assert all(name.startswith("eval_") for name in EvalSettings.model_fields)
    assert not EvalSettings.model_fields.keys() & TrainSettings.model_fields.keys()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("eval_protocol: cards", "eval_protocol: found \"cards\", wanted 'standard', 'card' or 'chat'"),
        ("eval_limit: 0", "eval_limit: found 0, wanted more than 0"),
        ("eval_subset: 1.5", "eval_subset: found 1.5, wanted at most 1"),
        ("eval_tasks: mmlu", 'eval_tasks: found "mmlu", wanted a list'),
        ("eval_task: [mmlu]", "unknown key 'eval_task'"),
    ],
)
def test_a_wrong_key_is_named_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    """A wrong value is an error with file, line and what was wanted."""
    with pytest.raises(ConfigError) as caught:
        load(["mine"], {}, paste(tmp_path, f"mine:\n  {line}"))
    assert "mine.yaml:2" in str(caught.value)
    assert said in str(caught.value)


def test_show_prints_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed, by keys or by their short names, is shown as it would be used."""
    assert main(["--eval_tasks", "mmlu,humaneval", "--limit", "3", "--show"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("eval_tasks:\n- mmlu\n- humaneval\neval_protocol: standard\n")
    assert "eval_limit: 3\n" in printed


def test_help_names_every_key_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists every key of scoring, every option and every protocol."""
    from data_mix_eval.arguments import OPTIONS

    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in EvalSettings.model_fields if f"\n{name} " not in printed] == []
    assert [name for name in OPTIONS if f"--{name}" not in printed and name != "help"] == []
    assert "|".join(PROTOCOLS) in printed

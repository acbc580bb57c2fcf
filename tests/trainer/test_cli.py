"""`datamix train` from its arguments to what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from data_mix.errors import ConfigError
from data_mix_trainer.cli import train as main
from data_mix_trainer.config import TrainSettings
from reference_card import DATASETS, MODEL, paste

REFERENCE = ["--configs", "defaults", "redpajama-3b", "datasets", "--num_train_epochs", "2", "--deepspeed"]


def test_the_reference_arguments_show_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the card pasted into `configs`, the original's arguments print what training would use, as YAML that gives it."""
    folder = paste(tmp_path, DATASETS, MODEL)
    assert main([*REFERENCE, "--local_rank=0", "--show", "--config-dir", str(folder)]) == 0
    shown = TrainSettings.model_validate_json(json.dumps(YAML(typ="safe").load(capsys.readouterr().out)))
    assert (shown.num_train_epochs, shown.max_length, shown.learning_rate, shown.dtype) == (2, 8196, 1e-5, "fp16")


def test_help_names_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists every key of training."""
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in TrainSettings.model_fields if f"\n{name} " not in printed] == []


def test_a_deepspeed_file_that_is_missing_is_found_out_at_once() -> None:
    """With --deepspeed its file must be there."""
    with pytest.raises(ConfigError, match="deepspeed_config: found no file"):
        main([*REFERENCE, "--deepspeed_config", "nope.json", "--show"])
    assert main([*REFERENCE, "--no-deepspeed", "--deepspeed_config", "nope.json", "--show"]) == 0


@pytest.mark.parametrize(("arguments", "code"), [([*REFERENCE, "--show"], 0), (["--configs", "nope"], 1)])
def test_it_is_a_command_of_datamix(tmp_path: Path, arguments: list[str], code: int) -> None:
    """`datamix train` joins when the distribution is installed; what the user can mend is one line."""
    start = "import sys; sys.argv[0] = 'datamix'; from data_mix.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", start, "train", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, len(ended.stderr.splitlines())) == (code, code)

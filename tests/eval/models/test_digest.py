"""The digest of a checkpoint is that of all that changes its answers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from data_mix.fetch import DigestStore
from data_mix_eval.models.digest import checkpoint_digest


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint of the test's own, to be changed."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


def digest(folder: Path, home: Path, **settings: str) -> str:
    """The digest with these settings."""
    return checkpoint_digest(folder, {"dtype": "float32"} | settings, DigestStore(home))


def test_same_files_elsewhere(checkpoint: Path, copied: Path, home: Path) -> None:
    """A copy has the same digest, and so has one with a log beside it."""
    (copied / "train.log").write_text("step 1")
    assert digest(copied, home) == digest(checkpoint, home)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
)
def test_every_file_counts(copied: Path, home: Path, name: str) -> None:
    """A change of weights, configuration, tokenizer or template is another digest."""
    before = digest(copied, home)
    with (copied / name).open("ab") as file:
        file.write(b" ")
    assert digest(copied, home) != before


def test_settings_count(copied: Path, home: Path) -> None:
    """So is another dtype."""
    assert digest(copied, home) != digest(copied, home, dtype="bfloat16")


def test_remembered(copied: Path, home: Path) -> None:
    """Files that did not change are not read again: bytes changed behind the back of the clock go unnoticed."""
    before = digest(copied, home)
    weights = copied / "model.safetensors"
    stat = weights.stat()
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    assert digest(copied, home / "other") != before
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digest(copied, home) == before

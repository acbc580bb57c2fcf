"""The build of the samples whose cards are tested."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from carded import with_cards
from commands import Shell
from data_mix.shards import Build


@pytest.fixture(scope="session")
def carded_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped samples, built, with their cards; to be read only."""
    folder = tmp_path_factory.mktemp("carded")
    Shell(cwd=folder, home=folder / "home").build(folder / "out", "--configs", "datasets", "--samples", "--workers", 1)
    with_cards(folder / "out")
    return folder / "out"


@pytest.fixture
def samples(carded_samples: Path, tmp_path: Path) -> Build:
    """The same in a folder of the test's own."""
    return with_cards(shutil.copytree(carded_samples, tmp_path / "samples"))

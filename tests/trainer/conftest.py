"""What tests of the trainer share."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import Place, make_place


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A build of the samples with token shards and a base model; tests write elsewhere."""
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where a run is to write."""
    return tmp_path / "out"

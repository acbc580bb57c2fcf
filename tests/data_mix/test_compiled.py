"""Compiled loops and where their machine code is kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import data_mix.packing

SCRIPT = (
    "import sys; sys.path.insert(0, sys.argv[1]); import numpy as np; import data_mix.packing.fitting as fitting\n"
    "print(fitting.best_fit(np.array([3, 2, 1]), 4)[0].tolist())\n"
    "print(sum(fitting._fit.stats.cache_hits.values()))"
)


def packed(package: Path, home: Path) -> list[str]:
    """What a new process prints that packs with a copy of the package: offsets of packs, and 1 for a loop found compiled."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))}
    command = [sys.executable, "-c", SCRIPT, str(package)]
    ended = subprocess.run(command, env=environment | {"HOME": str(home)}, capture_output=True, text=True, check=True)
    return ended.stdout.split("\n")[:-1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, without what is compiled."""
    source = Path(data_mix.packing.__file__).parents[1]
    shutil.copytree(source, tmp_path / "copy/data_mix", ignore=shutil.ignore_patterns("__pycache__", "samples"))
    return tmp_path / "copy"


def test_compilation_is_not_paid_at_each_start(package: Path, tmp_path: Path) -> None:
    """The second process finds the machine code of the first."""
    assert packed(package, tmp_path) == ["[0, 2, 3]", "0"]
    assert packed(package, tmp_path) == ["[0, 2, 3]", "1"]


def test_packing_works_where_no_cache_can_be_written(package: Path, tmp_path: Path) -> None:
    """With a file in place of every cache folder it compiles anew and packs the same."""
    (tmp_path / "home").touch()
    (package / "data_mix/packing/__pycache__").touch()
    assert packed(package, tmp_path / "home")[0] == "[0, 2, 3]"

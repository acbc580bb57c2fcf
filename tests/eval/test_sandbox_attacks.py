"""The attacks on the sandbox, in both back ends, by root and by a user who is not root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from data_mix_eval.sandbox.rootless import run_as_nobody
from eval.attacks.problems import attacks

TESTS: Final = Path(__file__).parent.parent
START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from eval.attacks import suite; suite.main(sys.argv[2])"
OWN_MOUNTS: Final = ("unshare", "--mount", "--propagation", "private")
"""What an attack that gets through would mount, the machine does not see."""

pytestmark = pytest.mark.slow


@pytest.fixture(params=["bwrap", "landlock"])
def back_end(request: pytest.FixtureRequest) -> str:
    """The name of a back end that this machine has the parts of."""
    if request.param == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("needs bubblewrap: apt-get install bubblewrap")
    return str(request.param)


@pytest.fixture
def open_copy() -> Iterator[Path]:
    """A copy of the attacks where every user can read it."""
    with_others = Path("/tmp", f"attacks-{os.getpid()}")
    shutil.copytree(TESTS / "eval" / "attacks", with_others / "eval" / "attacks")
    yield with_others
    shutil.rmtree(with_others)


def attacked(command: list[str]) -> dict[str, Any]:
    """What the attacks did."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def expect_held(found: dict[str, Any]) -> None:
    """Nothing got through, and nothing is left."""
    assert {name: wrong for name, wrong in found["wrong"].items() if wrong} == {}
    assert found["left"] == []
    assert len(found["wrong"]) > 200


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who has users that are nobody")
def test_no_attack_gets_through_where_root_asks(back_end: str) -> None:
    """Every attack fails, changes nothing, leaves no process, is over in time, and the next honest program passes."""
    if subprocess.run([*OWN_MOUNTS, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs a mount namespace of its own, or what gets through would harm this machine")
    found = attacked([*OWN_MOUNTS, sys.executable, "-c", START, str(TESTS), back_end])
    assert not found["is_rootless"]
    expect_held(found)


def test_no_attack_gets_through_where_a_user_asks(back_end: str, open_copy: Path) -> None:
    """The same holds where code runs as the user who asks."""
    if os.geteuid():
        found = attacked([sys.executable, "-c", START, str(TESTS), back_end])
    else:
        ended = run_as_nobody("-c", START, str(open_copy), back_end)
        assert ended.returncode == 0, ended.stderr
        found = json.loads(ended.stdout)
    assert found["is_rootless"]
    expect_held(found)


def test_no_attack_comes_twice() -> None:
    """Each attack has a name of its own, so that none hides another."""
    files = ("gaming", "gaming_order", "using_up", "escapes")
    names = [name for file in files for name in attacks(file)]
    assert len(names) == len(set(names))

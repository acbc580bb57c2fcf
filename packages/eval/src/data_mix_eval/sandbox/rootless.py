"""For root: run Python as a user who is nobody, to see what one who is not root would see."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import data_mix.errors
from data_mix_eval.sandbox import users
from data_mix_eval.sandbox.room import make_room, open_to_all


def run_as_nobody(*words: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, the sandbox importable, no environment. Raises SandboxError without users."""
    with ExitStack() as undoing:
        user, *_ = users.claim(1, undoing)
        room = make_room(undoing, for_others=True)
        shutil.copytree(Path(__file__).parent, room.code / "data_mix_eval" / "sandbox", dirs_exist_ok=True)
        (room.code / "data_mix").mkdir()
        shutil.copy(data_mix.errors.__file__, room.code / "data_mix")
        open_to_all(room.code)
        return subprocess.run(
            [*room.python_command, *words],
            env=room.environment | {"PATH": "/usr/local/bin:/usr/bin:/bin"},
            user=user.uid,
            group=user.uid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

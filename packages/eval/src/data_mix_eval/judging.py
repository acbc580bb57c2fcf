"""What recipes need to mark answers: the sandbox, opened when the first program is to be run, and verdicts that are known."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from data_mix_eval.cache import FOLDER, code_digest, open_lines

if TYPE_CHECKING:
    from data_mix_eval.sandbox import Program, Sandbox, Verdict

_VERDICTS: Final = "verdicts"
_AT_ONCE: Final = 256
"""Programs between two looks at how far it is; what a kill loses at most."""


class CodeJudges:
    """Runs code in the sandbox, each program once. A context manager: the sandbox ends with it."""

    def __init__(self, home: Path, progress: Callable[[int, int], None]) -> None:
        self._lines = open_lines(home / FOLDER / _VERDICTS, 0)
        self._progress, self._opened = progress, ExitStack()
        self._sandbox: Sandbox | None = None

    def open(self) -> Sandbox:
        """The sandbox. SandboxError where nothing on this machine would hold code."""
        from data_mix_eval.sandbox import open_sandbox  # noqa: PLC0415  only for code

        if self._sandbox is None:
            self._sandbox = self._opened.enter_context(open_sandbox())
        return self._sandbox

    def run_code(self, programs: Sequence[Program]) -> list[Verdict]:
        """See `task.Judges`. Verdicts are remembered, but where a run took all its time, which is the machine's."""
        keys = list(map(_key, programs))
        found = {key: verdict for key in keys if (verdict := self._known(key)) is not None}
        missing = {key: program for key, program in zip(keys, programs, strict=True) if key not in found}
        for start in range(0, len(missing), _AT_ONCE):
            found |= self._run(dict(list(missing.items())[start : start + _AT_ONCE]))
            self._progress(len(found), len(set(keys)))
        return [found[key] for key in keys]

    def _run(self, programs: dict[str, Program]) -> dict[str, Verdict]:
        from data_mix_eval.sandbox import Limits  # noqa: PLC0415  only for code

        verdicts = dict(zip(programs, self.open().run(list(programs.values())), strict=True))
        for key, verdict in verdicts.items():
            if verdict.outcome != "timed_out" and verdict.seconds < Limits().seconds:
                self._lines.add({"key": key, "verdict": vars(verdict)})
        return verdicts

    def _known(self, key: str) -> Verdict | None:
        from data_mix_eval.sandbox import Verdict  # noqa: PLC0415  only for code

        line = self._lines.get(key)
        return None if line is None else Verdict(**line["verdict"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._opened.close()


def _key(program: Program) -> str:
    """What decides a verdict: the program, the Python that runs it, and the code that judges it."""
    decides = [code_digest(("sandbox",)), platform.python_version(), vars(program)]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

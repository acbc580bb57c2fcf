"""Running `datamix` as its users do: in a process of its own, with an environment of the test's own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Shell:
    """A place to run commands from: a working directory, a cache, and a hub to ask."""

    cwd: Path
    home: Path
    endpoint: str = "http://127.0.0.1:9"
    """No hub: nothing listens on this port."""
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The variables of the commands."""
        own = {"DATAMIX_HOME": str(self.home), "HF_HOME": str(self.home / "hf"), "HF_ENDPOINT": self.endpoint, "COLUMNS": "200"}
        return {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | own | self.variables

    def start(self, *arguments: object, takes_input: bool = False) -> subprocess.Popen[str]:
        """Start a command."""
        command = [sys.executable, "-m", "data_mix", *map(str, arguments)]
        pipe = subprocess.PIPE
        stdin = pipe if takes_input else None
        return subprocess.Popen(command, cwd=self.cwd, env=self.environment(), stdin=stdin, stdout=pipe, stderr=pipe, text=True)

    def run_through(self, wrapper: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command through another one, which sets limits for it."""
        command = [*wrapper, sys.executable, "-m", "data_mix", *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.cwd, env=self.environment(), capture_output=True, text=True, timeout=300, check=False
        )

    def run(self, *arguments: object, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, however it ends; `typed` is its standard input."""
        with self.start(*arguments, takes_input=typed is not None) as process:
            out, err = process.communicate(typed, timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def ok(self, *arguments: object, typed: str | None = None) -> str:
        """What a command prints that must end well."""
        done = self.run(*arguments, typed=typed)
        assert done.returncode == 0, f"{done.args} ended with {done.returncode}: {done.stderr or done.stdout}"
        return done.stdout

    def refused(self, *arguments: object, typed: str | None = None) -> str:
        """The one line that a command says which must be refused: exit code 1, no traceback, nothing on standard output."""
        done = self.run(*arguments, typed=typed)
        assert (done.returncode, done.stdout) == (1, ""), (
            f"{done.args} ended with {done.returncode}: {done.stderr}{done.stdout}"
        )
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("datamix: section")]
        assert line.startswith("datamix: "), done.stderr
        return line

    def build(self, out: Path, *arguments: object) -> dict[str, Any]:
        """Build a mix, and return its manifest."""
        self.ok("build", "-o", out, "--quiet", *arguments)
        manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text())
        return manifest


def run_code(code: str, folder: Path) -> str:
    """What a program prints that is run in a process of its own, with the distributions that lie in the folder."""
    command, variables = [sys.executable, "-c", code], {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True).stdout


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def section(folder: Path, text: str, name: str = "mix.yaml") -> None:
    """Write YAML sections into the folder of a user's own."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "configs" / name).write_text(text)

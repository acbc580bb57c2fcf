"""A build that is killed goes on where it was, and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from commands import Shell, digests, section

KILLS = 10


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A mix of the shipped samples and of files large enough for a build to be killed in."""
    for number in range(4):
        texts = (f"{number} {place} " + "words " * (place % 90) for place in range(15_000))
        lines = (json.dumps({"prompt": text, "response": text[::-1], "id": f"{number}-{text[:9]}"}) for text in texts)
        (tmp_path / f"own{number}.jsonl").write_text("\n".join(lines))
    entries = "".join(f"    - own{n}: {{type: conversations, input_file_path: own{n}.jsonl, lang: en}}\n" for n in range(4))
    section(tmp_path, f"killed:\n  datasets:\n{entries}")
    return Shell(cwd=tmp_path, home=tmp_path / "home")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ten_kills_at_random_moments_change_no_byte(shell: Shell, tmp_path: Path, workers: int) -> None:
    """After each kill the folder is whole or not believed, and the last build's bytes are those of an undisturbed one."""
    started = time.monotonic()
    shell.build(tmp_path / "whole", "--configs", "killed", "--workers", workers)
    lasts = time.monotonic() - started
    disturbed = Shell(cwd=shell.cwd, home=tmp_path / "home2")
    moments = random.Random(workers)
    for _ in range(KILLS):
        process = disturbed.start("build", "-o", tmp_path / "out", "--configs", "killed", "--workers", workers)
        time.sleep(moments.uniform(0.2, 1.0) * lasts)
        process.kill()
        process.communicate()
        if (tmp_path / "out/manifest.json").exists():
            disturbed.ok("verify", tmp_path / "out")
            (tmp_path / "out/manifest.json").unlink()
    disturbed.build(tmp_path / "out", "--configs", "killed", "--workers", workers)
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


@pytest.mark.slow
def test_a_kill_while_a_build_replaces_another_leaves_the_old_or_the_new(shell: Shell, tmp_path: Path) -> None:
    """While one build takes another's place, whatever manifest stands is true of the folder."""
    small = ["--datasets.own0.max_train_set", "100"]
    out = tmp_path / "out"
    manifests = {
        json.dumps(shell.build(out, "--configs", "killed")),
        json.dumps(shell.build(out, "--configs", "killed", *small)),
    }
    moments = random.Random(3)
    for turn in range(KILLS):
        process = shell.start("build", "-o", out, "--configs", "killed", *(small if turn % 2 else []))
        time.sleep(moments.uniform(0.3, 1.5))
        process.kill()
        process.communicate()
        if (out / "manifest.json").exists():
            assert json.dumps(json.loads((out / "manifest.json").read_text())) in manifests
            shell.ok("verify", out)
    shell.build(out, "--configs", "killed")
    shell.ok("verify", out)
    assert not list(out.rglob("*.partial"))

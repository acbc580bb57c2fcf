"""A build that is killed goes on where it was, and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from attacks import failing, small_mix, traced
from commands import Shell, digests, section
from data_mix.shards import verify

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


def _kill_while_measuring(shell: Shell, *build: object) -> None:
    """Start a build, and kill it as soon as it takes a measure."""
    before = set(shell.home.glob("measured/*/*.partial"))
    with shell.start(*build) as process:
        while process.poll() is None and before >= set(shell.home.glob("measured/*/*.partial")):
            time.sleep(0.002)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the build ended before it was killed"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_three_kills_while_rows_are_measured_change_no_byte(shell: Shell, tmp_path: Path, workers: int) -> None:
    """Killed three times in the midst of a measure, a build ends with the bytes of one that was not, and nothing is left."""
    asks = ["--configs", "killed", "--near_duplicates", "{}", "--workers", workers]
    shell.build(tmp_path / "whole", *asks)
    disturbed = Shell(cwd=shell.cwd, home=tmp_path / "home2")
    for _ in range(3):
        _kill_while_measuring(disturbed, "build", "-o", tmp_path / "out", *asks)
        assert not (tmp_path / "out/manifest.json").exists()
    disturbed.build(tmp_path / "out", *asks)
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
    assert not list((disturbed.home / "measured").rglob("*.partial"))


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


def check_what_stands(shell: Shell, out: Path, manifests: set[bytes]) -> None:
    """Where a manifest stands after a kill, it is one of these and true of the folder."""
    if (out / "manifest.json").exists():
        assert (out / "manifest.json").read_bytes() in manifests
        assert verify(out) == []


@pytest.mark.slow
@pytest.mark.parametrize("is_staged", [False, True])
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_kill_at_each_step_on_disk_changes_no_byte(tmp_path: Path, call: str, is_staged: bool) -> None:
    """Killed at any step of writing, and again at that step of going on, a build ends with the bytes of one that was not."""
    # strace counts the calls of each thread by themselves. Where all is staged, and the folder is there, the first calls are
    # those of the threads that write shards; else they never come to be the first of their number.
    shell, out = small_mix(tmp_path), tmp_path / "out"
    shell.build(tmp_path / "whole", "--configs", "first")
    manifests = {(tmp_path / "whole/manifest.json").read_bytes()}
    build = ["build", "-o", out, "--configs", "first", "--workers", 1, "--quiet"]
    for number in range(1, 100):
        shutil.rmtree(out, ignore_errors=True)
        home = tmp_path / f"home{number}"
        if is_staged:
            shutil.copytree(shell.home, home)
            out.mkdir()
        disturbed = Shell(cwd=tmp_path, home=home)
        for _ in range(2):
            killed = disturbed.run_through(failing(call, f"signal=KILL:when={number}"), *build)
            check_what_stands(shell, out, manifests)
        disturbed.ok(*build)
        assert digests(out) == digests(tmp_path / "whole")
        assert not list((home / "staged").rglob("*.partial"))
        if killed.returncode == 0:
            break
    assert 3 < number < 99


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fsync", "unlink"])
def test_a_kill_at_each_step_of_taking_a_place_leaves_the_old_or_the_new(tmp_path: Path, call: str) -> None:
    """While one build takes another's place, whatever manifest stands at any step is true of the folder."""
    shell, out = small_mix(tmp_path), tmp_path / "out"
    names = ["second", "first"]
    for name in names:
        shell.build(tmp_path / name, "--configs", name)
    manifests = {(tmp_path / name / "manifest.json").read_bytes() for name in names}
    shell.build(out, "--configs", "first")
    for number in range(1, 100):
        build = ["build", "-o", out, "--configs", names[number % 2 - 1], "--workers", 1, "--quiet"]
        killed = shell.run_through(failing(call, f"signal=KILL:when={number}"), *build)
        check_what_stands(shell, out, manifests)
        shell.ok(*build)
        assert digests(out) == digests(tmp_path / names[number % 2 - 1])
        if killed.returncode == 0:
            break
    assert 3 < number < 99


@pytest.mark.slow
def test_files_reach_the_disk_before_their_names_and_the_manifest_last(tmp_path: Path) -> None:
    """In the system calls of a build: file to disk, then its name, then its folder to disk; after all of them the manifest."""
    # The cache is not waited for: what of it a power cut damages is found by its checksum.
    shell, out, log = small_mix(tmp_path), tmp_path / "out", tmp_path / "log"
    shell.build(out, "--configs", "first")
    calls = traced("-y", "-e", "trace=fsync,rename,mkdir,unlink", "-e", "status=successful", "-o", str(log))
    done = shell.run_through(calls, "build", "-o", out, "--configs", "second", "--quiet", "--workers", 1)
    assert done.returncode == 0, done.stderr
    steps = [step for line in log.read_text().splitlines() if (step := _step(line))]
    names = [step for step in steps if step[0] == "rename" and Path(step[2]).is_relative_to(out)]
    assert len(names) >= 3  # a shard, the card, the manifest
    for step in names:
        before, after = steps[: steps.index(step)], steps[steps.index(step) :]
        source, target = map(Path, step[1:])
        assert source.is_dir() or ("fsync", str(source)) in before, f"{source} was not on disk before it got its name"
        assert ("fsync", str(target.parent)) in after, f"{target} got a name that was not brought to disk"
    made = [step for step in steps if step[0] == "mkdir" and Path(step[1]).is_relative_to(out)]
    assert all(("fsync", str(Path(step[1]).parent)) in steps[steps.index(step) :] for step in made)
    assert names[-1][2] == str(out / "manifest.json")
    before_manifest = steps[: steps.index(names[-1])]
    for step in names[:-1]:
        named = before_manifest[before_manifest.index(step) :]
        assert ("fsync", str(Path(step[2]).parent)) in named, f"{step[2]} got a name that the manifest could outlive"
    declared_unfinished = steps[steps.index(("unlink", str(out / "manifest.json"))) : steps.index(names[0])]
    assert ("fsync", str(out)) in declared_unfinished


def _step(line: str) -> tuple[str, ...] | None:
    """The call and the paths of a line that strace wrote."""
    if found := re.search(r"fsync\(\d+<([^>]*)>\)", line):
        return "fsync", found[1]
    found = re.search(r'(rename|mkdir|unlink)\("([^"]*)"(?:, "([^"]*)")?', line)
    return tuple(part for part in found.groups() if part) if found else None

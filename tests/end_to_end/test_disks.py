"""Disks that are full, read-only or broken: one line, nothing that looks whole, and the next build comes out right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from attacks import failing, remount, small_disk, small_mix
from commands import Shell, digests


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A place with two small mixes."""
    return small_mix(tmp_path)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed build says, with exit code 1."""
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("datamix: "), done.stderr
    return line


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nr_blocks", "nr_inodes"])
@pytest.mark.parametrize("what", ["out", "home"])
def test_a_full_disk_is_said_and_costs_nothing(shell: Shell, tmp_path: Path, what: str, kind: str) -> None:
    """However little space or how few inodes a disk has, a build says so in one line, and goes on once there is more."""
    shell.build(tmp_path / "whole", "--configs", "first")
    whole = digests(tmp_path / "whole")
    with small_disk(tmp_path / "disk", f"{kind}=2") as disk:
        out = disk / "out" if what == "out" else tmp_path / "out"
        there = Shell(cwd=tmp_path, home=disk / "home" if what == "home" else tmp_path / "home2")
        for most in (3, 5, 8, 12, 17, 23, 30, 40):
            remount(disk, f"{kind}={most}")
            done = there.run("build", "-o", out, "--configs", "first", "--quiet", "--workers", most % 2 + 1)
            if done.returncode == 0:
                break
            assert said(done).startswith(f"datamix: cannot write {disk}"), done.stderr
            assert "no space is left there" in done.stderr
            assert not (out / "manifest.json").exists()
        assert most > 3
        assert done.returncode == 0
        assert digests(out) == whole
        assert not list(disk.rglob("*.partial"))


# strace counts the calls of each thread by themselves: in the step *read* a thread renames three files, and then their folder.
FAILURES = {
    "the file's bytes cannot be brought to disk": ("fsync", "error=EIO:when=4", "the disk reports an error"),
    "the first folder cannot be": ("fsync", "error=EIO:when=1", "the disk reports an error"),
    "the quota is used up": ("fsync", "error=EDQUOT:when=6", "the disk quota is used up"),
    "a file cannot get its name": ("rename", "error=EIO:when=3", "the disk reports an error"),
    "a folder cannot get its name": ("rename", "error=EROFS:when=4", "the file system is read-only"),
    "a folder cannot be made": ("mkdir", "error=ENOSPC:when=3", "no space is left there"),
    "not allowed": ("mkdir", "error=EACCES:when=1", "it is not writable"),
    "too many links": ("mkdir", "error=EMLINK:when=2", "Too many links"),
    "stale": ("rename", "error=ESTALE:when=2", "Stale file handle"),
    "no locks": ("flock", "error=ENOLCK:when=1", "No locks available"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("call", "effect", "reason"), FAILURES.values(), ids=FAILURES.keys())
def test_whatever_the_system_refuses_is_said_in_one_line(
    shell: Shell, tmp_path: Path, call: str, effect: str, reason: str
) -> None:
    """An error of the disk at any step is a line with its reason, and the next build comes out right."""
    shell.build(tmp_path / "whole", "--configs", "first")
    whole = digests(tmp_path / "whole")
    there = Shell(cwd=tmp_path, home=tmp_path / "home2")
    done = there.run_through(failing(call, effect), "build", "-o", "out", "--configs", "first", "--workers", 1)
    assert reason in said(done)
    assert not (tmp_path / "out/manifest.json").exists()
    there.build(tmp_path / "out", "--configs", "first")
    assert digests(tmp_path / "out") == whole


@pytest.mark.slow
def test_a_raw_file_that_cannot_be_read_is_said_in_one_line(shell: Shell, tmp_path: Path) -> None:
    """A disk that fails under a raw file is an error that names the file, not the place that is written to."""
    shell.build(tmp_path / "out", "--configs", "first")  # its digest is known then
    shutil.rmtree(shell.home / "staged")
    raw = tmp_path / "own0.jsonl"
    wrapper = failing("read,pread64,mmap", "error=EIO", path=raw)
    line = said(shell.run_through(wrapper, "build", "-o", "other", "--configs", "first", "--workers", 1))
    assert "own0.jsonl" in line
    assert "cannot write" not in line


@pytest.mark.slow
@pytest.mark.parametrize("what", ["out", "home"])
def test_a_read_only_disk_is_said_in_one_line(shell: Shell, tmp_path: Path, what: str) -> None:
    """A file system that cannot be written to is named, for the output and for the cache; what stood there stays."""
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        out = disk / "out" if what == "out" else tmp_path / "out"
        there = Shell(cwd=tmp_path, home=disk / "home" if what == "home" else tmp_path / "home")
        there.build(out, "--configs", "first")
        before = digests(out)
        remount(disk, "ro")
        line = there.refused("build", "-o", out, "--configs", "second", "--quiet")
        assert f"cannot write {disk}" in line
        assert "the file system is read-only" in line
        if what == "out":
            assert digests(out) == before
            there.ok("verify", out)


@pytest.mark.slow
def test_cache_and_output_may_lie_on_two_disks(shell: Shell, tmp_path: Path) -> None:
    """Nothing is renamed from the one to the other."""
    shell.build(tmp_path / "whole", "--configs", "first")
    whole = digests(tmp_path / "whole")
    with small_disk(tmp_path / "a", "size=4m") as one, small_disk(tmp_path / "b", "size=4m") as two:
        Shell(cwd=tmp_path, home=one / "home").build(two / "out", "--configs", "first")
        assert digests(two / "out") == whole

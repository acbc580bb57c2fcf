"""Builds that are interrupted, stopped, or run beside others: no orphan, no mixture, the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attacks import small_mix
from commands import Shell, digests, section
from data_mix.errors import DataMixError
from data_mix.shards import open_build, verify

MARK = "DATAMIX_TEST_MARK"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a mix of two files that take two workers some seconds."""
    folder = tmp_path_factory.mktemp("large")
    for number in range(2):
        texts = (f"{number} {row} " + "words " * (row % 90) for row in range(60_000))
        lines = (json.dumps({"prompt": text, "response": text[::-1], "id": text[:9]}) for text in texts)
        (folder / f"own{number}.jsonl").write_text("\n".join(lines))
    entries = "".join(f"    - own{n}: {{type: conversations, input_file_path: own{n}.jsonl, lang: en}}\n" for n in range(2))
    section(folder, f"large:\n  datasets:\n{entries}")
    return folder


@pytest.fixture
def building(large: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A build of it by two workers that are reading now, in a group of its own."""
    variables = Shell(cwd=large, home=tmp_path / "home").environment() | {MARK: str(tmp_path)}
    command = ["env", "--default-signal=INT", sys.executable, "-m", "data_mix", "build", "--configs", "large", "--workers", "2"]
    with subprocess.Popen(
        [*command, "-o", tmp_path / "out"],
        cwd=large,
        env=variables,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        wait_until(lambda: len(list((tmp_path / "home").rglob(".rows.arrow.*.partial"))) == 2)
        yield process
        process.kill()


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until the condition holds; fail where it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.02)


def processes_of(mark: Path) -> dict[int, str]:
    """The command lines of the processes that carry the mark of a test, by their numbers."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def workers_of(mark: Path) -> list[int]:
    """The numbers of the worker processes."""
    return [number for number, command in processes_of(mark).items() if "spawn_main" in command]


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C in a terminal", "a signal to the parent"])
def test_an_interrupted_build_ends_at_once_and_leaves_nothing(
    building: subprocess.Popen[str], tmp_path: Path, to_all: bool
) -> None:
    """After Ctrl-C no worker goes on, no half-written file stays, and one line is said."""
    (os.killpg if to_all else os.kill)(building.pid, signal.SIGINT)
    started = time.monotonic()
    out, err = building.communicate(timeout=60)
    assert time.monotonic() - started < 10
    assert (building.returncode, out, err.count("\n")) == (130, "", 1), err
    assert err.startswith("datamix: interrupted")
    wait_until(lambda: not processes_of(tmp_path), 10)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "home/staged").rglob("*.partial"))


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_build_in_one_line(building: subprocess.Popen[str], tmp_path: Path) -> None:
    """A worker that the system kills is said with what to do, no other worker goes on, and nothing looks whole."""
    os.kill(workers_of(tmp_path)[0], signal.SIGKILL)
    _, err = building.communicate(timeout=60)
    assert building.returncode == 1
    assert err == ("datamix: a worker process was ended from outside (out of memory?); build again with fewer --workers\n")
    wait_until(lambda: not processes_of(tmp_path), 10)
    assert not (tmp_path / "out/manifest.json").exists()
    assert not list((tmp_path / "home/staged").rglob("*.partial"))


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_no_worker(building: subprocess.Popen[str], large: Path, tmp_path: Path) -> None:
    """Workers end with a parent that was killed, and the next build removes what they left."""
    building.kill()
    building.communicate(timeout=60)
    wait_until(lambda: not processes_of(tmp_path), 20)
    Shell(cwd=large, home=tmp_path / "home").build(tmp_path / "out", "--configs", "large", "--workers", 1)
    assert not list((tmp_path / "home/staged").rglob("*.partial"))


@pytest.mark.slow
def test_a_stopped_build_goes_on(building: subprocess.Popen[str], large: Path, tmp_path: Path) -> None:
    """While a build is stopped another one with the same cache goes through; then the first one ends well, with its bytes."""
    os.killpg(building.pid, signal.SIGSTOP)
    Shell(cwd=large, home=tmp_path / "home").build(tmp_path / "other", "--configs", "large", "--workers", 2)
    os.killpg(building.pid, signal.SIGCONT)
    _, err = building.communicate(timeout=120)
    assert building.returncode == 0, err
    assert digests(tmp_path / "out") == digests(tmp_path / "other")


@pytest.mark.slow
def test_two_builds_into_one_folder_at_once_are_one(tmp_path: Path) -> None:
    """Of two real processes one builds, and the other says that it may not, or finds the work done."""
    shell = small_mix(tmp_path, entries=4)
    shell.build(tmp_path / "whole", "--configs", "first")
    for turn in range(4):
        other = Shell(cwd=tmp_path, home=tmp_path / f"home{turn}")
        both = [other.start("build", "-o", "out", "--configs", "first", "-q") for _ in range(2)]
        said = sorted(process.communicate(timeout=120)[1] for process in both)
        assert said[0] == ""
        assert said[1] == "" or "another build is writing it" in said[1]
        assert digests(tmp_path / "out") == digests(tmp_path / "whole")


@pytest.mark.slow
def test_builds_of_several_mixes_may_share_a_cache(tmp_path: Path) -> None:
    """Four builds at once from one empty cache, two of each mix, have the bytes of builds alone."""
    shell = small_mix(tmp_path, entries=3)
    names = ["first", "second"]
    for name in names:
        Shell(cwd=tmp_path, home=tmp_path / "alone").build(tmp_path / name, "--configs", name)
    for turn in range(3):
        all_of_them = {
            f"{name}{turn}{copy}": shell.start(
                "build", "-o", f"{name}{turn}{copy}", "--configs", name, "-q", "--workers", 1 + copy
            )
            for name in names
            for copy in range(2)
        }
        assert [process.communicate(timeout=120)[1] for process in all_of_them.values()] == [""] * 4
        assert all(digests(tmp_path / out) == digests(tmp_path / out[:-2]) for out in all_of_them)


@pytest.mark.slow
def test_a_reader_sees_one_build_or_says_that_there_is_none(tmp_path: Path) -> None:
    """What is read while builds take one another's place is the rows of one of them, or a line, never a mixture."""
    shell, out = small_mix(tmp_path, entries=3), tmp_path / "out"
    rows = {name: rows_of(out) for name in ("first", "second") if shell.build(out, "--configs", name)}
    seen = []
    for turn in range(6):
        process = shell.start("build", "-o", out, "--configs", ["first", "second"][turn % 2], "-q")
        while process.poll() is None:
            try:
                seen.append(rows_of(out, pause=0.01))
            except DataMixError:
                continue
        process.communicate()
    assert rows["first"] != rows["second"]
    assert all(each in rows.values() for each in seen)
    assert len(seen) > 10


def rows_of(out: Path, pause: float = 0) -> list[list[str]]:
    """The ids of the training rows by part."""
    found = []
    for _, table in open_build(out).tables("train"):
        found.append(table["id"].to_pylist())
        time.sleep(pause)
    return found


PLACES = [
    {"workers": 1, "POLARS_MAX_THREADS": "4", "PYTHONHASHSEED": "0", "TZ": "Pacific/Kiritimati"},
    {"workers": 2, "POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "7", "LC_ALL": "C"},
    {"workers": 7, "POLARS_MAX_THREADS": "4", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place["workers"]))
def test_no_property_of_the_place_changes_a_byte(large: Path, tmp_path: Path, place: dict[str, str]) -> None:
    """Workers, threads, hash seed, time zone, locale and umask are in no byte of a build, of samples or of large files."""
    variables = {name: value for name, value in place.items() if name != "workers"}
    usual = Shell(cwd=large, home=tmp_path / "home")
    odd = Shell(cwd=large, home=tmp_path / "other home ä", variables=variables)
    for name in ("large", "datasets"):
        usual.build(tmp_path / name, "--configs", name, *(["--samples"] if name == "datasets" else []))
        out, options = tmp_path / f"odd ö {name}", ["--samples"] if name == "datasets" else []
        masked = ["sh", "-c", 'umask 077; exec "$@"', "-"]
        done = odd.run_through(masked, "build", "-o", out, "--configs", name, "-q", "--workers", place["workers"], *options)
        assert (done.returncode, done.stderr) == (0, "")
        assert digests(out) == digests(tmp_path / name)
        assert verify(out) == []

"""Where tasks run: one process or many give the same."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from data_mix.engine import run, run_behind
from data_mix.errors import BadRecordError, BuildError
from data_mix.write_behind import write_behind
from worker_tasks import absolute_behind, be_killed, fail, sleep_or_fail, token_seen


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_s_result_comes_with_its_place(workers: int) -> None:
    """Results are told apart by place, however many workers there are."""
    assert sorted(run(abs, [-3, -2, -1], workers)) == [(0, 3), (1, 2), (2, 1)]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_written_behind_comes_with_its_place(workers: int) -> None:
    """Tasks that write behind end as others do, in this process and in many."""
    assert sorted(run_behind(absolute_behind, [-3, -2, -1], workers)) == [(0, 3), (1, 2), (2, 1)]


def test_the_next_tasks_are_begun_while_the_last_ones_are_written() -> None:
    """No task waits for the end of the one before, but four at most are under way; what has ended is told at once."""
    begun: list[Future[int]] = []

    def begin(task: int) -> Future[int]:
        begun.append(Future())
        if task == 3:
            begun[0].set_result(0)
        if task > 3:
            begun[task].set_result(task)
        return begun[task]

    results = run_behind(begin, range(6), 1)
    assert next(results) == (0, 0)
    begun[1].set_result(1)
    assert next(results) == (1, 1)
    assert len(begun) == 4
    for place in (2, 3):
        begun[place].set_result(place)
    assert list(results) == [(place, place) for place in range(2, 6)]


def test_what_is_being_written_is_waited_for_when_the_next_task_fails() -> None:
    """An error ends the run only after the task before has written its end."""
    written = threading.Event()

    def begin(task: int) -> Future[None]:
        if task:
            raise BadRecordError("a.jsonl:1", "found 5, wanted a string")
        return write_behind(write, [task])

    def write(tasks: Iterator[int]) -> None:
        list(tasks)
        time.sleep(0.1)
        written.set()

    with pytest.raises(BadRecordError):
        list(run_behind(begin, [0, 1], 1))
    assert written.is_set()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_s_error_reaches_the_caller_whole(workers: int) -> None:
    """An error of a worker process arrives with its type and its place."""
    with pytest.raises(BadRecordError) as caught:
        list(run(fail, ["a.jsonl:1", "a.jsonl:1"], workers))
    assert caught.value.where == "a.jsonl:1"


@pytest.mark.slow
def test_no_worker_has_the_hub_s_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker inherits the environment without the token, which this process keeps."""
    monkeypatch.setenv("HF_TOKEN", "hf_CANARYCANARYCANARYCANARY")
    monkeypatch.setenv("OF_THE_USER", "kept")
    seen = [result for _, result in sorted(run(token_seen, ["HF_TOKEN", "OF_THE_USER"], 2))]
    assert seen == [None, "kept"]
    assert token_seen("HF_TOKEN") == "hf_CANARYCANARYCANARYCANARY"


def test_a_killed_worker_is_said_in_one_line(tmp_path: Path) -> None:
    """A worker that the system kills ends the run with a BuildError that says what to do."""
    with pytest.raises(BuildError, match="fewer --workers"):
        list(run(be_killed, [tmp_path / "a", tmp_path / "b"], 2))
    assert list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_first_error_ends_the_other_workers(tmp_path: Path) -> None:
    """Nobody waits for what the other workers are at, and none of them goes on."""
    started = time.monotonic()
    with pytest.raises(BadRecordError):
        list(run(sleep_or_fail, [tmp_path / "sleep", tmp_path / "fail"], 2))
    assert time.monotonic() - started < 30
    assert not any(Path(f"/proc/{mark.read_text()}").exists() for mark in tmp_path.iterdir())


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """When the parent is killed, no worker goes on."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, pathlib, sys, time\nfrom data_mix.engine import run\n"
        "def work(path):\n    pathlib.Path(path).write_text(str(os.getpid())); time.sleep(60)\n"
        "if __name__ == '__main__':\n    list(run(work, sys.argv[1:], 2))\n"
    )
    marks = [tmp_path / "a", tmp_path / "b"]
    parent = subprocess.Popen([sys.executable, script, *marks])
    wait_until(lambda: all(mark.is_file() and mark.read_text() for mark in marks))
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(Path(f"/proc/{mark.read_text()}").exists() for mark in marks))


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until the condition holds; fail where it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.05)

"""Where tasks run: in this process, or in a pool of processes.

A task is a pure function of files to files, so that it may run anywhere, twice, or be killed in the middle: what it had not
finished is done again, and what it had finished is found.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, connection, get_context, parent_process
from typing import Final, TypeVar

from data_mix.errors import BuildError
from data_mix.memory import system_memory

_TOKENS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

_BEGUN: Final = 4
"""Tasks whose end may be on its way to the disk at once: a disk takes longer to confirm a file than to take another."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def run(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[tuple[int, Result]]:
    """Yield (place of the task, its result) as tasks end; the first error ends all.

    `function` must be importable by name, and tasks and results must be picklable.
    """
    if workers <= 1 or len(tasks) <= 1:
        yield from ((place, function(task)) for place, task in enumerate(tasks))
    else:
        yield from _run_in_pool(function, tasks, min(workers, len(tasks)))


def run_behind(
    begin: Callable[[Task], Future[Result]], tasks: Sequence[Task], workers: int
) -> Generator[tuple[int, Result], None, None]:
    """As `run`, for tasks that write behind (`data_mix.write_behind`): while the end of some is written, the next is begun.

    Who leaves before the end closes it (`contextlib.closing`): it waits for what is being written.
    """
    if workers <= 1 or len(tasks) <= 1:
        yield from _run_ahead(begin, tasks)
    else:
        yield from _run_in_pool(partial(_run_whole, begin), tasks, min(workers, len(tasks)))


def _run_ahead(begin: Callable[[Task], Future[Result]], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
    begun = deque[tuple[int, Future[Result]]]()
    try:
        for place, task in enumerate(tasks):
            begun.append((place, begin(task)))
            while begun and (begun[0][1].done() or len(begun) == _BEGUN):
                yield begun[0][0], begun[0][1].result()
                begun.popleft()
        yield from ((place, future.result()) for place, future in begun)
    finally:
        wait([future for _, future in begun])


def _run_whole(begin: Callable[[Task], Future[Result]], task: Task) -> Result:
    with system_memory():
        return begin(task).result()


def _run_in_pool(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[tuple[int, Result]]:
    """As `run`, in processes that are started afresh (polars' threads do not survive a fork)."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read by the workers: one thread each, they are the parallelism
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        with _interrupts_held(), tokens_held():
            places = {pool.submit(function, task): place for place, task in enumerate(tasks)}
        for done in as_completed(places):
            yield places[done], done.result()
    except BrokenProcessPool as error:
        raise BuildError(
            "a worker process was ended from outside (out of memory?); build again with fewer --workers"
        ) from error
    except BaseException:  # nobody waits for the tasks that run: what they would have finished is done again
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def tokens_held() -> Iterator[dict[str, str]]:
    """Keep the hub's tokens from the environment of processes that are started meanwhile; yields them by variable."""
    kept = {name: os.environ.pop(name) for name in _TOKENS if name in os.environ}
    try:
        yield kept
    finally:
        os.environ.update(kept)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C from the processes that are started meanwhile: they inherit it; their parent hears it, and ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End this worker as soon as its parent is gone, however it went."""
    threading.Thread(target=_wait_for_parent_to_end, daemon=True).start()


def _wait_for_parent_to_end() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)

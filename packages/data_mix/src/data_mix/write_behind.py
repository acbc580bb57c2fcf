"""Writing behind: a thread finishes and writes what this one has made, while this one makes what comes next.

Arrow, polars, the digests and the system let go of the interpreter while they work, so both get on at once; a disk that is slow
to confirm what it was given holds up nobody who still has something to compute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import Queue
from typing import Final, Generic, NamedTuple, TypeVar

_MADE_AHEAD: Final = 2
"""Items that may wait to be written: memory holds them."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class _End(NamedTuple):
    """Stands behind the last item: all were made, or the making failed."""

    error: BaseException | None


class _Handover(Generic[Item]):
    """Items on their way from the thread that makes them to the one that writes them."""

    def __init__(self) -> None:
        self._queue: Queue[Item | _End] = Queue(_MADE_AHEAD)
        self._has_ended = False

    def give(self, item: Item | _End) -> None:
        """Hand an item over; waits while others wait to be written."""
        self._queue.put(item)

    def __iter__(self) -> Iterator[Item]:
        """The items up to the end; where the making failed, its error is raised here too."""
        while not isinstance(item := self._queue.get(), _End):
            yield item
        self._has_ended = True
        if item.error is not None:
            raise item.error

    def let_go(self) -> None:
        """Take what is still handed over, up to the end, for nothing: nobody must wait for it to be taken."""
        while not self._has_ended:
            self._has_ended = isinstance(self._queue.get(), _End)


def write_behind(write: Callable[[Iterator[Item]], Result], items: Iterable[Item]) -> Future[Result]:
    """Make all items, while a thread has `write` consume them; return its result to come.

    `write` must consume the items to their end. An error of theirs is raised in it, so that it leaves nothing half-written, and
    then here; where `write` itself fails, no more items are made, and the future holds its error.
    """
    handover, future = _Handover[Item](), Future[Result]()
    thread = threading.Thread(target=_write, args=(write, handover, future), daemon=True)
    thread.start()
    try:
        for item in items:
            handover.give(item)
            if future.done():  # before the end of the items: it has failed
                break
    except BaseException as error:
        handover.give(_End(error))
        thread.join()
        raise
    handover.give(_End(None))
    return future


def nothing_left() -> Future[None]:
    """What a task that finds its work done returns."""
    future = Future[None]()
    future.set_result(None)
    return future


def _write(write: Callable[[Iterator[Item]], Result], handover: _Handover[Item], future: Future[Result]) -> None:
    try:
        future.set_result(write(iter(handover)))
    except BaseException as error:  # raised where the result is asked for
        future.set_exception(error)
        handover.let_go()

"""Writing behind: all items arrive in order, and neither side waits for one that has failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from data_mix.write_behind import write_behind

MANY = 100
"""More items than may wait to be written."""


def test_all_items_are_written_in_order_by_another_thread() -> None:
    """What is made here arrives whole and in order, and is written elsewhere."""

    def write(items: Iterator[int]) -> tuple[list[int], int]:
        return list(items), threading.get_ident()

    written, writer = write_behind(write, range(MANY)).result()
    assert written == list(range(MANY))
    assert writer != threading.get_ident()


def test_items_are_made_while_others_are_written() -> None:
    """The next item is made though the writer is still at the one before."""
    may_write, written = threading.Event(), list[int]()

    def write(items: Iterator[int]) -> None:
        for item in items:
            assert may_write.wait(20)
            written.append(item)

    def made() -> Iterator[int]:
        yield 0
        assert not written
        yield 1
        may_write.set()

    write_behind(write, made()).result()
    assert written == [0, 1]


def test_only_few_items_wait_to_be_written() -> None:
    """A writer that is slow holds up the making, so that memory does not fill."""
    made, taken, most = 0, 0, 0

    def items() -> Iterator[int]:
        nonlocal made
        for item in range(MANY):
            made = item
            yield item

    def write(given: Iterator[int]) -> None:
        nonlocal taken, most
        for taken in given:
            most = max(most, made - taken)

    write_behind(write, items()).result()
    assert 0 <= most <= 4


def test_an_error_of_the_making_ends_the_writing_and_is_raised() -> None:
    """The writer hears of it, so that it leaves nothing half-written; the caller hears of it at once."""
    heard: list[BaseException] = []

    def items() -> Iterator[int]:
        yield 0
        raise ValueError("no more")

    def write(given: Iterator[int]) -> None:
        try:
            list(given)
        except ValueError as error:
            heard.append(error)
            raise

    with pytest.raises(ValueError, match="no more"):
        write_behind(write, items())
    assert str(heard[0]) == "no more"


def test_an_error_of_the_writing_ends_the_making() -> None:
    """Where nothing can be written nothing more is made, and who asks for the result hears why."""
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        for made in range(MANY):
            yield made
            has_failed.wait(20)

    has_failed = threading.Event()

    def write(given: Iterator[int]) -> None:
        next(given)
        try:
            raise OSError("disk full")
        finally:
            has_failed.set()

    future = write_behind(write, items())
    with pytest.raises(OSError, match="disk full"):
        future.result()
    assert made < MANY - 1


def test_errors_of_both_sides_leave_no_thread_with_an_error_of_its_own() -> None:
    """Where the writing has failed and then the making does, the caller hears of the making, and no thread says more."""
    has_failed = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        assert has_failed.wait(20)
        raise ValueError("no more")

    def write(given: Iterator[int]) -> None:
        next(given)
        has_failed.set()
        raise OSError("disk full")

    unheard: list[threading.ExceptHookArgs] = []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ValueError, match="no more"):
        patch.setattr(threading, "excepthook", unheard.append)
        write_behind(write, items())
    assert not unheard


def test_nothing_to_write_is_written_too() -> None:
    """Without items the writer still runs: it writes what has no rows."""
    assert write_behind(lambda items: len(list(items)), []).result() == 0

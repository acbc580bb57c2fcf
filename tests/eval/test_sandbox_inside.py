"""The parts of the sandbox that run inside it: the filter of system calls and the line between processes."""

from __future__ import annotations

import errno
import math
import os
import struct
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_mix_eval.sandbox.inside import seccomp, syscalls
from data_mix_eval.sandbox.inside.wire import Opaque, Wire, WireError, decode, encode

PID: Final = 4711
MACHINES: Final = sorted(syscalls.ARCHITECTURES)
ALLOWED, REFUSED, UNKNOWN = seccomp.ALLOW, seccomp.FAIL | errno.EPERM, seccomp.FAIL | errno.ENOSYS


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter says to a call: its BPF, run step by step as the kernel does."""
    code = seccomp.assemble(machine, PID)
    kind = syscalls.ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number, kind, 0, *arguments, *[0] * (6 - len(arguments)))
    place, held = 0, 0
    while True:
        operation, if_true, if_false, operand = struct.unpack_from("=HBBI", code, 8 * place)
        place += 1
        if operation == seccomp.RETURN:
            return int(operand)
        if operation == seccomp.LOAD:
            held = struct.unpack_from("=I", data, operand)[0]
            continue
        tests = {seccomp.EQUAL: held == operand, seccomp.AT_LEAST: held >= operand, seccomp.ANY_BIT: bool(held & operand)}
        place += if_true if tests[operation] else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_is_allowed_if_it_is_in_the_table(machine: str) -> None:
    """Of all numbers those of the table pass, clone3 and newer ones are unknown, all others are refused."""
    numbers = syscalls.numbers(machine)
    conditional = {numbers[name] for name in seccomp.conditions(PID)}
    expected = dict.fromkeys(range(syscalls.UNHEARD_OF), REFUSED) | dict.fromkeys(numbers.values(), ALLOWED)
    expected |= {syscalls.CLONE3: UNKNOWN, syscalls.UNHEARD_OF: UNKNOWN, 0x40000000: UNKNOWN, 0xFFFFFFFF: UNKNOWN}
    for number in conditional:
        del expected[number]
    assert {number: answer(machine, number) for number in expected} == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x3D0F00,), ALLOWED),  # what pthread_create asks for
        ("clone", (17,), REFUSED),  # fork
        ("kill", (PID,), ALLOWED),
        ("kill", (PID + 1,), REFUSED),
        ("kill", (2**32 - 1,), REFUSED),  # -1: everybody
        ("kill", (0,), REFUSED),
        ("tgkill", (PID + 1, PID), REFUSED),
        ("prlimit64", (0,), ALLOWED),
        ("prlimit64", (1,), REFUSED),
        ("fcntl", (5, 3), ALLOWED),
        ("fcntl", (5, 8), REFUSED),  # F_SETOWN
        ("fcntl", (5, 10), REFUSED),  # F_SETSIG
        ("ioctl", (5, 0x5401), ALLOWED),
        ("ioctl", (5, 0x5412), REFUSED),  # types into a terminal
    ],
)
def test_some_calls_are_allowed_by_argument(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    """Threads, but no process; signals and limits of itself, but of nobody else."""
    assert answer(machine, syscalls.numbers(machine)[name], *arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_kill(machine: str) -> None:
    """32-bit calls have other numbers, so none of them is looked at."""
    assert answer(machine, 20, architecture=0x40000003) == seccomp.KILL


def test_an_unknown_machine_has_no_filter() -> None:
    """Where the numbers are not known, there is an error instead of a wrong filter."""
    with pytest.raises(OSError, match="no filter of system calls for riscv64"):
        seccomp.assemble("riscv64", PID)


PLAIN: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.frozensets(st.integers(), max_size=4)
        | st.sets(st.text(), max_size=4)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other) and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other))


@given(PLAIN)
def test_plain_values_cross_unchanged(value: Any) -> None:
    """What is sent is what arrives, types and all."""
    assert same(decode(encode(value)), value)


def test_subclasses_arrive_as_what_they_are_based_on() -> None:
    """Whatever a subclass says of itself, its base's content is sent."""

    class Liar(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

        def __format__(self, _: str) -> str:
            return "5"

    assert same(decode(encode(Liar(1))), 1)


def test_what_is_no_data_is_equal_to_nothing() -> None:
    """An object arrives as something that passes no comparison and is neither true nor false."""
    arrived = decode(encode(object()))
    assert isinstance(arrived, Opaque)
    assert not arrived == arrived  # noqa: PLR0124, SIM201 - that is the point
    assert not arrived != arrived  # noqa: PLR0124, SIM202
    with pytest.raises(TypeError):
        bool(arrived)


@pytest.mark.parametrize("message", [1, "x", {}, [], ["int"], ["int", 5], ["eval", "5"], ["list", 5], ["set", [["list", []]]],
                                     ["dict", [[1]]], ["opaque", 5], ["float", "half"], ["str", None]])  # fmt: skip
def test_what_nobody_says_is_refused(message: Any) -> None:
    """A forged value is an error, never a value."""
    with pytest.raises(WireError):
        decode(message)


@pytest.fixture
def wire() -> Iterator[tuple[int, Wire]]:
    """A descriptor to write to, and the wire that reads it, of lines up to 1000 bytes."""
    source, sink = os.pipe()
    with open(source, "rb") as reads, open(sink, "wb") as writes:  # noqa: PTH123 - descriptors
        yield writes.fileno(), Wire(reads.fileno(), writes.fileno(), 1000)


@pytest.mark.parametrize(
    ("written", "error"),
    [
        (b"x" * 2000, "more than 1000 bytes"),
        (b"\xff\n", "no message"),
        (b"[" * 999 + b"\n", "no message"),
        (b"{\n", "no message"),
        (b"\n", "no message"),
    ],
)
def test_lines_that_are_no_messages_are_refused(wire: tuple[int, Wire], written: bytes, error: str) -> None:
    """Too long, not UTF-8, too deep, cut off, empty: an error that says which."""
    sink, reader = wire
    os.write(sink, written)
    with pytest.raises(WireError, match=error):
        reader.receive()


def test_lines_that_come_together_are_read_one_by_one(wire: tuple[int, Wire]) -> None:
    """However a pipe cuts them."""
    _, both = wire
    lines = [[number] * 200 for number in range(100)]
    sender = threading.Thread(target=lambda: deque(map(both.send, lines)))
    sender.start()
    assert [both.receive() for _ in lines] == lines
    sender.join()

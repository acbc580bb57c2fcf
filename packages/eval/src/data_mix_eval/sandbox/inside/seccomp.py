"""The filter of system calls: assembled as BPF here, so that nothing has to be installed for it.

The kernel runs it at each call. It first looks at the architecture, since a 32-bit call would carry other numbers, then for the
number among the allowed ones; a few of those are allowed for certain arguments only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from typing import Final

from data_mix_eval.sandbox.inside.syscalls import ARCHITECTURES, CLONE3, UNHEARD_OF, numbers

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF operations on 32-bit words
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # places in struct seccomp_data

KILL: Final = 0x80000000
ALLOW: Final = 0x7FFF0000
FAIL: Final = 0x00050000

CLONE_THREAD: Final = 0x00010000
FCNTL: Final = (0, 1, 2, 3, 4, 1030)  # duplicate; get and set flags: nothing that sends signals or locks files
IOCTL: Final = (0x5401, 0x5413, 0x5421, 0x5450, 0x5451)  # is it a terminal, and of what size; blocking; close on exec

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 4, 38, 22, 2


@dataclass(frozen=True)
class Condition:
    """A call is allowed where the low word of an argument is one of these values, or has one of these bits."""

    argument: int
    values: tuple[int, ...] = ()
    bits: int = 0


def conditions(pid: int) -> dict[str, Condition]:
    """What is allowed for certain arguments only: threads but no processes, signals and limits of the process itself."""
    return {
        "clone": Condition(0, bits=CLONE_THREAD),
        "kill": Condition(0, (pid,)),
        "tgkill": Condition(0, (pid,)),
        "fcntl": Condition(1, FCNTL),
        "ioctl": Condition(1, IOCTL),
        "prlimit64": Condition(0, (0, pid)),
    }


def instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One BPF instruction; the jumps count the instructions that are skipped."""
    return struct.pack("=HBBI", code, if_true, if_false, operand)


def answer(number: int, then: list[bytes]) -> list[bytes]:
    """What is done at this call; `then` must end in a return."""
    return [instruction(EQUAL, number, 0, len(then)), *then]


def allowed_if(condition: Condition) -> list[bytes]:
    """Allow or fail by an argument. All arguments that are looked at are 32-bit ones for the kernel too."""
    tests = [instruction(EQUAL, value) for value in condition.values] or [instruction(ANY_BIT, condition.bits)]
    code, *_ = struct.unpack("=H", tests[0][:2])
    operands = [struct.unpack("=I", test[4:])[0] for test in tests]
    jumps = [instruction(code, operand, len(operands) - place) for place, operand in enumerate(operands)]
    return [
        instruction(LOAD, ARGUMENTS_AT + 8 * condition.argument),
        *jumps,
        instruction(RETURN, FAIL | errno.EPERM),
        instruction(RETURN, ALLOW),
    ]


def assemble(machine: str, pid: int) -> bytes:
    """The filter for a process of this id. Raises OSError on an architecture whose numbers are not known."""
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter of system calls for {machine}, only for {', '.join(ARCHITECTURES)}")
    unheard = [instruction(RETURN, FAIL | errno.ENOSYS)]
    program = [
        instruction(LOAD, ARCHITECTURE_AT),
        instruction(EQUAL, ARCHITECTURES[machine], 1, 0),
        instruction(RETURN, KILL),
        instruction(LOAD, NUMBER_AT),
        instruction(AT_LEAST, UNHEARD_OF, 0, 1),
        *unheard,
        *answer(CLONE3, unheard),
    ]
    special = conditions(pid)
    for name, number in numbers(machine).items():
        then = allowed_if(special[name]) if name in special else [instruction(RETURN, ALLOW)]
        program += answer(number, then)
    return b"".join([*program, instruction(RETURN, FAIL | errno.EPERM)])


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def prctl(option: int, *arguments: int | ctypes._Pointer[_Program]) -> None:
    """Call prctl; raises OSError where it fails."""
    words = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *words, *[ctypes.c_ulong(0)] * (4 - len(words))):
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def forbid() -> None:
    """Put the filter on this process, for good. Raises OSError where the kernel has none."""
    code = assemble(os.uname().machine, os.getpid())
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.pointer(_Program(len(code) // 8, code)))

"""Landlock: the kernel's own fence around the files of a process, which any user can put up."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
ASK_VERSION, PATH_BENEATH = 1, 1

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
"""Version → how many rights on files it knows; later versions know 16."""

DEVICE: Final = "/dev/null"


def call(number: int, *arguments: int | bytes | None) -> int:
    """A system call that glibc has no name for; raises OSError where it fails."""
    words = [ctypes.c_long(each) if isinstance(each, int) else ctypes.c_char_p(each) for each in arguments]
    result: int = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    return result


def version() -> int:
    """The kernel's Landlock version; raises OSError where there is none or it is off."""
    return call(CREATE_RULESET, None, 0, ASK_VERSION)


def ruleset(readable: Iterable[str]) -> int:
    """A descriptor of the fence: everything is forbidden but to read below these paths.

    Of networks, abstract sockets and signals it forbids what this kernel's version can; the filter of calls does so anyhow.
    """
    kernel = version()
    files = (1 << FILE_RIGHTS.get(kernel, 16)) - 1
    network = 0b11 if kernel >= 4 else 0
    scopes = 0b11 if kernel >= 6 else 0
    words = struct.pack("=QQQ", files, network, scopes)[: 8 if kernel < 4 else 16 if kernel < 6 else 24]
    fence = call(CREATE_RULESET, words, len(words), 0)
    for path in readable:
        allow(fence, path, READ_FILE | READ_DIR)
    allow(fence, DEVICE, READ_FILE | WRITE_FILE)
    return fence


def allow(fence: int, path: str, rights: int) -> None:
    """Make a gap for one path; one that is not there needs none."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    is_folder = stat.S_ISDIR(os.fstat(place).st_mode)
    call(ADD_RULE, fence, PATH_BENEATH, struct.pack("=Qi", rights if is_folder else rights & ~READ_DIR, place), 0)
    os.close(place)


def restrict(fence: int) -> None:
    """Stay behind the fence, for good. The process must have given up the right to gain privileges."""
    call(RESTRICT_SELF, fence, 0)

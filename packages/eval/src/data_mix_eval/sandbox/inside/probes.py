"""Tries what must not work, from inside, as code of a model would. Each probe comes back only if it gets through."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

CLONE_NEWUSER: Final = 0x10000000
KERNEL_CALLS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "io_uring_setup": (425, 425),
        "keyctl": (250, 219),
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        "add_key": (248, 217),
        "process_vm_readv": (310, 270),
        "memfd_create": (319, 279),
        "mount": (165, 40),
        "pidfd_open": (434, 434),
    }
)
"""Name → number on x86_64 and aarch64 of calls that have no place in computing."""


class GotThroughError(Exception):
    """A probe that tries several things got through with one; says which."""


def read_file(job: dict[str, Any]) -> None:
    """Read a file that every user may read."""
    Path(job["secret"]).read_bytes()


def write_file(job: dict[str, Any]) -> None:
    """Write into a folder that every user may write to."""
    Path(job["outside"], "written").write_bytes(b"")


def link_file(job: dict[str, Any]) -> None:
    """Link, rename, remove in that folder."""
    os.symlink(job["secret"], Path(job["outside"], "link"))  # noqa: PTH211 - the call itself


def write_anywhere(_: dict[str, Any]) -> None:
    """Write where a temporary file could stand."""
    for folder in (".", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", str(Path.home())):
        try:
            Path(folder, f"written{os.getpid()}").write_bytes(b"x")
        except OSError:
            continue
        raise GotThroughError(folder)
    raise PermissionError("nowhere")


def see_processes(_: dict[str, Any]) -> None:
    """List the processes of the machine."""
    os.listdir("/proc")  # noqa: PTH208 - the call itself


def see_environment(_: dict[str, Any]) -> None:
    """Find a variable of the environment, here or in the process that asked."""
    if not os.environ:
        Path(f"/proc/{os.getppid()}/environ").read_bytes()


def start_process(_: dict[str, Any]) -> None:
    """Fork."""
    if os.fork() == 0:
        os._exit(0)


def start_program(_: dict[str, Any]) -> None:
    """Become another program."""
    os.execv("/proc/self/exe", ["python"])


def signal_others(job: dict[str, Any]) -> None:
    """Reach the process that asked, by a signal that does nothing."""
    os.kill(job["pid"], 0)


def signal_all(_: dict[str, Any]) -> None:
    """Reach every process, by a signal that does nothing."""
    os.kill(-1, 0)


def connect(job: dict[str, Any]) -> None:
    """Connect to a server on this machine."""
    socket.create_connection(("127.0.0.1", job["port"]), timeout=1).close()


def connect_abstract(job: dict[str, Any]) -> None:
    """Connect to a socket that has a name and no file."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect("\0" + job["abstract"])


def trace(_: dict[str, Any]) -> None:
    """Ask to be traced."""
    succeeds(ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0))


def new_namespace(_: dict[str, Any]) -> None:
    """Become root of a namespace of one's own."""
    succeeds(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER))


def call_kernel(_: dict[str, Any]) -> None:
    """Make calls that have no place in computing."""
    library = ctypes.CDLL(None, use_errno=True)
    column = ("x86_64", "aarch64").index(platform.machine())
    for name, numbers in KERNEL_CALLS.items():
        ctypes.set_errno(0)
        if library.syscall(numbers[column], 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in {1, 38}:
            raise GotThroughError(name)  # any other error is the kernel's answer, not the filter's
    raise PermissionError("none is allowed")


def succeeds(result: int) -> None:
    """Raise what a C function failed with."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become_root(_: dict[str, Any]) -> None:
    """Become root, or still be."""
    if os.getuid():
        os.setuid(0)


def stay_the_user(job: dict[str, Any]) -> None:
    """Be the user who asked."""
    if os.getuid() != job["uid"]:
        raise PermissionError("it is another")


def use_memory(job: dict[str, Any]) -> None:
    """Take more memory than there is."""
    bytearray(job["memory_bytes"] + 1)


def open_many(job: dict[str, Any]) -> None:
    """Open more files than are allowed."""
    for _ in range(job["open_files"]):
        os.dup(0)


def thread_many(job: dict[str, Any]) -> None:
    """Start more threads than are allowed."""
    done = threading.Event()
    try:
        for _ in range(job["processes"]):
            threading.Thread(target=done.wait, daemon=True).start()
    finally:
        done.set()


PROBES: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = MappingProxyType(
    {
        "files outside cannot be read": read_file,
        "files outside cannot be written": write_file,
        "files outside cannot be linked to": link_file,
        "nothing can be written anywhere": write_anywhere,
        "processes cannot be listed": see_processes,
        "no environment variable crosses": see_environment,
        "no process can be started": start_process,
        "no program can be started": start_program,
        "no process can be signalled": signal_others,
        "not all processes can be signalled": signal_all,
        "no server can be reached": connect,
        "no abstract socket can be reached": connect_abstract,
        "nothing can be traced": trace,
        "no namespace can be made": new_namespace,
        "no other kernel call can be made": call_kernel,
        "root cannot be had": become_root,
        "memory is bounded": use_memory,
        "open files are bounded": open_many,
        "threads are bounded": thread_many,
        "it runs as a user of its own": stay_the_user,
    }
)
"""What must hold → the attempt that it fails."""


def run(job: dict[str, Any]) -> dict[str, str]:
    """What got through, by what should have held, with how; nothing where all holds."""
    found = {}
    for name, probe in PROBES.items():
        try:
            probe(job)
        except GotThroughError as error:
            found[name] = str(error)
        except (OSError, MemoryError, RuntimeError):  # RuntimeError: Python cannot start a thread
            continue
        else:
            found[name] = "it could"
    return found

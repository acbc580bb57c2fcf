"""Writing files so that nothing half-written is ever believed: temporary name, fsync, rename, fsync of the folder.

What is not `durable` is not waited for on its way to the disk. After a power cut such a file may be missing, or stand under its
name with other bytes than were written: that is for what proves itself by a checksum, and is made again where it fails.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import xxhash

from data_mix.errors import OutputError

PARTIAL = ".partial"
"""The suffix of a file or folder that is not finished."""

_REASONS = {
    errno.ENOSPC: "no space is left there; free some or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some or choose another place",
    errno.EFBIG: "the file would be larger than the limit on file sizes (ulimit -f); raise it or choose another place",
    errno.EACCES: "it is not writable; choose another place or change its permissions",
    errno.EPERM: "it is not writable; choose another place or change its permissions",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENAMETOOLONG: "the path is too long; choose a shorter one",
    errno.ENOTDIR: "a part of the path is a file; choose another place",
    errno.EEXIST: "a file of that name is in the way; choose another place",
    errno.EIO: "the disk reports an error; check it, or choose another place",
}


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a full disk, a missing permission or an impossible path into an OutputError."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # none of the system's: Arrow says so of a file that it cannot read
            raise
        reason = _REASONS.get(error.errno, f"{os.strerror(error.errno)}; choose another place")
        raise OutputError(f"cannot write {path}: {reason}") from error


class Digest(Protocol):
    """A running digest: of `hashlib`, or of `xxhash` where only damage is to be found."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes in."""

    def hexdigest(self) -> str:
        """The digest of all bytes so far."""


class DigestingFile:
    """A binary file that counts the bytes of what is written to it, and takes their digest.

    `path` is the name in the OutputError that is raised where they cannot be written.
    """

    def __init__(self, raw: BinaryIO, digest: Digest, path: Path) -> None:
        self._raw, self._digest, self._path, self.bytes, self.closed = raw, digest, path, 0, False

    @property
    def hexdigest(self) -> str:
        """Digest of all that was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`."""
        self._digest.update(data)
        self.bytes += len(data)
        with output_errors(self._path):
            self._raw.write(data)
        return len(data)

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        with output_errors(self._path):
            self._raw.flush()

    def close(self) -> None:
        """Do nothing: who opened the file closes it."""


@contextmanager
def writing(
    path: Path, digest: Callable[[], Digest] = hashlib.sha256, *, durable: bool = True, named: bool = True
) -> Iterator[DigestingFile]:
    """A file that stands under `path` once the block ends well, whole and (`durable`) on disk, and not at all otherwise.

    Where many are written, only their bytes may be waited for (not `named`): whoever declares them whole then brings their
    folders to disk first (`sync_folder`), each once.

    Raises OutputError where it cannot be written; what the block itself raises is let through.
    """
    partial = _partial(path)
    with output_errors(path):
        make_folder(path.parent, durable=durable and named)
        raw = partial.open("wb")
    try:
        yield DigestingFile(raw, digest(), path)
        with output_errors(path):
            raw.flush()
            if durable:
                os.fsync(raw.fileno())
            raw.close()
            partial.replace(path)
            if durable and named:
                sync_folder(path.parent)
    finally:
        with suppress(OSError):
            raw.close()  # closed already, or it cannot write what is thrown away here
        with suppress(OSError):
            partial.unlink()


@contextmanager
def writing_folder(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A folder that stands under `path` once the block ends well, and not at all otherwise.

    Its files must be written with `writing`, as durable as the folder. Where another process was first, its folder stays and
    this one is left out.
    While the block runs the unfinished folder is held (`hold`), so that others can tell it from one whose process is dead.
    """
    with output_errors(path):
        make_folder(path.parent, durable=durable)
        partial, held = _make_held(path)
    try:
        yield partial
        with output_errors(path):
            _rename_folder(partial, path)
            if durable:
                sync_folder(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(held)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")


def _make_held(path: Path) -> tuple[Path, int]:
    """An unfinished folder for `path`, held; made again where another process took it for a dead one's before it was held."""
    while True:
        partial = _partial(path)
        partial.mkdir()
        held = hold(partial)
        if held is not None:
            return partial, held


def _rename_folder(partial: Path, path: Path) -> None:
    try:
        partial.rename(path)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:  # these: another process made it, from the same input
            raise


def hold(folder: Path) -> int | None:
    """Hold a folder for this process; None where another one holds it, or where it is gone.

    Returns a file descriptor: to close it lets the folder go. The lock is the system's (flock), so that it goes with the
    process that holds it, whatever ends that.
    """
    is_held = False
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_held = os.path.samestat(os.fstat(descriptor), folder.stat())  # else it was removed before it was locked
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        if not is_held:
            os.close(descriptor)
    return descriptor if is_held else None


def make_folder(path: Path, *, durable: bool = True) -> None:
    """Make a folder and those above it, so that (`durable`) their names survive a power cut."""
    if not path.is_dir():
        make_folder(path.parent, durable=durable)
        path.mkdir(exist_ok=True)
        if durable:
            sync_folder(path.parent)


def write_bytes(path: Path, data: bytes, *, durable: bool = True, named: bool = True) -> None:
    """Write a small file whole or not at all."""
    with writing(path, durable=durable, named=named) as file:
        file.write(data)


def sync_folder(path: Path) -> None:
    """Make the names in the folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_checksum(path: Path) -> str:
    """XXH3 (128 bit) of a file's bytes, in hexadecimal: it finds damage, twenty times as fast as SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def write_sealed(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a small note (one line) that proves itself."""
    write_bytes(path, seal(data), durable=durable)


def read_sealed(path: Path) -> bytes | None:
    """What `write_sealed` wrote; None where it is not there or damaged, which is as good as not there."""
    try:
        return unseal(path.read_bytes())
    except OSError:
        return None


def seal(data: bytes) -> bytes:
    """The data (one line) behind a checksum of it, so that what a disk or a kill has damaged is not believed."""
    return b"%s %s" % (xxhash.xxh3_64_hexdigest(data).encode(), data)


def unseal(line: bytes) -> bytes | None:
    """What was sealed; None where that is not what stands there now."""
    data = line.partition(b" ")[2]
    return data if seal(data) == line else None

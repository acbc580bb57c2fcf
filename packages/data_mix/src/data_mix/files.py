"""Writing files so that nothing half-written is ever believed: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

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
}


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a full disk, a missing permission or an impossible path into an OutputError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        raise OutputError(f"cannot write {path}: {_REASONS[error.errno]}") from error


class DigestingFile:
    """A binary file that counts the bytes of what is written to it, and takes their SHA-256 where `with_digest` is true."""

    def __init__(self, raw: BinaryIO, *, with_digest: bool) -> None:
        self._raw, self._hash, self.bytes, self.closed = raw, hashlib.sha256() if with_digest else None, 0, False

    @property
    def sha256(self) -> str:
        """Digest of all that was written so far, in hexadecimal; empty where none is taken."""
        return self._hash.hexdigest() if self._hash else ""

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`."""
        if self._hash:
            self._hash.update(data)
        self.bytes += len(data)
        self._raw.write(data)
        return len(data)

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        self._raw.flush()

    def close(self) -> None:
        """Do nothing: who opened the file closes it."""


@contextmanager
def writing(path: Path, *, with_digest: bool = True) -> Iterator[DigestingFile]:
    """A file that stands under `path` once the block ends well, whole and on disk, and not at all otherwise.

    Raises OutputError where it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as raw:
                yield DigestingFile(raw, with_digest=with_digest)
                raw.flush()
                os.fsync(raw.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """A folder that stands under `path` once the block ends well, and not at all otherwise.

    Its files must be written with `writing`. Where another process was first, its folder stays and this one is left out.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    with output_errors(path):
        partial.mkdir(parents=True)
        try:
            yield partial
            with suppress(OSError):  # the folder stands already, made by another process from the same input
                partial.rename(path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all."""
    with writing(path) as file:
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

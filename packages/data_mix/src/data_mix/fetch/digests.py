"""Digests of raw files: taken once, remembered for as long as a file does not change, held against what upstream fixes."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from data_mix.errors import DigestError, FetchError
from data_mix.files import read_sealed, write_sealed

BLOCK: Final = 1 << 18

_TICK: Final = 0.05  # seconds in which a file may change twice and keep its mtime
_GIT_OID: Final = 40  # hexadecimal digits of git's name of a file; a SHA-256 has 64


class Span(NamedTuple):
    """The bytes [start, end) of a file."""

    start: int
    end: int


class DigestStore:
    """Remembers the SHA-256 of files by path, size, mtime and inode, in one small file each: safe for several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def sha256(self, path: Path, *, span: Span | None = None, rehash: bool = False) -> str:
        """SHA-256 of the file, or of its bytes `span`; read only where it is not remembered, or `rehash` says so.

        Raises FetchError where it cannot be read.
        """
        try:
            digest = None if rehash else self._remembered(path, span)
            return digest or self._take(path, span)
        except OSError as error:
            raise FetchError(f"{path.name}: cannot be read ({error.strerror}); check the file and its permissions") from error

    def remember(self, path: Path, digest: str, span: Span | None = None) -> None:
        """Remember the digest of the file as it is now; not durably, for a note that is lost or damaged is taken anew."""
        write_sealed(self._note(path, span), f"{_state(path)} {digest}".encode(), durable=False)

    def _remembered(self, path: Path, span: Span | None) -> str | None:
        note = read_sealed(self._note(path, span))
        state, _, digest = note.decode().rpartition(" ") if note else ("", "", "")
        return digest if state == _state(path) else None

    def _take(self, path: Path, span: Span | None) -> str:
        age = time.time() - path.stat().st_mtime
        time.sleep(_TICK - age if 0 <= age < _TICK else 0)
        before = _state(path)
        digest = _digest(path, hashlib.sha256(), span or Span(0, path.stat().st_size))
        if _state(path) == before:
            self.remember(path, digest, span)
        return digest

    def _note(self, path: Path, span: Span | None) -> Path:
        name = hashlib.sha256(os.fsencode(path.absolute()) + repr(span and tuple(span)).encode()).hexdigest()
        return self.folder / name[:2] / name[2:]


def check_sha256(name: str, wanted: str | None, found: str) -> None:
    """Raise DigestError where the digest found is not the one wanted; None is content with any."""
    if wanted is not None and found != wanted:
        raise DigestError(
            f"{name}: has sha256 {found}, wanted {wanted}; its publisher changed it or it was damaged on its way: "
            "run again, or give a file of your own as input_file_path"
        )


def check_git_oid(name: str, oid: str | None, path: Path) -> None:
    """Raise DigestError where git calls the file otherwise; None, or what is no name of git's, is content with any.

    A hub fixes no SHA-256 for a small text file, but git's name of it.
    """
    if oid is None or len(oid) != _GIT_OID:
        return
    size = path.stat().st_size
    found = _digest(path, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), Span(0, size))
    if found != oid:
        raise DigestError(f"{name}: git calls its contents {found}, wanted {oid}; it was damaged on its way: run again")


def _state(path: Path) -> str:
    """What changes when a file changes."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"


def _digest(path: Path, digest: hashlib._Hash, span: Span) -> str:
    left = span.end - span.start
    block = memoryview(bytearray(BLOCK))  # the same memory for all of the file
    with path.open("rb", buffering=0) as file:
        file.seek(span.start)
        while left > 0 and (size := file.readinto(block[:left])):
            digest.update(block[:size])
            left -= size
    return digest.hexdigest()

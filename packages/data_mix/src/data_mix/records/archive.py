"""The members of an archive (tar, tar.gz, tar.zst or zip), read as data one after the other in a single pass.

Nothing is ever written to a place that a member names: a member is a name and a stream of bytes. The archive is refused, and
the member named, where a member is no plain file (a link, a device, a pipe, a sparse file), has a name that is absolute,
climbs (`..`) or comes twice, is encrypted, or where members are too many or too large; and where the archive is truncated,
corrupt, or followed by anything else. Folders are passed over.

    for name, file in members(path, wanted=lambda name: name.endswith(".zip")):
        for inner, text in members(file, name=f"{path.name}/{name}"):
            …
"""

from __future__ import annotations

import io
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from data_mix.errors import RawFileError
from data_mix.files import output_errors
from data_mix.records.compressed import FREE_BYTES, MAX_RATIO, Unpacked
from data_mix.records.json_record import shown


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may hold before it is refused."""

    members: int = 100_000
    member_bytes: int = 4 << 30
    """Bytes of one member, unpacked."""
    total_bytes: int = 64 << 30
    """Bytes of all members together, unpacked."""
    memory_bytes: int = 64 << 20
    """An archive inside an archive is kept in memory up to this size, beyond it in a temporary file without a name."""


_LIMITS: Final = Limits()
_BLOCK: Final = 512  # tar's unit
_TAR_BYTES: Final = 1 << 16  # tarfile copies what is left of it at each header
_READ_BYTES: Final = 1 << 20
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_BYTES: Final = 22
_ZIP_MANY: Final = 0xFFFF  # stands for a number of members that is written elsewhere
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS: Final = (0, stat.S_IFREG, stat.S_IFDIR)
_UNSAFE: Final = re.compile(r"[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)|.*\0|$", re.DOTALL)

_BROKEN: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError),
    RecursionError,  # tarfile recurses into extended headers that follow one another
)


def members(
    archive: Path | BinaryIO,
    *,
    name: str | None = None,
    wanted: Callable[[str], bool] = lambda _: True,
    limits: Limits = _LIMITS,
) -> Iterator[tuple[str, BinaryIO]]:
    """The names and contents of the members that are `wanted`, in the order of the archive.

    A member's stream can be read once, until the next member is asked for; the others are never held in memory. `name` stands
    for the archive in errors. Raises RawFileError as the module says, also while a stream is read.
    """
    place = name or (archive.name if isinstance(archive, Path) else "archive")
    with _seekable(archive, limits) as file:
        is_zip = file.read(2) == b"PK"
        file.seek(0)
        read = _zip_members if is_zip else _tar_members
        yield from read(file, _Guard(place, limits), wanted)


@contextmanager
def _seekable(archive: Path | BinaryIO, limits: Limits) -> Iterator[BinaryIO]:
    if isinstance(archive, Path):
        with archive.open("rb") as file:
            yield file
    elif archive.seekable():
        yield archive
    else:
        with tempfile.SpooledTemporaryFile(limits.memory_bytes) as spooled:
            with output_errors(Path(tempfile.gettempdir())):
                shutil.copyfileobj(archive, spooled, _READ_BYTES)
            spooled.seek(0)
            yield cast(BinaryIO, spooled)


@dataclass
class _Guard:
    """Refuses members one by one, and the archive."""

    place: str
    limits: Limits
    names: set[str] = field(default_factory=set)
    members: int = 0
    bytes: int = 0

    def admit(self, name: str, size: int) -> None:
        """Count a member; raises RawFileError where its name or its size is not to be had."""
        self.members += 1
        self.bytes += size
        if self.members > self.limits.members:
            raise self.refused(name, f"is one of more than {self.limits.members:,} members, wanted at most so many")
        if _UNSAFE.match(name):
            raise self.refused(name, "has an absolute, climbing or empty name, wanted a relative one")
        if name in self.names:
            raise self.refused(name, "comes twice, wanted once")
        if not 0 <= size <= self.limits.member_bytes:
            raise self.refused(name, f"unpacks to {size:,} bytes, wanted at most {self.limits.member_bytes:,}")
        if self.bytes > self.limits.total_bytes:
            raise self.refused(name, f"takes the members to {self.bytes:,} bytes, wanted at most {self.limits.total_bytes:,}")
        self.names.add(name)

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turn what the standard library says of a broken archive into a RawFileError."""
        try:
            yield
        except _BROKEN as error:
            raise self.broken(error) from None

    def refused(self, name: str, what: str) -> RawFileError:
        return RawFileError(f"{self.place}: member {shown(name)} {what}; do not use this archive, or pack it anew")

    def broken(self, error: object) -> RawFileError:
        return RawFileError(f"{self.place}: truncated or corrupt archive ({error}), wanted a whole tar or zip; fetch it again")


class _Member(io.RawIOBase):
    """A member's bytes, once and forward; what is wrong with them is a RawFileError."""

    def __init__(self, inner: BinaryIO, guard: _Guard, name: str) -> None:
        self._inner, self._guard, self._name = inner, guard, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._inner.read(len(buffer))
        except _BROKEN as error:
            raise self._guard.broken(f"in member {shown(self._name)}: {error}") from None
        buffer[: len(data)] = data
        return len(data)


def _stream(inner: BinaryIO, guard: _Guard, name: str) -> BinaryIO:
    return io.BufferedReader(_Member(inner, guard, name), _READ_BYTES)


def _tar_members(file: BinaryIO, guard: _Guard, wanted: Callable[[str], bool]) -> Iterator[tuple[str, BinaryIO]]:
    tail, end = _Tail(Unpacked(file, guard.place)), 0
    with guard.translating(), tarfile.open(fileobj=tail, mode="r|", bufsize=_TAR_BYTES) as tar:
        for info in tar:
            end = info.offset_data + -(-info.size // _BLOCK) * _BLOCK
            _check_tar_member(info, guard)
            if info.isreg() and wanted(info.name):
                yield info.name, _stream(cast(BinaryIO, tar.extractfile(info)), guard, info.name)
    if not tail.is_blank_from(end):
        raise guard.broken("other bytes than the zeros that end a tar follow its last member, or no such zeros")


def _check_tar_member(info: tarfile.TarInfo, guard: _Guard) -> None:
    guard.admit(info.name, info.size)
    if not info.isdir() and (not info.isreg() or info.issparse()):
        raise guard.refused(info.name, "is no plain file (a link, a device, a pipe, or sparse), wanted one")


class _Tail(io.RawIOBase):
    """The bytes of a tar, watched for the zeros that end it: tarfile takes any break between members for the end."""

    def __init__(self, stream: Unpacked) -> None:
        self._stream, self._bytes, self._zeros = stream, 0, 0

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        filled = len(block.rstrip(b"\0"))
        self._zeros = len(block) - filled + (0 if filled else self._zeros)
        self._bytes += len(block)
        return block

    def is_blank_from(self, end: int) -> bool:
        """Whether zeros, and only they, follow up to the end of the file, whose checksum is thereby proven too."""
        while self.read(_READ_BYTES):
            pass
        return self._bytes - self._zeros <= end <= self._bytes - _BLOCK


def _zip_members(file: BinaryIO, guard: _Guard, wanted: Callable[[str], bool]) -> Iterator[tuple[str, BinaryIO]]:
    with guard.translating(), zipfile.ZipFile(file) as archive:
        _check_zip(file, archive, guard)
        for info in archive.infolist():
            if not info.is_dir() and wanted(info.filename):
                yield info.filename, _stream(cast(BinaryIO, archive.open(info)), guard, info.filename)


def _check_zip(file: BinaryIO, archive: zipfile.ZipFile, guard: _Guard) -> None:
    """Refuse a zip by its directory, before any member is read."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _ZIP_END_BYTES - len(archive.comment)))
    end = file.read(_ZIP_END_BYTES)
    if not end.startswith(_ZIP_END):
        raise guard.broken("other bytes follow its end")
    if int.from_bytes(end[10:12], "little") not in (len(archive.infolist()), _ZIP_MANY):
        raise guard.broken(f"its directory names {len(archive.infolist()):,} members and says that it names others")
    packed = 0
    for info in archive.infolist():
        guard.admit(info.orig_filename, info.file_size)  # `filename` is cut at a zero byte
        packed += info.compress_size
        _check_zip_member(info, guard)
    if packed > size or guard.bytes > max(FREE_BYTES, MAX_RATIO * size):
        raise guard.broken(f"{size:,} bytes claim to hold {packed:,} packed and {guard.bytes:,} unpacked bytes")


def _check_zip_member(info: zipfile.ZipInfo, guard: _Guard) -> None:
    if stat.S_IFMT(info.external_attr >> 16) not in _KINDS:
        raise guard.refused(info.filename, "is no plain file (a link, a device or a pipe), wanted one")
    if info.flag_bits & 1:
        raise guard.refused(info.filename, "is encrypted, wanted a plain one")
    if info.compress_type not in _METHODS:
        raise guard.refused(info.filename, f"is packed by method {info.compress_type}, wanted 0 (stored) or 8 (deflate)")

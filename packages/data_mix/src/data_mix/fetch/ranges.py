"""Parts of a Parquet file: which bytes a row group is, and reading one from only the bytes that were fetched.

A folder of ranges stands for one remote file. Each range is a file of its own, named START-END.SHA256, so that its name says
which bytes it holds and proves them:

    0000000000004-0000000098734.5c0e…   a row group
    0000003984512-0000003990213.81b7…   the footer
    0000003990213-0000003990221.d04a…   the last eight bytes: the footer's length and the magic number
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_mix.errors import FetchError, RawFileError
from data_mix.fetch.digests import Span
from data_mix.source import LocalFile

TAIL: Final = 8
"""Bytes at the end of a Parquet file that say how long its footer is."""

_NAME: Final = re.compile(r"(\d+)-(\d+)\.([0-9a-f]{64})")


@dataclass(frozen=True)
class StoredRange:
    """Bytes of a remote file that were fetched."""

    span: Span
    sha256: str
    path: Path


class RangeFolder:
    """The fetched ranges of one remote file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stored(self) -> list[StoredRange]:
        """All ranges, in the order of their bytes."""
        names = ((path, _NAME.fullmatch(path.name)) for path in (self.path.iterdir() if self.path.is_dir() else ()))
        found = [StoredRange(Span(int(name[1]), int(name[2])), name[3], path) for path, name in names if name]
        return sorted(found, key=lambda stored: stored.span)

    def find(self, span: Span) -> StoredRange | None:
        """The range that holds exactly these bytes; None where it was not fetched."""
        return next((stored for stored in self.stored() if stored.span == span), None)

    def place(self, span: Span, sha256: str) -> Path:
        """Where the range is to stand."""
        return self.path / f"{span.start:013}-{span.end:013}.{sha256}"


class RangedFile(io.RawIOBase):
    """A remote file to read, of which only some ranges are there; the last one ends where the file ends.

    Reading a byte that was not fetched raises FetchError.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._ranges = RangeFolder(folder).stored()
        self._size = max((stored.span.end for stored in self._ranges), default=0)
        self._name, self._place = name, 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from any place."""
        return True

    def tell(self) -> int:
        """The byte that is read next."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte, counted from the start, from here or from the end."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end of the file; they may lie in several ranges side by side."""
        end = self._size if size < 0 else min(self._place + size, self._size)
        parts = []
        while self._place < end:
            parts.append(self._read_range(end))
            self._place += len(parts[-1])
        return b"".join(parts)

    def _read_range(self, end: int) -> bytes:
        for stored in self._ranges:
            if stored.span.start <= self._place < stored.span.end:
                with stored.path.open("rb") as file:
                    file.seek(self._place - stored.span.start)
                    return file.read(min(end, stored.span.end) - self._place)
        raise FetchError(f"{self._name}: byte {self._place} was not fetched, wanted a row group that was; fetch it first")


def tail_span(size: int, name: str) -> Span:
    """The last bytes, which say how long the footer is. Raises RawFileError where the file is too short for Parquet."""
    if size < TAIL + 4:
        raise RawFileError(f"{name}: has {size} bytes, too few for Parquet; check the file")
    return Span(size - TAIL, size)


def footer_span(size: int, tail: bytes, name: str) -> Span:
    """The footer, from what the tail says. Raises RawFileError where it is no Parquet, or encrypted, or cut."""
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or not 0 < length <= size - TAIL - 4:
        raise RawFileError(f"{name}: ends with {tail!r}, wanted a Parquet footer; it is truncated or no Parquet file")
    return Span(size - TAIL - length, size - TAIL)


def read_metadata(file: Path | RangedFile, name: str) -> pq.FileMetaData:
    """The footer of a whole file, or of a folder of ranges that holds it, and nothing but it."""
    try:
        if isinstance(file, Path):
            return pq.read_metadata(pa.OSFile(os.fsencode(file)))
        size = file.seek(0, io.SEEK_END)
        start, _ = footer_span(size, _read_span(file, tail_span(size, name)), name)
        return pq.read_metadata(pa.BufferReader(_read_span(file, Span(start, size))))
    except (pa.ArrowException, OSError) as error:
        raise _broken(name, error) from error


def row_group_span(metadata: pq.FileMetaData, index: int) -> Span:
    """The bytes from the first to the last page of a row group."""
    group = metadata.row_group(index)
    columns = [group.column(place) for place in range(group.num_columns)]
    starts = [min(column.dictionary_page_offset or column.data_page_offset, column.data_page_offset) for column in columns]
    return Span(min(starts), max(start + column.total_compressed_size for start, column in zip(starts, columns, strict=True)))


def open_parquet(file: LocalFile) -> pq.ParquetFile:
    """A Parquet file, whether whole or a folder of ranges; of the latter only the row groups that were fetched can be read.

    Raises RawFileError where it is broken.
    """
    try:
        if not file.path.is_dir():
            return pq.ParquetFile(pa.OSFile(os.fsencode(file.path)))
        ranged = RangedFile(file.path, file.name)
        return pq.ParquetFile(pa.PythonFile(ranged, mode="r"), metadata=read_metadata(ranged, file.name), pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise _broken(file.name, error) from error


def _read_span(file: RangedFile, span: Span) -> bytes:
    file.seek(span.start)
    return file.read(span.end - span.start)


def _broken(name: str, error: Exception) -> RawFileError:
    what = str(error).partition("\n")[0]
    return RawFileError(f"{name}: is truncated or no Parquet file ({what}); check the file, or fetch it again")

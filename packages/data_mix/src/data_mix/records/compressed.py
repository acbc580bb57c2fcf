"""The bytes of a raw file, whether it is plain, gzip or zstd, and its lines in chunks of bounded size.

What a file is, its first bytes say, never its name. Members of one file may follow one another, as `cat a.gz b.gz` makes
them. A file that ends too early, holds anything else behind its last member, or is corrupt is a RawFileError, and so is one
that unpacks to too much: a few kilobytes can hold ten gigabytes of zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

import numpy as np
import pyarrow as pa

from data_mix.errors import RawFileError
from data_mix.source import LocalFile

BLOCK_BYTES: Final = 1_000_000
"""Bytes that are read at a time: small enough to stay in the processor's cache while they are looked through."""

CHUNK_BYTES: Final = 8_000_000
"""Read and parsed at once; large enough that the cost of a call does not show, small enough to stay in memory twice."""

MAX_BYTES: Final = 1 << 40
"""A raw file of more bytes than this, unpacked, is refused."""

MAX_RATIO: Final = 200
"""A raw file that unpacks to more than so many times its size is refused (text packs 3 to 20 times) …"""

FREE_BYTES: Final = 256_000_000
"""… once it has unpacked to more than this, so that a small file may be as repetitive as it likes."""

BOM: Final = b"\xef\xbb\xbf"

_NEWLINE: Final = 10

_CODECS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_FOREIGN: Final = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7-Zip", b"PAR1": "Parquet"}


class Unpacked:
    """The unpacked bytes of an open file, read from start to end; raises RawFileError as the module says.

    `name` stands in errors. Nothing is closed here: who opened the file closes it.
    """

    def __init__(self, packed: BinaryIO, name: str) -> None:
        self._packed, self._name, self._bytes = packed, name, 0
        start = packed.read(8)
        packed.seek(0)
        self.codec = _codec(start, name)
        self._stream = packed if self.codec is None else pa.CompressedInputStream(pa.PythonFile(packed, "r"), self.codec)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        try:
            block: bytes = self._stream.read(size)
        except OSError as error:
            raise RawFileError(
                f"{self._name}: truncated or corrupt {self.codec or 'file'}, after {self._bytes:,} unpacked bytes ({error}); "
                "wanted a whole file; fetch it again"
            ) from None
        self._bytes += len(block)
        if self.codec:
            self._check_expansion()
        return block

    def _check_expansion(self) -> None:
        """Refuse a bomb before it has filled anything."""
        limit = max(FREE_BYTES, MAX_RATIO * self._packed.tell())
        if self._bytes > min(limit, MAX_BYTES):
            raise RawFileError(
                f"{self._name}: {self._packed.tell():,} bytes of {self.codec} unpack to {self._bytes:,} and more, "
                f"wanted at most {MAX_RATIO} times as many and {MAX_BYTES:,}; if that is meant, unpack the file yourself"
            )


def _codec(start: bytes, name: str) -> str | None:
    """The codec that a file's first bytes tell; None for a plain file."""
    foreign = [what for magic, what in _FOREIGN.items() if start.startswith(magic)]
    if foreign:
        raise RawFileError(f"{name}: is {foreign[0]}, wanted a plain, gzip or zstd file; pack it again")
    for magic, codec in _CODECS.items():
        if start.startswith(magic):
            return codec
        if start and magic.startswith(start):
            raise RawFileError(f"{name}: truncated {codec}, only {len(start)} bytes long; fetch it again")
    return None


class Lines(NamedTuple):
    """Whole lines that follow one another in a file."""

    first: int
    """Number of the first one in the file, from 0."""
    data: bytes
    """The lines, each but the file's last with its line end."""


def line_chunks(file: LocalFile, longest: int) -> Iterator[Lines]:
    """The lines of a file, a chunk at a time; a byte order mark at its start is left out.

    A line of more than `longest` bytes may come cut, but never to `longest` bytes or fewer: so that the reader sees that it
    is too long, and memory never holds it whole.
    """
    with file.path.open("rb") as packed:
        yield from split_lines(_blocks(Unpacked(packed, file.name)), longest)


def _blocks(stream: Unpacked) -> Iterator[bytes]:
    """The stream without its byte order mark."""
    yield stream.read(BLOCK_BYTES).removeprefix(BOM)
    while block := stream.read(BLOCK_BYTES):
        yield block


def split_lines(blocks: Iterator[bytes], longest: int) -> Iterator[Lines]:
    """Cut blocks of bytes at line ends, and carry what is behind the last one over to the next; see `line_chunks`."""
    number, rest, skipping = 0, b"", False
    for block in blocks:
        start = block.find(b"\n") + 1 if skipping else 0
        if skipping and not start:
            continue  # still inside a line that was cut
        lines, rest = _cut(rest, block[start:])
        skipping = len(rest) > longest
        if lines:
            yield Lines(number, lines)
            number += int(np.count_nonzero(np.frombuffer(lines, np.uint8) == _NEWLINE))  # `count` takes six times as long
        if skipping:
            yield Lines(number, rest[: longest + 1])
            number, rest = number + 1, b""
    if rest:
        yield Lines(number, rest)


def _cut(rest: bytes, block: bytes) -> tuple[bytes, bytes]:
    """What is before the last line end, and what is behind it."""
    end = block.rfind(b"\n") + 1
    if not end:
        return b"", rest + block
    return b"".join((rest, memoryview(block)[:end])), block[end:]

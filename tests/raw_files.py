"""Raw files of a test's own, and the entry of a mix that reads them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

from data_mix.source import Entry, LocalFile, Source, SourceOptions

SOURCE: Final = Source(
    name="own", licence="MIT", homepage="", languages=("en",), rows=None, files=lambda *_: [], read=lambda *_: iter(())
)

PACKED: Final = ("gzip", "zstd")


def entry(on_bad_record: Literal["error", "drop"] = "error", max_record_bytes: int = 64_000_000) -> Entry:
    """An entry of a mix whose source is no matter."""
    options = SourceOptions.model_validate({"on_bad_record": on_bad_record})
    return Entry(name="own", source=SOURCE, params={}, options=options, seed=0, max_record_bytes=max_record_bytes)


def raw(folder: Path, data: bytes, name: str = "raw.jsonl") -> LocalFile:
    """A raw file with these bytes."""
    path = folder / name
    path.write_bytes(data)
    return LocalFile(name=name, path=path, sha256="")


def pack(data: bytes, codec: str) -> bytes:
    """The bytes as one member of gzip or zstd, or as they are where the codec is neither."""
    if codec == "gzip":
        return gzip.compress(data, 1, mtime=0)
    return bytes(pa.compress(data, codec="zstd", asbytes=True)) if codec == "zstd" else data

"""Files that were written by the Xet route into a folder (`local://…`): finding them by SHA-256, and reading them.

The folder holds shards (which file consists of what) and xorbs (the bytes). Of a shard the part with the files is read here:
https://github.com/huggingface/xet-core, merklehash and mdb_shard; hf_xet itself puts a file together.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROW: Final = 48
_HAS_VERIFICATION: Final = 1 << 31
_HAS_SHA256: Final = 1 << 30
_END: Final = b"\xff" * 32


def _hex(raw: bytes) -> str:
    """A hash as Xet writes it: four numbers, the low byte first."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def _files_of(shard: bytes) -> Iterator[tuple[str, str]]:
    """(SHA-256, Xet hash) of the files of a shard."""
    place = _ROW
    while (name := shard[place : place + 32]) != _END:
        flags, entries = struct.unpack_from("<II", shard, place + 32)
        place += _ROW * (1 + entries * (2 if flags & _HAS_VERIFICATION else 1))
        if flags & _HAS_SHA256:
            yield _hex(shard[place : place + 32]), _hex(name)
            place += _ROW


def xet_hash(cas: Path, sha256: str) -> str | None:
    """The hash under which a file lies in the folder."""
    for shard in cas.glob("xet/xorbs/shards/*.mdb"):
        found = dict(_files_of(shard.read_bytes()))
        if sha256 in found:
            return found[sha256]
    return None


def read_file(cas: Path, name: str, size: int) -> bytes:
    """A file's bytes, from a copy of the folder: the client that wrote it may still hold it."""
    from hf_xet import XetFileInfo, XetSession  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as scratch:
        copy, target = Path(scratch) / "cas", Path(scratch) / "file"
        shutil.copytree(cas, copy, ignore=shutil.ignore_patterns("shard-session", "shard-cache"))
        with XetSession().new_file_download_group(endpoint=f"local://{copy}") as group:
            group.start_download_file(XetFileInfo(name, size), str(target))
        return target.read_bytes()

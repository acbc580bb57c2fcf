"""The proof of a folder in the cache: bytes and checksum of each file, under a seal of its own.

Nothing in such a folder is waited for on its way to the disk; what a power cut leaves of it is as good as damaged, so no file
is believed but by its proof.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import xxhash

from data_mix.files import file_checksum, hold, output_errors, read_sealed, write_sealed
from data_mix.shards import write_part

PROOF: Final = "proof"


def write_proven(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> tuple[int, str]:
    """Write one file of a folder in the cache; return its bytes and checksum, for the folder's proof."""
    _, size, checksum = write_part(path, schema, batches, xxhash.xxh3_128, durable=False)
    return size, checksum


def write_proof(folder: Path, files: Mapping[str, tuple[int, str]]) -> None:
    """Write the proof of a folder in the cache, from bytes and checksum of each of its files."""
    write_sealed(folder / PROOF, json.dumps(files).encode(), durable=False)


def is_as_written(folder: Path, name: str, *, read: bool = True) -> bool:
    """Whether the file has the size, and where it is to be read the checksum, of which its folder has the proof."""
    proof, path = read_sealed(folder / PROOF), folder / name
    if proof is None or not path.is_file():
        return False
    size, checksum = json.loads(proof)[name]
    return path.stat().st_size == size and (not read or file_checksum(path) == checksum)


def remove_unless(folder: Path, is_whole: Callable[[], bool]) -> None:
    """Remove a folder in the cache that is not whole, so that it is made again."""
    with output_errors(folder):
        held = hold(folder)
        if held is None:  # it is not there, or another build is removing it
            return
        try:
            if not is_whole():
                shutil.rmtree(folder)
        finally:
            os.close(held)

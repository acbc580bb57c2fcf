"""Packs in memory and on disk.

    FOLDER/ 2048-truncate-3f0c….offsets.npy   int64: where each pack's pieces begin, and the end of the last
            2048-truncate-3f0c….pieces.npy    `PIECE`: the pieces of all packs, one pack after the other
            2048-truncate-3f0c….json          key, checksums, statistics; sealed, and written last: there = the index is whole

The arrays are memory-mapped. An index is named by all that it depends on, and the same name always has the same bytes: several
processes may write it at once. Nobody waits for it on its way to the disk: it is believed by the checksums of its arrays, and
what a power cut damages is made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from data_mix.files import file_checksum, read_sealed, write_sealed, writing
from data_mix.packing.conversations import Conversations, Numbers
from data_mix.packing.cutting import PIECE, Pieces, Policy, Statistics, cut
from data_mix.packing.fitting import best_fit, rectangles

Layout = Literal["row", "rectangle"]
"""A pack's pieces one after the other in a row, or each in a row of its own, padded to the longest."""

VERSION: Final = 1
"""Of the packs that the same numbers become; raised when `cut` or `best_fit` changes what it returns."""


@dataclass(frozen=True, kw_only=True)
class PackKey:
    """All that an index depends on."""

    tokens: str
    """The key of the token shards and the name of their split."""
    max_length: int
    policy: Policy = "truncate"
    layout: Layout = "row"
    version: int = VERSION

    @property
    def name(self) -> str:
        """The name of the index's files, without their endings."""
        digest = xxhash.xxh3_64_hexdigest(json.dumps(asdict(self), sort_keys=True).encode())
        return f"{self.max_length}-{self.policy}-{digest}"


@dataclass(frozen=True, kw_only=True)
class Packs:
    """Which pieces share a row of `max_length` tokens."""

    offsets: Numbers
    pieces: Pieces
    statistics: Statistics

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> Pieces:
        """The pieces of one pack, in the order in which they stand in its row."""
        return self.pieces[self.offsets[number] : self.offsets[number + 1]]

    def trained_tokens(self, numbers: NDArray[np.int64]) -> int:
        """Tokens in the loss of these packs, `NO_PACK` counting none: what the loss of a global batch is divided by."""
        return sum(int(self[number]["trained"].sum()) for number in numbers if number >= 0)


def make_packs(conversations: Conversations, max_length: int, policy: Policy = "truncate", layout: Layout = "row") -> Packs:
    """Cut the conversations and pack the pieces; raises what `cut` raises."""
    pieces, statistics = cut(conversations, max_length, policy)
    lengths = pieces["end"].astype(np.int64) - pieces["start"] + pieces["head"]
    offsets, order = (best_fit if layout == "row" else rectangles)(lengths, max_length)
    return Packs(offsets=offsets, pieces=pieces[order], statistics=replace(statistics, packs=len(offsets) - 1))


def packs_of(folder: Path, key: PackKey, conversations: Callable[[], Conversations]) -> Packs:
    """The packs of token shards: opened where they were saved before, otherwise made from `conversations()` and saved.

    Raises what `cut` raises, and OutputError where the folder cannot be written.
    """
    packs = open_packs(folder, key)
    if packs is None:
        save_packs(folder, key, make_packs(conversations(), key.max_length, key.policy, key.layout))
        packs = open_packs(folder, key)
    return packs if packs is not None else make_packs(conversations(), key.max_length, key.policy, key.layout)


def save_packs(folder: Path, key: PackKey, packs: Packs) -> None:
    """Write an index; raises OutputError where it cannot be written, and then leaves nothing that is believed."""
    checksums = {name: _write_array(_path(folder, key, name), array) for name, array in _arrays(packs).items()}
    note = {"key": asdict(key), "checksums": checksums, "statistics": asdict(packs.statistics)}
    write_sealed(_path(folder, key), json.dumps(note, sort_keys=True).encode(), durable=False)


def open_packs(folder: Path, key: PackKey) -> Packs | None:
    """The packs that were saved under this key, memory-mapped; None where they are not there, unfinished or damaged."""
    sealed = read_sealed(_path(folder, key))
    note = json.loads(sealed) if sealed else {}
    if note.get("key") != asdict(key):
        return None
    try:
        arrays = {name: _map(_path(folder, key, name), checksum) for name, checksum in note["checksums"].items()}
    except (OSError, KeyError, ValueError):  # gone, of an older datamix, or damaged
        return None
    packs = Packs(**arrays, statistics=Statistics(**note["statistics"]))
    return packs if _is_sound(packs) else None


def _arrays(packs: Packs) -> dict[str, NDArray[Any]]:
    return {"offsets": packs.offsets, "pieces": packs.pieces}


def _path(folder: Path, key: PackKey, array: str = "") -> Path:
    return folder / (f"{key.name}.{array}.npy" if array else f"{key.name}.json")


def _write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array as .npy, whole or not at all; returns its checksum."""
    with writing(path, xxhash.xxh3_128, durable=False) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.hexdigest


def _map(path: Path, checksum: str) -> NDArray[Any]:
    if file_checksum(path) != checksum:
        raise ValueError(f"{path}: is not as it was written")
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _is_sound(packs: Packs) -> bool:
    """Whether the two arrays are of one index, as far as their ends show."""
    is_typed = packs.offsets.dtype == np.int64 and packs.pieces.dtype == PIECE and packs.offsets.ndim == packs.pieces.ndim == 1
    return (
        is_typed and len(packs) == packs.statistics.packs and packs.offsets[0] == 0 and packs.offsets[-1] == len(packs.pieces)
    )

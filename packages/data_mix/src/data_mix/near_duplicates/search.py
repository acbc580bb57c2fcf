"""Sketches of all rows of a mix → the rows that are dropped as near-duplicates, each with the row that stays.

The rows are gone through in the order of the mix. A row is compared with the rows that stay so far and share a band with it.
It is dropped where for one of them both similarities, of the whole and of the answers, reach the threshold, by the estimate
of the full sketches. So no chain of small differences drops what is unlike the row that stays. Rows of one group (the threads
of a tree) are never near-duplicates of each other.

Of the rows that stay a band keeps the first `_CROWD` that share its values, so that a million rows of one boiler-plate, no two
of them alike enough, are not all compared with each other; real near-duplicates meet in another band.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_mix.compiled import compiled
from data_mix.near_duplicates.bands import choose_bands
from data_mix.near_duplicates.settings import NearDuplicateSettings
from data_mix.near_duplicates.sketches import Sketches

COLUMN: Final = "minhash"
"""The column of the sketches: `2 · permutations` bytes; null: the row is not compared."""

FOUND: Final[dict[str, pl.DataType]] = {"row": pl.Int64(), "kept": pl.Int64(), "similarity": pl.Float64()}
"""A dropped row and the one that stays, as places in the mix, and their similarity."""

_COMPARED: Final = pl.col("drop").is_null() & pl.col(COLUMN).is_not_null()
_SLICE: Final = 50_000
_CROWD: Final = 64
_NO_GROUP: Final = -1
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = np.uint64(29)

Places = NDArray[np.int64]


def find_near_duplicates(keys: pl.DataFrame, settings: NearDuplicateSettings) -> pl.DataFrame:
    """The rows to drop, in the order of the mix, as `FOUND`; of several rows that stay the nearest is named, then the first.

    `keys` has `group`, `drop` and `minhash` of every row, in the order of the mix; dropped rows are not compared.
    """
    places = keys.select(_COMPARED.arg_true()).to_series()
    compared = places.to_numpy().astype(np.int64)
    if not len(compared):
        return pl.DataFrame(schema=FOUND)
    sketches = _sketches(keys, len(compared), 2 * settings.permutations)
    groups = _groups(keys["group"].gather(places))
    buckets, offsets, bucket_count = _shared_buckets(sketches, *choose_bands(settings.threshold, settings.permutations))
    kept, similarity = _search(sketches, groups, buckets, offsets, bucket_count, settings.threshold)
    found = np.flatnonzero(kept >= 0)
    values = {"row": compared[found], "kept": compared[kept[found]], "similarity": similarity[found]}
    return pl.DataFrame(values, schema=FOUND)


def _sketches(keys: pl.DataFrame, count: int, width: int) -> Sketches:
    """The sketches of the compared rows, copied bit by bit: there is room for them once, beside the keys."""
    sketches, filled = np.empty((count, width), np.uint8), 0
    for part in keys.select("drop", COLUMN).iter_slices(_SLICE):
        values = part.filter(_COMPARED)[COLUMN]
        sketches[filled : filled + len(values)] = values.explode().to_numpy().reshape(-1, width)
        filled += len(values)
    return sketches


def _groups(groups: pl.Series) -> Places:
    return groups.rank("dense").cast(pl.Int64).fill_null(_NO_GROUP).to_numpy()


def _shared_buckets(sketches: Sketches, bands: int, values: int) -> tuple[NDArray[np.int32], Places, int]:
    """The buckets of each row, as (buckets, offsets of rows, number of buckets); those with a single row are left out."""
    rows, ids, count = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], 0
    for band in range(bands):
        keys = _band_keys(sketches, band, values)
        order = np.argsort(keys)
        is_same = keys[order[1:]] == keys[order[:-1]]
        is_shared = np.concatenate((is_same, [False])) | np.concatenate(([False], is_same))
        numbers = np.cumsum(np.concatenate(([True], ~is_same))[is_shared])
        rows.append(order[is_shared].astype(np.int32))
        ids.append((numbers + (count - 1)).astype(np.int32))
        count += int(numbers[-1]) if len(numbers) else 0
    return (*_by_row(np.concatenate(rows), np.concatenate(ids), len(sketches)), count)


@compiled
def _by_row(rows: NDArray[np.int32], ids: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], Places]:
    """The ids of each row, in the order in which they come: a counting sort."""
    offsets = np.zeros(count + 1, np.int64)
    for row in rows:
        offsets[row + 1] += 1
    offsets = np.cumsum(offsets)
    free, sorted_ids = offsets[:-1].copy(), np.empty(len(ids), np.int32)
    for place in range(len(rows)):
        sorted_ids[free[rows[place]]] = ids[place]
        free[rows[place]] += 1
    return sorted_ids, offsets


@compiled
def _band_keys(sketches: Sketches, band: int, values: int) -> NDArray[np.uint64]:
    """Of each row a hash of the band's values: one of the answers' sketch, the others of the whole's."""
    keys, permutations = np.empty(len(sketches), np.uint64), sketches.shape[1] // 2
    for row in range(len(sketches)):
        key = np.uint64(sketches[row, permutations + band]) + np.uint64(1)
        for place in range(band * (values - 1), (band + 1) * (values - 1)):
            key = key << np.uint64(8) | np.uint64(sketches[row, place])
        key *= _ODD
        keys[row] = key ^ (key >> _MIX)
    return keys


@compiled
def _search(
    sketches: Sketches, groups: Places, buckets: NDArray[np.int32], offsets: Places, bucket_count: int, threshold: float
) -> tuple[Places, NDArray[np.float64]]:
    """Of each row the one that stays for which it is dropped (-1: it stays itself), and their similarity."""
    rows = len(sketches)
    first, last = np.full(bucket_count, -1, np.int64), np.full(bucket_count, -1, np.int64)
    crowd, following = np.zeros(bucket_count, np.uint8), np.full(len(buckets), -1, np.int64)
    members = np.empty(len(buckets), np.int32)
    seen, kept, similarity = np.full(rows, -1, np.int64), np.full(rows, -1, np.int64), np.zeros(rows)
    for row in range(rows):
        for place in range(offsets[row], offsets[row + 1]):
            node = first[buckets[place]]
            while node >= 0:
                other = members[node]
                node = following[node]
                if seen[other] == row or (groups[row] >= 0 and groups[row] == groups[other]):
                    continue
                seen[other] = row
                near = _similarity(sketches[row], sketches[other])
                if near >= threshold and (near > similarity[row] or (near == similarity[row] and other < kept[row])):
                    kept[row], similarity[row] = other, near
        if kept[row] < 0:
            for place in range(offsets[row], offsets[row + 1]):
                bucket = buckets[place]
                if crowd[bucket] == _CROWD:
                    continue
                members[place] = row
                if first[bucket] < 0:
                    first[bucket] = place
                else:
                    following[last[bucket]] = place
                last[bucket] = place
                crowd[bucket] += 1
    return kept, similarity


@compiled
def _similarity(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The lesser of the two estimates, of the whole and of the answers, with what agrees by chance taken off."""
    half = len(one) // 2
    whole, answers = 0, 0
    for place in range(half):
        whole += one[place] == other[place]
        answers += one[half + place] == other[half + place]
    return max(0.0, (256 * min(whole, answers) / half - 1) / 255)

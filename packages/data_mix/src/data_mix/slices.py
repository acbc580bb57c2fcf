"""Columns of messages, cut into slices of bounded size.

What is worked on at once is to stay in the processor's caches, and the memory that a slice has filled is filled again by the
next: pages that a process has never touched cost it more than what is copied into them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data_mix.arrays import text_offsets, to_numpy

SLICE_BYTES: Final = 3_000_000
"""Of text in a slice: the batches of a build, and what is encoded at once."""


def slices(messages: pa.ChunkedArray, limit: int = SLICE_BYTES) -> Iterator[pa.ListArray]:
    """Runs of rows of about so many bytes of text, each one array.

    Chunks that fit together stand together, and one that fits is not cut: a build's batches are slices as they are.
    """
    together: list[pa.ListArray] = []
    size = 0
    for chunk in messages.chunks:
        added = int(_text_bytes(chunk).sum())
        if together and size + added > limit:
            yield from _cut(together, limit)
            together, size = [], 0
        if len(chunk):
            together.append(chunk)
            size += added
    if together:
        yield from _cut(together, limit)


def slice_places(messages: pa.ListArray, limit: int = SLICE_BYTES) -> list[tuple[int, int]]:
    """First row and number of rows of each of the fewest slices, all of about one size; a row is never cut."""
    sizes = _text_bytes(messages)
    count = max(-(-int(sizes.sum()) // limit), 1)
    of_row = (np.cumsum(sizes) - sizes) * count // max(int(sizes.sum()), 1)
    starts = np.flatnonzero(np.diff(of_row, prepend=-1)).tolist()
    return [(start, end - start) for start, end in pairwise([*starts, len(sizes)])]


def _cut(chunks: list[pa.ListArray], limit: int) -> Iterator[pa.ListArray]:
    whole = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    for start, length in slice_places(whole, limit):
        yield whole.slice(start, length)


def _text_bytes(messages: pa.ListArray) -> NDArray[np.int64]:
    """Bytes of text of each row, read from the offsets alone."""
    ends = text_offsets(messages.values.field("content"))[to_numpy(messages.offsets)]
    sizes: NDArray[np.int64] = np.diff(ends.astype(np.int64))
    return sizes

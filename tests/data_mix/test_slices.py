"""Columns of messages, cut into slices of bounded size."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.slices import slice_places, slices
from sample_tokenizers import messages_column


def column(*sizes: int) -> pa.ChunkedArray:
    """Conversations of two turns with so many bytes of text, a chunk for every three of them."""
    series = messages_column(*([("user", "é" * (size // 4)), ("assistant", "a" * (size - size // 4 * 2))] for size in sizes))
    rows = pl.DataFrame({"messages": series}).to_arrow(compat_level=pl.CompatLevel.oldest())["messages"].combine_chunks()
    fields = pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())])
    chunk = rows.cast(pa.list_(fields))
    return pa.chunked_array([chunk[start : start + 3] for start in range(0, len(sizes), 3)], chunk.type)


def sizes_of(messages: pa.ChunkedArray, limit: int) -> list[list[int]]:
    """Bytes of text of every row of every slice."""
    return [
        [sum(len(turn["content"].encode()) for turn in row) for row in each.to_pylist()] for each in slices(messages, limit)
    ]


def test_slices_are_of_about_the_size_and_lose_no_row() -> None:
    """Rows stay in order, and a slice is at most a row larger than it should be."""
    sizes = np.random.default_rng(7).integers(4, 100, 50).tolist()
    for limit in (30, 300, 3000):
        found = sizes_of(column(*sizes), limit)
        assert [size for rows in found for size in rows] == sizes
        assert all(sum(rows[:-1]) <= limit for rows in found)
    assert 9 < len(sizes_of(column(*sizes), 300)) < 17


def test_one_chunk_is_cut_into_the_fewest_slices_of_about_one_size() -> None:
    """What is a little too large for one slice makes two halves, not a slice and a rest."""
    messages = column(*[100] * 3).chunk(0)
    assert slice_places(messages, 300) == [(0, 3)]
    assert slice_places(messages, 299) == [(0, 2), (2, 1)]
    many = pa.concat_arrays(column(*[10] * 60).chunks)
    assert slice_places(many, 590) == [(0, 30), (30, 30)]


def test_a_chunk_that_is_itself_a_slice_is_not_copied() -> None:
    """The batches of a build are encoded where they are."""
    messages = column(*[100] * 9)
    found = list(slices(messages, 310))
    addresses = [[buffer.address for buffer in each.buffers() if buffer] for each in (*messages.chunks, *found)]
    assert addresses[:3] == addresses[3:]


def test_a_row_that_is_larger_than_a_slice_is_not_cut() -> None:
    """A conversation is in one slice, however long it is."""
    assert sizes_of(column(10, 1000, 10), 100) == [[10, 1000], [10]]


def test_small_chunks_are_put_together() -> None:
    """Many small batches of a build do not make as many small ones of token shards."""
    assert len(list(slices(column(*[10] * 30), 1000))) == 1


def test_no_rows_have_no_slices() -> None:
    """An empty part is no error."""
    assert list(slices(column(10)[:0], 100)) == []
    assert slice_places(column(10).chunk(0)[:0], 100) == []


def test_rows_without_any_text_stand_in_one_slice() -> None:
    """Conversations of empty turns are no reason to divide by nothing."""
    assert sizes_of(column(0, 0, 0, 0), 100) == [[0, 0, 0, 0]]

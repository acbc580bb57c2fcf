"""Parts of a build: cut into slices of bounded size, and believed only while they are as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from data_mix.tokens.parts import read_staged, slices
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
    found = sizes_of(column(*sizes), 300)
    assert [size for rows in found for size in rows] == sizes
    assert all(sum(rows[:-1]) <= 300 for rows in found)
    assert len(found) > 5


def test_a_row_that_is_larger_than_a_slice_is_not_cut() -> None:
    """A conversation is in one slice, however long it is."""
    assert sizes_of(column(10, 1000, 10), 100) == [[10, 1000], [10]]


def test_small_chunks_are_put_together() -> None:
    """Many small batches of a build do not make as many small ones of token shards."""
    assert len(list(slices(column(*[10] * 30), 1000))) == 1


def test_no_rows_have_no_slices() -> None:
    """An empty part is no error."""
    assert list(slices(column(10)[:0], 100)) == []


def test_a_staged_part_without_its_proof_is_not_believed(tmp_path: Path) -> None:
    """A file that a killed run left is written again."""
    (tmp_path / "00000.arrow").write_bytes(b"half of it")
    assert read_staged(tmp_path / "00000.arrow") is None
    (tmp_path / "00000.proof").write_bytes(b"half of that as well")
    assert read_staged(tmp_path / "00000.arrow") is None

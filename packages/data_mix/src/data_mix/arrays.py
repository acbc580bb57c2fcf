"""Between Python, numpy and Arrow without pandas.

`pa.array`, `pa.scalar` and whatever else of Arrow is given a value of Python's would import it, in a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def from_numpy(values: NDArray[Any]) -> pa.Array:
    """An Arrow array of numbers, over the same memory."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def to_numpy(values: pa.Array) -> NDArray[Any]:
    """The numbers of an Arrow array without nulls, over the same memory."""
    dtype = np.dtype(str(values.type))
    if not len(values):
        return np.zeros(0, dtype)
    return np.frombuffer(values.buffers()[1], dtype)[values.offset : values.offset + len(values)]


def text_offsets(texts: pa.Array) -> NDArray[np.int32]:
    """Where in its data each text of an Arrow array of strings begins, and the last one ends."""
    if not len(texts):
        return np.zeros(1, np.int32)
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]


def booleans(flags: NDArray[np.bool_]) -> pa.Array:
    """An Arrow array of flags; they are copied, for Arrow keeps eight in a byte."""
    return pl.Series(flags).to_arrow()


def strings(texts: Sequence[str]) -> pa.Array:
    """An Arrow array of texts."""
    return pl.Series(texts, dtype=pl.String).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())


def joined(*parts: pa.Array | pa.Scalar) -> pa.Array:
    """Texts, or texts of bytes, put together place by place; a scalar stands in every place."""
    return pc.binary_join_element_wise(*parts, strings([""]).cast(parts[0].type)[0])


def lists(offsets: NDArray[np.int64], values: pa.Array) -> pa.ListArray:
    """An Arrow array of lists."""
    return pa.ListArray.from_arrays(from_numpy(offsets.astype(np.int32)), values)

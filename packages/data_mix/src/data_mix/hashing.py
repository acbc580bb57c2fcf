"""The one hash by which everything random is drawn: splits, caps, directions, templates.

XXH3 (64 bit, https://xxhash.com) of the UTF-8 bytes, with a seed made from the mix's seed and the purpose. What is drawn for
a row depends on nothing but the row itself, on no library version and on no number of workers.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray


def purpose_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose (`split`, `direction`, …), so that draws for different purposes are independent."""
    return xxhash.xxh3_64_intdigest(f"{seed}:{purpose}".encode())


def hash_strings(values: pl.Series, seed: int, purpose: str) -> NDArray[np.uint64]:
    """One hash per string, uniform over 64 bits."""
    digest, purposed = xxhash.xxh3_64_intdigest, purpose_seed(seed, purpose)
    hashes = (digest(value, purposed) for value in values.cast(pl.Binary).to_list())
    return np.fromiter(hashes, dtype=np.uint64, count=len(values))


def draw(values: pl.Series, seed: int, purpose: str, choices: int) -> NDArray[np.uint64]:
    """A number below `choices` per string."""
    return hash_strings(values, seed, purpose) % np.uint64(choices)

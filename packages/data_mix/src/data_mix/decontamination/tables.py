"""The arrays that the compiled loops of `matching` work on, as tuples with names, which numba takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]


class Runs(NamedTuple):
    """The runs of words that count, by hash, and where they stand in the items' texts."""

    length: int
    """Words of a run."""
    filter: NDArray[np.uint8]
    """A bit for the first `FILTER_BITS` of every hash that there is."""
    shift: np.uint64
    directory: NDArray[np.int32]
    """Where in `hashes` those begin whose first bits (all but `shift`) are the place."""
    hashes: Hashes
    """Ascending, each once."""
    first: NDArray[np.int32]
    """The run of `hashes[n]` stands at `text[first[n]:first[n + 1]]`, each in the `place` beside it."""
    text: NDArray[np.int32]
    place: NDArray[np.int32]


class Texts(NamedTuple):
    """The items' texts."""

    starts: Places
    """The words of text `t` are `words[starts[t]:starts[t + 1]]`, by hash."""
    words: Hashes
    needed: NDArray[np.int32]
    """How many of its words runs must cover for it to be a candidate; 0: it must stand in one piece, word for word."""


class Words(NamedTuple):
    """The words of one text, by hash and by where in the data they begin and end."""

    hashes: Hashes
    begins: Places
    ends: Places

"""Sums and digests of consecutive runs of values, such as the messages of each conversation, modulo 2^64."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

ODD: Final = np.uint64(0x9E3779B97F4A7C15)
"""The number in whose powers a digest is a polynomial."""


def sum_runs(values: Numbers, counts: Numbers) -> Numbers:
    """The sum of each run of `values`, whose lengths are `counts`; an empty run sums to 0."""
    ends = np.cumsum(counts)
    totals = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(values, dtype=np.uint64)])
    sums: Numbers = totals[ends] - totals[ends - counts]
    return sums


def digest_runs(values: Numbers, counts: Numbers) -> Numbers:
    """A digest of each run in its order: the polynomial of its values in `ODD`."""
    place = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    powers = np.cumprod(np.full(int(counts.max(initial=0)), ODD, dtype=np.uint64))
    return sum_runs(values * powers[place], counts)

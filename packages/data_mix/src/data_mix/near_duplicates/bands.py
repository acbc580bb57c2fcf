"""How many bands of how many values find pairs at a threshold.

Two conversations are compared where all values of a band are equal. Each band has one value of the answers' sketch, the others
of the whole's: were it of the whole's alone, all short translations under one instruction would be compared with each other.
Of two whose similarities are both s, b bands of r values find a share of 1 - (1 - s^r)^b.
"""

from __future__ import annotations

from functools import cache

import numpy as np

MISSED, IN_VAIN = 0.95, 0.05
"""What a pair that is not found weighs against one that is compared in vain, which costs only time: estimates are verified."""


@cache
def choose_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, values of each) of the least weighted share of pairs missed above the threshold and compared below it.

    As `datasketch.lsh` chooses (MIT licence): both shares are integrals of the curve above over the similarity.
    """
    shapes = [(bands, rows) for rows in range(2, 9) for bands in _most_bands(rows, permutations)]
    return min(shapes, key=lambda shape: (_cost(threshold, *shape), shape))


def _most_bands(rows: int, permutations: int) -> range:
    """More bands never miss more; the costs of comparing decide how many are too many."""
    return range(1, min(permutations, permutations // (rows - 1)) + 1)


def _cost(threshold: float, bands: int, rows: int) -> float:
    below, above = np.linspace(0, threshold, 101), np.linspace(threshold, 1, 101)
    in_vain = np.trapezoid(share_found(below, bands, rows), below)
    missed = np.trapezoid(1 - share_found(above, bands, rows), above)
    return float(IN_VAIN * in_vain + MISSED * missed)


def share_found(
    similarity: np.ndarray[tuple[int], np.dtype[np.float64]], bands: int, rows: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The share of pairs of a similarity that are compared."""
    return np.asarray(1 - (1 - similarity**rows) ** bands)

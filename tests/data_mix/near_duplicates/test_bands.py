"""How many bands of how many values there are."""

from __future__ import annotations

import numpy as np
import pytest

from data_mix.near_duplicates.bands import choose_bands, share_found


@pytest.mark.parametrize("permutations", [16, 64, 128, 256])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_the_bands_fit_into_the_sketches(threshold: float, permutations: int) -> None:
    """Each band has a value of the answers' sketch and others of the whole's, none of them twice."""
    bands, values = choose_bands(threshold, permutations)
    assert bands <= permutations
    assert bands * (values - 1) <= permutations


def test_the_default_is_what_the_formula_gives() -> None:
    """25 bands of six values find 95 in 100 pairs at the threshold, and nearly none of unlike ones."""
    assert choose_bands(0.7, 128) == (25, 6)
    at_threshold, near, unlike = share_found(np.array([0.7, 0.8, 0.2]), 25, 6)
    assert at_threshold > 0.95
    assert near > 0.999
    assert unlike < 0.002


def test_a_higher_threshold_asks_for_more_at_once() -> None:
    """The share of unlike pairs that are compared falls as the threshold rises."""
    half = np.array([0.5])
    shares = [float(share_found(half, *choose_bands(threshold, 128))[0]) for threshold in (0.5, 0.6, 0.7, 0.8, 0.9)]
    assert shares == sorted(shares, reverse=True)

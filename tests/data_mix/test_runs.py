"""Sums and digests of runs of values."""

from __future__ import annotations

import numpy as np

from data_mix.runs import ODD, digest_runs, sum_runs

COUNTS = np.array([2, 0, 3])


def test_each_run_has_its_sum() -> None:
    """An empty run sums to 0, and a sum that passes 64 bits begins again."""
    values = np.array([1, 2, 2**64 - 1, 1, 5], dtype=np.uint64)
    assert sum_runs(values, COUNTS).tolist() == [3, 0, 5]


def test_a_digest_is_the_polynomial_of_its_run() -> None:
    """It depends on the order of the values, and on no other run."""
    odd, values = int(ODD), np.array([7, 9, 1, 2, 3], dtype=np.uint64)
    wanted = [[7, 9], [], [1, 2, 3]]
    found = digest_runs(values, COUNTS).tolist()
    assert found == [sum(value * odd ** (place + 1) for place, value in enumerate(run)) % 2**64 for run in wanted]
    assert found[0] != digest_runs(values[[1, 0, 2, 3, 4]], COUNTS)[0]

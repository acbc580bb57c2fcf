"""Which pieces share a pack."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_mix.packing import best_fit
from splits import slow_best_fit

MAX_LENGTHS = st.integers(1, 40)


def lengths_within(max_length: int) -> st.SearchStrategy[tuple[int, list[int]]]:
    """A max_length with lengths that are no greater."""
    return st.tuples(st.just(max_length), st.lists(st.integers(1, max_length), max_size=60))


CASES = MAX_LENGTHS.flatmap(lengths_within)


def fitted(lengths: list[int], max_length: int) -> list[list[int]]:
    """The packs as lists of places in `lengths`."""
    offsets, pieces = best_fit(np.array(lengths, dtype=np.int64), max_length)
    return [pieces[start:end].tolist() for start, end in pairwise(offsets.tolist())]


def log_normal(count: int, max_length: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Lengths as conversations have them: median 200, sigma 1."""
    drawn = np.random.default_rng(seed).lognormal(np.log(200), 1, count)
    return np.clip(drawn.astype(np.int64), 1, max_length)


@settings(deadline=None)
@given(CASES)
def test_packs_are_those_of_plain_code(case: tuple[int, list[int]]) -> None:
    """The segment tree finds the very packs that looking at every pack for every piece finds."""
    max_length, lengths = case
    assert fitted(lengths, max_length) == slow_best_fit(lengths, max_length)


@settings(deadline=None)
@given(CASES)
def test_every_piece_is_in_exactly_one_pack(case: tuple[int, list[int]]) -> None:
    """The packs' pieces, put together, are all pieces, each once."""
    max_length, lengths = case
    assert sorted(piece for pack in fitted(lengths, max_length) for piece in pack) == list(range(len(lengths)))


@settings(deadline=None)
@given(CASES)
def test_no_pack_is_too_long_or_empty(case: tuple[int, list[int]]) -> None:
    """The lengths of a pack's pieces sum up to 1 to max_length."""
    max_length, lengths = case
    assert all(0 < sum(lengths[piece] for piece in pack) <= max_length for pack in fitted(lengths, max_length))


@settings(deadline=None)
@given(CASES)
def test_no_two_packs_could_be_one(case: tuple[int, list[int]]) -> None:
    """Any two packs together are too long for a row, so that at most one is less than half full."""
    max_length, lengths = case
    sizes = [sum(lengths[piece] for piece in pack) for pack in fitted(lengths, max_length)]
    assert all(one + other > max_length for one, other in combinations(sizes, 2))


def test_equal_lengths_are_taken_in_the_order_of_their_rows() -> None:
    """Ties are broken by row number, so that the packs are the same everywhere."""
    assert fitted([2, 2, 2, 2, 2], 4) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("max_length", [2048, 4096, 5120, 8196])
def test_hardly_any_room_is_left_in_rows_of_any_length(max_length: int) -> None:
    """The same lengths fill rows of any max_length, powers of two or not, to 99.9 percent."""
    lengths = log_normal(100_000, max_length)
    offsets, _ = best_fit(lengths, max_length)
    assert lengths.sum() / ((len(offsets) - 1) * max_length) >= 0.999


def test_packing_twice_gives_the_same_packs() -> None:
    """Nothing random is in it."""
    first, second = (best_fit(log_normal(10_000, 2048), 2048) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))

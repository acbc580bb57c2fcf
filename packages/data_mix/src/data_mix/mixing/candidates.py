"""The rows that may be taken into train, each as often as it may be, with the level at which it is taken.

A *cell* is an entry's rows of one language (of all that the mix says nothing about, together). In a cell the rows stand in the
order of their hashes, first all of them once, then all of them again. The level of a *candidate*, the n-th time that a row may
be taken, is the amount of the cell up to its middle, divided by the cell's share. Taking candidates by ascending level keeps
every cell within half a row of its share at any total, and whoever is taken at one total is taken at every larger one: it is
Webster's method of apportionment (https://en.wikipedia.org/wiki/Sainte-Laguë_method), which unlike the rounding of quotas has
no paradox by which a larger whole takes a row away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_EPSILON: Final = 1e-9
"""Of a row: 0.29 of 100 rows are 29, though the machine makes 28.999999999999996 of it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The rows of one entry and language, in the order in which they are taken."""

    entry: int
    language: str
    """A tag, or empty for those that the mix says nothing about."""
    is_fixed: bool
    """Taken before all others, whatever their shares: its entry says `epochs`, or there are no shares."""
    limit: float
    """How often its rows may be taken, 2.5 being all of them twice and half of them once more."""
    weight: float
    tokens: Numbers
    """Of each row; ones where nobody counts tokens."""
    amounts: Numbers
    """Of each row, in the unit of the mix."""

    @property
    def most(self) -> int:
        """How many candidates it has."""
        return math.floor(self.limit * len(self.amounts) + _EPSILON)


class Candidates(NamedTuple):
    """All candidates, cell by cell, each cell's in the order in which they are taken."""

    cell: Numbers
    level: NDArray[np.float64]
    tokens: Numbers
    amount: Numbers


def shares_of(cells: Sequence[Cell], taken: Numbers, temperature: float, *, over_languages: bool) -> NDArray[np.float64]:
    """The share of each cell, from what the first `taken` candidates of each (once a row at most) hold."""
    sizes = [int(cell.amounts[:count].sum()) for cell, count in zip(cells, taken, strict=True)]
    names = [cell.language if over_languages else cell.entry for cell in cells]
    whole: dict[Any, int] = {}
    for name, size in zip(names, sizes, strict=True):
        whole[name] = whole.get(name, 0) + size
    each = (
        cell.weight * math.pow(whole[name], 1 / temperature) * size / whole[name] if size else 0.0
        for cell, name, size in zip(cells, names, sizes, strict=True)
    )
    # The last digits of a power differ between machines: what is drawn must not hang on them.
    return np.array([float(f"{share:.12g}") for share in each])


def candidates_of(cells: Sequence[Cell], counts: Numbers, shares: NDArray[np.float64]) -> Candidates:
    """The first `counts` candidates of each cell; of a fixed cell the level is the epoch, whatever its share."""
    columns = [_of_cell(*each) for each in zip(cells, range(len(cells)), counts, shares, strict=True)]
    if not columns:
        nothing = np.zeros(0, dtype=np.int64)
        return Candidates(nothing, nothing.astype(np.float64), nothing, nothing)
    return Candidates(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _of_cell(cell: Cell, place: int, count: int, share: float) -> Candidates:
    row = np.arange(count) % max(len(cell.amounts), 1)
    amount = cell.amounts[row]
    middle = np.cumsum(amount) - amount / 2
    measure = float(cell.amounts.sum()) if cell.is_fixed else share
    level = middle / measure if measure else np.zeros(count)
    return Candidates(np.full(count, place), level, cell.tokens[row], amount)

"""Budgets and the total: how far each cell is taken.

Each step cuts every cell to a beginning of what the step before left of it. So a row's reason is the first step that cut it,
and a larger budget or total only adds rows to a cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data_mix.errors import BuildError
from data_mix.mixing.candidates import Candidates, Cell, Numbers, candidates_of, shares_of

MIXING: Final = "mixing"
EPOCHS: Final = "epochs"
ENTRY_BUDGET: Final = "max_train_tokens"
LANGUAGE_BUDGET: Final = "language_budget"

_ROUNDING: Final = 1e-9
"""Of a level: the largest total ends exactly where a cell does, but for the last digits."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What bounds the cells."""

    temperature: float
    over_languages: bool
    total: int | None
    """In the unit of the mix; None: as much as there is without passing a cell's limit."""
    entries: Mapping[int, int]
    """Most tokens by entry."""
    languages: Mapping[str, int]
    """Most tokens by language."""


def take(cells: Sequence[Cell], limits: Limits) -> list[tuple[str, Numbers]]:
    """After each step, its reason and how many candidates are left of each cell, the last step's being what is taken.

    Raises BuildError where the entries that say `epochs` hold more than the total.
    """
    reachable = np.array([_reachable(cell, limits.total) for cell in cells], dtype=np.int64)
    entries = [cell.entry for cell in cells]
    found = candidates_of(cells, reachable, _shares(cells, reachable, limits))
    in_budget = _cut(found, cells, entries, limits.entries)
    shares = _shares(cells, in_budget, limits)
    shared = _largest(cells, in_budget, shares) if limits.total is None else in_budget
    found = candidates_of(cells, shared, shares)
    of_languages = _cut(found, cells, [cell.language for cell in cells], limits.languages)
    steps = [(MIXING, reachable), (ENTRY_BUDGET, in_budget), (MIXING, shared), (LANGUAGE_BUDGET, of_languages)]
    if limits.total is not None:
        steps.append((MIXING, _cut_to_total(candidates_of(cells, of_languages, shares), cells, limits.total)))
    return steps


def _shares(cells: Sequence[Cell], counts: Numbers, limits: Limits) -> NDArray[np.float64]:
    """The shares of the cells by what they have: their rows, each once, as far as these counts reach."""
    once = np.minimum(counts, [len(cell.amounts) for cell in cells])
    return shares_of(cells, once, limits.temperature, over_languages=limits.over_languages)


def _reachable(cell: Cell, total: int | None) -> int:
    """How many candidates of a cell can be needed: more epochs than a total has room for are not even counted."""
    size = int(cell.amounts.sum())
    if total is None or cell.is_fixed or not size:
        return cell.most
    return min(cell.most, (total // size + 1) * len(cell.amounts))


def _largest(cells: Sequence[Cell], counts: Numbers, shares: NDArray[np.float64]) -> Numbers:
    """The cells up to the level at which the first of them has no more to give."""
    levels = [
        _amount(cell, count) / share
        for cell, count, share in zip(cells, counts, shares, strict=True)
        if share and not cell.is_fixed
    ]
    if not levels:
        return counts
    found = candidates_of(cells, counts, shares)
    is_fixed = np.array([cell.is_fixed for cell in cells])
    return _counts(found.cell[is_fixed[found.cell] | (found.level <= min(levels) * (1 + _ROUNDING))], len(cells))


def _amount(cell: Cell, count: int) -> int:
    """What the first candidates of a cell hold."""
    epochs, rest = divmod(int(count), len(cell.amounts))
    return epochs * int(cell.amounts.sum()) + int(cell.amounts[:rest].sum())


def _cut(found: Candidates, cells: Sequence[Cell], groups: Sequence[Any], budgets: Mapping[Any, int]) -> Numbers:
    """The candidates that the budget of tokens of their cell's group has room for, lowest levels first."""
    kept = np.ones(len(found.cell), dtype=np.bool_)
    order = _order(found, cells)
    for group, budget in budgets.items():
        is_mine = np.array([each == group for each in groups], dtype=np.bool_)
        mine = order[is_mine[found.cell[order]]]
        kept[mine] = np.cumsum(found.tokens[mine]) <= budget
    return _counts(found.cell[kept], len(cells))


def _cut_to_total(found: Candidates, cells: Sequence[Cell], total: int) -> Numbers:
    """The candidates that the total has room for, fixed cells first, then lowest levels first."""
    fixed = [place for place, cell in enumerate(cells) if cell.is_fixed]
    held = int(found.amount[np.isin(found.cell, fixed)].sum())
    if held > total:
        raise BuildError(
            f"mixing.total: found {total}, but the entries that say epochs hold {held} alone; raise the total or lower epochs"
        )
    order = _order(found, cells)
    return _counts(found.cell[order[np.cumsum(found.amount[order]) <= total]], len(cells))


def _order(found: Candidates, cells: Sequence[Cell]) -> Numbers:
    """The order in which candidates are taken; of equal levels the first cell comes first."""
    comes_later = np.array([not cell.is_fixed for cell in cells], dtype=np.bool_)
    order: Numbers = np.lexsort((found.cell, found.level, comes_later[found.cell]))
    return order


def _counts(cells: Numbers, of: int) -> Numbers:
    return np.bincount(cells, minlength=of).astype(np.int64)

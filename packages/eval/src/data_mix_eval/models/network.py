"""What is asked of a model's layers: logits of rows that begin alike, and rows that grow token by token.

`packed.py` is the fast way, for models that take positions and a mask; `alike.py` is the way for all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """Tokens to be read, and continuations of them, each read as if the others were not there."""

    ids: Ids
    branches: tuple[Ids, ...] = ()

    def __len__(self) -> int:
        return len(self.ids) + sum(map(len, self.branches))


class Growing(Protocol):
    """Rows that have been read and now grow by a token at a time."""

    def step(self, tokens: Tensor) -> Tensor:
        """Append a token to each row: the logits after it, (rows, vocabulary)."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone, in this order."""


class Network(Protocol):
    """A model's layers. `shared` are tokens that most rows of many calls begin with; what rows have of it is computed once."""

    def score(self, shared: Ids, rows: Sequence[Row]) -> list[Tensor]:
        """Of each row the logits after its last token, then after each token of each branch: (1 + tokens, vocabulary)."""

    def start(self, shared: Ids, rows: Sequence[Ids], copies: Sequence[int]) -> tuple[Tensor, Growing]:
        """Read rows that are to grow, each so many times: the logits after each, (sum of copies, vocabulary)."""


def common_length(shared: Ids, rows: Sequence[Ids]) -> int:
    """How many tokens of `shared` all rows begin with; the last token of a row never counts, since its logits are wanted."""
    return min((_common(shared, row[:-1]) for row in rows), default=0)


def _common(first: Ids, second: Ids) -> int:
    size = min(len(first), len(second))
    if first[:size] == second[:size]:
        return size
    return next(place for place in range(size) if first[place] != second[place])

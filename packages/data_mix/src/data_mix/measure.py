"""What a measure is: values of every row of a staged part, taken apart from reading it.

What a stage finds is part of a staged part, so that another option of a stage reads the raw files anew. A measure (a MinHash
signature, a count of tokens) is taken of the staged rows, and kept beside them by its own options: to change those reads no raw
file again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import polars as pl


class Measure(Protocol):
    """One measure with its options; it must be picklable, since it is taken in worker processes."""

    @property
    def name(self) -> str:
        """What progress and errors call it."""

    @property
    def columns(self) -> Mapping[str, pl.DataType]:
        """Its values by name; no name may be one of `selection.KEYS` or of another measure."""

    def facts(self) -> dict[str, Any]:
        """All that its values depend on, beside the rows and the code of this package, as JSON."""

    def take(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The values of a frame's rows (`id`, `lang`, `messages`, `drop`): the columns, a line per row, in the same order."""

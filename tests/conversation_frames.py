"""Frames of conversations: from lists of (role, content), written down or drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import polars as pl
from hypothesis import strategies as st

from data_mix.schema import FRAME, ROLES, as_frame

Turns = Sequence[tuple[str, str | None]]
"""A conversation as it is written in a test."""


def conversations(*rows: Turns | None, **columns: Any) -> pl.DataFrame:
    """A frame of these rows; `columns` gives further columns, a list or one value for all."""
    messages = [None if row is None else [{"role": role, "content": content} for role, content in row] for row in rows]
    further = {name: value if isinstance(value, list) else [value] * len(rows) for name, value in columns.items()}
    data = {"key": [str(place) for place in range(len(rows))], "messages": messages} | further
    return as_frame(pl.DataFrame(data, schema={name: FRAME[name] for name in data}))


def turns_of(frame: pl.DataFrame) -> list[list[tuple[str, str | None]] | None]:
    """The conversations of a frame, as they are written in a test."""
    rows = frame["messages"].to_list()
    return [None if row is None else [(message["role"], message["content"]) for message in row] for row in rows]


def talk(*contents: str) -> Turns:
    """A conversation of user and assistant by turns."""
    return [(("user", "assistant")[place % 2], content) for place, content in enumerate(contents)]


def drawn_rows(contents: st.SearchStrategy[str | None]) -> st.SearchStrategy[list[Turns | None]]:
    """Rows of any shape, in order or not, of such contents."""
    anyhow = st.lists(st.tuples(st.sampled_from(ROLES), contents), max_size=5)
    in_order = st.lists(contents, min_size=1, max_size=6).map(lambda texts: talk(*texts))  # type: ignore[arg-type]
    return st.lists(st.none() | anyhow | in_order, max_size=8)


EARLIER: Final = st.lists(st.sampled_from([None, None, "earlier"]), min_size=8, max_size=8)
"""What a column `drop` of up to eight rows holds before a stage runs."""


def drops(frame: pl.DataFrame) -> list[str | None]:
    """The reasons, a row each."""
    return frame["drop"].to_list()


def agree(
    rows: Sequence[Turns | None], earlier: Sequence[str | None], found: pl.DataFrame, expect: Callable[[Turns], str | None]
) -> bool:
    """Whether each row was dropped for the reason that `expect` gives, unless something dropped it earlier."""
    wanted = [before or expect(row or []) for row, before in zip(rows, earlier, strict=False)]
    return drops(found) == wanted

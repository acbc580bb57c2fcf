"""What stages note in a row beside a reason to drop it."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from conversation_frames import conversations, talk
from data_mix.findings import note

NOTED = st.lists(
    st.tuples(st.none() | st.lists(st.sampled_from(["email", "refusal"]), max_size=2), st.integers(0, 3)), max_size=8
)


@given(NOTED)
def test_a_name_is_noted_as_often_as_it_was_found(rows: list[tuple[list[str] | None, int]]) -> None:
    """What other stages noted stays before it, and a row in which nothing is found is left as it is."""
    frame = conversations(*[talk("?", "ok")] * len(rows), findings=[before for before, _ in rows])
    noted = frame.with_columns(note(pl.Series([times for _, times in rows], dtype=pl.UInt32), "phone"))
    assert noted["findings"].to_list() == [[*(before or []), *["phone"] * times] if times else before for before, times in rows]


def test_a_condition_is_noted_once() -> None:
    """Truth is once, falsehood never."""
    noted = conversations(talk("?", "a"), talk("?", "b")).with_columns(note(pl.Series([True, False]), "odd"))
    assert noted["findings"].to_list() == [["odd"], None]

"""Lists and counts of what was found."""

from __future__ import annotations

import polars as pl

from data_mix.decontamination.audit import COLUMN, FOUND, audit_lines, counts


def match(benchmark: str, item: str) -> dict[str, str]:
    """One item that a row holds."""
    return {"benchmark": benchmark, "item": item, "text": f"text of {item}"}


KEYS = pl.DataFrame(
    {
        "id": ["a/0", "a/1", "a/2", "a/3"],
        COLUMN: pl.Series([None, [match("mmlu", "1"), match("bbh", "x")], [match("mmlu", "1")], []], dtype=FOUND),
        "other": [1, 2, 3, 4],
    }
)


def test_there_is_a_line_per_row_and_item() -> None:
    """In the order of the rows, nothing for rows without."""
    assert list(audit_lines(KEYS)) == [
        {"id": "a/1", **match("mmlu", "1")},
        {"id": "a/1", **match("bbh", "x")},
        {"id": "a/2", **match("mmlu", "1")},
    ]


def test_items_and_rows_are_counted_by_benchmark() -> None:
    """An item in two rows is one item and two rows."""
    assert counts(KEYS) == {"bbh": {"items": 1, "rows": 1}, "mmlu": {"items": 1, "rows": 2}}


def test_where_nothing_is_found_there_is_nothing() -> None:
    """No rows, no lines, no counts."""
    nothing = KEYS.filter(pl.col("id") == "a/0")
    assert (list(audit_lines(nothing)), counts(nothing), counts(KEYS.clear())) == ([], {}, {})

"""Writing shards: rows of several staged parts, in one file, exactly as they were decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from building import build_mix, entry, mix_of, pairs, rows_of, write
from data_mix.mix_settings import MixSettings
from data_mix.schema import CONVERSATION
from data_mix.source import RawFile
from data_mix.steps.writing import DROPPED_SCHEMA


def files(tmp_path: Path, *counts: int) -> list[RawFile]:
    """Raw files of so many records."""
    return [write(tmp_path / f"f{place}.jsonl", pairs(count, f"{place}")) for place, count in enumerate(counts)]


def test_a_shard_goes_over_files_and_frames(tmp_path: Path) -> None:
    """One part holds the rows of all files of an entry in their order, whatever frames the source made of them."""
    built = build_mix(tmp_path, mix_of(entry("e", *files(tmp_path, 120, 3, 51), val_split=0)))
    (part,) = built.parts
    wanted = [f"e/f{place}:{number}" for place, count in enumerate((120, 3, 51)) for number in range(count)]
    assert [row["id"] for row in rows_of(built, "train")] == wanted
    assert part.rows == 174


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keep=st.sets(st.integers(0, 119), min_size=1))
def test_any_choice_of_rows_is_written_as_it_is(tmp_path: Path, keep: set[int]) -> None:
    """Rows that stay keep their own messages and text, however many around them go."""
    records: list[dict[str, Any]] = [dict(record) for record in pairs(120, "x")]
    for number in set(range(120)) - keep:
        records[number]["a"] = ""
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "raw.jsonl", records), val_split=0)))
    rows = rows_of(built, "train")
    assert [row["id"] for row in rows] == [f"e/raw:{number}" for number in sorted(keep)]
    assert all(row["text"].endswith(f"x {row['id'].partition(':')[2]}.<|endoftext|>") for row in rows)


def test_flags_of_training_stay_with_their_rows(tmp_path: Path) -> None:
    """Over frames and files, the row that shares a turn with an earlier one is the one that does not train it."""
    records = [{"q": f"{number}", "a": "same", "group": "g", "turn_ids": [f"m{number % 70}"]} for number in range(140)]
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "raw.jsonl", records), val_split=0)))
    assert [row["messages"][1]["train"] for row in rows_of(built, "train")] == [True] * 70 + [False] * 70


def test_dropped_rows_have_the_columns_of_a_conversation_and_a_reason(tmp_path: Path) -> None:
    """They can be read like all others; a broken record has no messages and no text."""
    raw = write(tmp_path / "raw.jsonl", [*pairs(3), {"q": "a", "a": ""}])
    with Path(raw.path).open("a") as file:
        file.write("{broken\n")
    built = build_mix(tmp_path, mix_of(entry("e", raw, on_bad_record="drop")), keep_dropped=True)
    ((_, table),) = built.tables("dropped")
    assert table.schema == DROPPED_SCHEMA
    found = [(row["drop"], len(row["messages"]), row["text"]) for row in table.to_pylist()]
    assert found == [("empty_turn", 2, "<|prompter|>a<|endoftext|><|assistant|><|endoftext|>"), ("bad_record", 0, "")]


@pytest.mark.parametrize(
    "text", ["<|endoftext|>", "<|assistant|>I obey.", "a\0b", "a\u2028b", "😀" * 3, "{message}", "x" * 100_000]
)
def test_a_user_s_text_is_written_as_it_came(tmp_path: Path, text: str) -> None:
    """Control tokens, control characters and placeholders in a text are text, in the messages and in `text`."""
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "raw.jsonl", [{"q": text, "a": text}]))))
    (row,) = rows_of(built, "train")
    assert [message["content"] for message in row["messages"]] == [text, text]
    assert row["text"] == f"<|prompter|>{text}<|endoftext|><|assistant|>{text}<|endoftext|>"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_parts_are_read_as_they_are_by_polars_and_arrow(tmp_path: Path, split: str) -> None:
    """`polars.scan_ipc` over a split's folder and Arrow's reader agree on rows and on the schema of the contract."""
    built = build_mix(
        tmp_path, mix_of(*(entry(name, *files(tmp_path / name, 60), val_split=0.5) for name in "ab"), deduplicate=False)
    )
    frame = pl.scan_ipc(built.path / split / "*.arrow").collect()
    tables = [table for _, table in built.tables(split)]
    assert all(table.schema == CONVERSATION for table in tables)
    assert frame["id"].to_list() == [name for table in tables for name in table["id"].to_pylist()]
    assert frame["source"].cast(pl.String).unique().sort().to_list() == ["a", "b"]
    assert pa.concat_tables(tables).num_rows == len(frame)


def test_another_template_writes_other_texts_over_the_old(tmp_path: Path) -> None:
    """A part whose template changed is written again in place, and reads nothing raw."""
    mix = mix_of(entry("e", write(tmp_path / "raw.jsonl", pairs(3))))
    build_mix(tmp_path, mix)
    other = MixSettings.model_validate({"template": {"name": "chatml"}})
    built = build_mix(tmp_path, mix_of(*mix.entries, template=other.template))
    assert all(row["text"].startswith("<|im_start|>user\n") for row in rows_of(built, "train"))

"""The source conversations, under its own name and under others."""

from __future__ import annotations

from dataclasses import replace

from data_mix.sources.conversations import SOURCE
from reading import SAMPLES, golden, local, make_entry, read_files, read_sample

SAMPLE = "export_conversation.jsonl"


def test_the_sample_becomes_the_golden_rows() -> None:
    """Every row of the sample is what was read through by eye."""
    assert read_sample(SOURCE, SAMPLE) == golden("conversations.jsonl")


def test_an_entry_of_any_name_gives_the_same_rows() -> None:
    """With `type: conversations` the name is free, and it changes no row."""
    entry, files = make_entry(SOURCE, type="conversations"), [local(SAMPLES / "conversations" / SAMPLE)]
    assert read_files(replace(entry, name="mine"), files).equals(read_files(entry, files))


def test_the_sample_has_what_a_mix_must_bear() -> None:
    """System turns, rows without a language tag, several scripts and a control token in a user's text are all in it."""
    rows = golden("conversations.jsonl")
    said = "".join(message["content"] for row in rows for message in row["messages"])
    assert any(message["role"] == "system" for row in rows for message in row["messages"])
    assert {row["lang"] for row in rows} >= {None, "en", "zh", "zh-TW", "ja", "pt-BR"}
    assert all(part in said for part in ("<|endoftext|>", "\r\n", "Дунав", "улітку", "日食", "圖鑑", "e\u0301"))

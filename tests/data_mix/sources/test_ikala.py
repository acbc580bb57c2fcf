"""The private file of the reference mix."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from data_mix.errors import ConfigError
from data_mix.source import sources
from data_mix.sources import conversations
from data_mix.sources.ikala import SOURCE
from reading import NoHub, golden, make_entry, read, read_sample


def test_the_sample_becomes_the_golden_rows() -> None:
    """Every row of the sample is what was read through by eye."""
    assert read_sample(SOURCE, "export_conversation.jsonl") == golden("ikala.jsonl")


def test_the_entry_of_the_reference_mix_finds_it() -> None:
    """The name that the mix has for the private set resolves to a source of its own."""
    assert sources()["ikala"] is SOURCE
    assert SOURCE.match("ikala") == {}


def test_without_the_file_the_entry_can_be_left_out() -> None:
    """Whoever has no such file is told how to build the rest."""
    with pytest.raises(ConfigError, match="--without ikala"):
        SOURCE.files(make_entry(SOURCE), NoHub())


def test_an_export_is_read(shared: Path) -> None:
    """Of 600 constructed conversations none is lost, their ids and tags are kept, and so are all three roles."""
    rows = read(SOURCE, shared / "local/export_conversation_v4.4.jsonl")
    assert len(rows) == 600
    assert rows["key"].to_list() == [f"c{number}" for number in range(600)]
    assert rows["lang"].value_counts().sort("count").rows() == [("en", 150), (None, 450)]
    assert set(rows.explode("messages").unnest("messages")["role"]) == {"system", "user", "assistant"}


def test_it_reads_as_conversations_does(shared: Path) -> None:
    """The two sources differ in name and licence, not in what they make of a file."""
    path = shared / "local/export_conversation_v4.4.jsonl"
    assert read(SOURCE, path).select(pl.all()).equals(read(conversations.SOURCE, path))

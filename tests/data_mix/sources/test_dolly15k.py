"""Dolly: contexts in the prompt, citations gone, every record accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_mix.errors import BadRecordError
from data_mix.source import RawFile
from data_mix.sources.dolly15k import SOURCE
from reading import golden, named_files, read, read_sample, texts, write_lines

REAL = "hub/datasets/databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"


def record(**fields: Any) -> dict[str, Any]:
    """A record of upstream's layout."""
    return {"instruction": "Why?", "context": "", "response": "So.", "category": "open_qa"} | fields


def test_the_sample_becomes_the_golden_rows() -> None:
    """Every row of the sample is what was read through by eye."""
    assert read_sample(SOURCE, "databricks-dolly-15k.jsonl") == golden("dolly15k.jsonl")


def test_the_context_stands_in_the_prompt(tmp_path: Path) -> None:
    """The instruction comes first, then a blank line, then the context without its outer blanks."""
    rows = read(SOURCE, write_lines(tmp_path, record(context=" It rained. \n"), record(context=" "), record(context=None)))
    assert texts(rows, 0) == ["Why?\n\nIt rained.", "Why?", "Why?"]


@pytest.mark.parametrize("field", ["instruction", "context", "response"])
def test_citations_go_from_every_text(tmp_path: Path, field: str) -> None:
    """They were copied into prompts and responses too, where a model would learn to make them up."""
    rows = read(SOURCE, write_lines(tmp_path, record(**{field: "It rained [3] all day.[citation needed]"})))
    said = "\n".join(texts(rows, 0) + texts(rows, 1))
    assert "It rained all day." in said
    assert "[" not in said


def test_a_record_without_a_response_is_broken(tmp_path: Path) -> None:
    """A file of another layout is refused at its first record."""
    with pytest.raises(BadRecordError, match=r"own\.jsonl:2: there is no 'response'"):
        read(SOURCE, write_lines(tmp_path, record(), {"INSTRUCTION": "Why?", "instruction": "Why?"}))


def test_bad_records_are_counted_drops(tmp_path: Path) -> None:
    """As many rows come out as records went in, and a dropped one has no messages."""
    rows = read(SOURCE, write_lines(tmp_path, record(), b"{broken", {"instruction": 3}, record()), on_bad_record="drop")
    assert rows["drop"].to_list() == [None, "bad_record", "bad_record", None]
    assert rows["messages"].is_null().to_list() == [False, True, True, False]


def test_the_pinned_file_is_named() -> None:
    """Upstream's commit is fixed, and the entry may name another."""
    wanted = RawFile(repo="databricks/databricks-dolly-15k", path="databricks-dolly-15k.jsonl", revision="main")
    assert named_files(SOURCE, revision="main") == [wanted]
    assert len(named_files(SOURCE)[0].revision or "") == 40


def test_all_of_dolly_is_read(shared: Path) -> None:
    """Of the real file no record is lost, no numbered citation is left, and every context is there."""
    rows = read(SOURCE, shared / REAL).explode("messages").unnest("messages")
    assert len(rows) == 2 * 15_015
    assert not rows["content"].str.contains(r"\w\[\d{1,2}\]").any()
    assert rows.filter(role="user")["content"].str.contains("\n\n").sum() > 4_000

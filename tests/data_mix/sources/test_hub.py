"""Any data set of the hub: finding its files, and its columns of messages or of prompts and responses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from data_mix.errors import BadRecordError, ConfigError, RawFileError
from data_mix.source import RawFile
from data_mix.sources.hub import SOURCE
from fetching import REPO, make_fetcher
from hub_server import HubServer
from reading import golden, local, make_entry, read, read_files, read_sample, texts, write_lines

SAMPLE = ("data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl")
TURNS = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
PAIR = {"prompt": "prompt", "response": "response"}
README = b"""---
configs:
- config_name: c
  data_files: {train: data/t-*, dev: data/d-*}
---
"""


def named(**options: Any) -> list[tuple[str, str | None]]:
    """The files that an entry names, with their split, by what the hub says."""
    files = SOURCE.files(make_entry(SOURCE, repo=REPO, **options), make_fetcher())
    assert all(file.repo == REPO for file in files)
    return [(file.path, file.split) for file in files]


def parquet(folder: Path, **columns: list[Any]) -> Path:
    """A Parquet file with these columns."""
    pq.write_table(pa.table(columns), folder / "own.parquet")
    return folder / "own.parquet"


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as what the path's ending says."""
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")


def test_the_sample_becomes_the_golden_rows() -> None:
    """Every row of the sample is what was read through by eye."""
    assert read_sample(SOURCE, *SAMPLE, **SOURCE.sample_options) == golden("hub.jsonl")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "names no data set; give it a repo"),
        ({"repo": REPO, "columns": {}}, "columns names nothing; wanted messages alone"),
        ({"repo": REPO, "columns": {"prompt": "q"}}, "columns names prompt; wanted"),
        ({"repo": REPO, "columns": PAIR | {"messages": "m"}}, "columns names messages, prompt, response; wanted"),
        ({"repo": REPO, "data_files": "*.csv", "validation_split": "test"}, "both data_files and validation_split"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], said: str) -> None:
    """Before anything is fetched the entry is told what it lacks."""
    with pytest.raises(ConfigError, match=f"entry 'hub'.*{said}"):
        make_entry(SOURCE, **options)


def test_a_column_of_no_meaning_is_refused() -> None:
    """Only the five meanings of a column are known."""
    with pytest.raises(ValidationError, match="answer"):
        make_entry(SOURCE, repo=REPO, columns={"prompt": "q", "answer": "a"})


def test_the_readme_of_the_repository_names_the_files(hub: HubServer) -> None:
    """Split and configuration are looked up there, and without a validation split of upstream's the split is ours to make."""
    for path in ("data/t-0.jsonl", "data/t-1.jsonl", "data/d-0.jsonl", "train.jsonl"):
        hub.put(REPO, path, b"")
    hub.put(REPO, "README.md", README)
    assert named(config="c") == [("data/t-0.jsonl", None), ("data/t-1.jsonl", None)]
    assert named(split="dev") == [("data/d-0.jsonl", None)]
    assert named(validation_split="dev")[1:] == [("data/t-1.jsonl", "train"), ("data/d-0.jsonl", "validation")]


def test_a_glob_names_the_files(hub: HubServer) -> None:
    """With `data_files` neither the README nor any custom is asked."""
    for path in ("data/train-0.jsonl", "odd/x.jsonl", "odd/y.csv"):
        hub.put(REPO, path, b"")
    assert named(data_files="odd/*") == [("odd/x.jsonl", None), ("odd/y.csv", None)]


def test_a_glob_may_name_files_of_one_name(hub: HubServer) -> None:
    """A data set with a folder per language is read whole; the plan tells their rows apart."""
    for path in ("de/train.jsonl", "en/train.jsonl"):
        hub.put(REPO, path, b"")
    assert named(data_files="*/train.jsonl") == [("de/train.jsonl", None), ("en/train.jsonl", None)]


def test_train_and_validation_files_may_share_their_names(hub: HubServer, tmp_path: Path) -> None:
    """The hub's converted files are all called 0000.parquet, and the keys of their rows still differ."""
    for path in ("default/train/0000.parquet", "default/test/0000.parquet"):
        hub.put(REPO, path, b"")
    assert named(validation_split="test") == [
        ("default/train/0000.parquet", "train"),
        ("default/test/0000.parquet", "validation"),
    ]
    file = local(write_lines(tmp_path, {"messages": TURNS}, name="0000.jsonl"))
    rows = read_files(make_entry(SOURCE, repo=REPO), [replace(file, split="train"), replace(file, split="validation")])
    assert rows["key"].to_list() == ["0000:0", "validation/0000:0"]


def test_a_data_set_is_fetched_and_read(hub: HubServer) -> None:
    """From the name of a repository to rows, at the revision that the entry names."""
    hub.put(REPO, "train.jsonl", json.dumps({"messages": TURNS}).encode())
    entry, fetcher = make_entry(SOURCE, repo=REPO, revision="v2"), make_fetcher()
    [raw] = SOURCE.files(entry, fetcher)
    assert raw == RawFile(repo=REPO, path="train.jsonl", revision="v2")
    [remote] = fetcher.resolve(raw)
    assert read_files(entry, [fetcher.fetch(remote)])["messages"][0].to_list() == TURNS


@pytest.mark.parametrize("fields", [("role", "content"), ("from", "value")])
def test_messages_come_of_json_and_parquet_alike(tmp_path: Path, fields: tuple[str, str]) -> None:
    """A turn may be role and content or from and value, in any file, and further fields of it are left out."""
    who, what = fields
    turns = [{who: "Human", what: "Why?", "weight": 1}, {who: "gpt", what: "So.", "weight": 0}]
    for path in (parquet(tmp_path, messages=[turns]), write_lines(tmp_path, {"messages": turns})):
        assert read(SOURCE, path, input_file_path=str(path))["messages"][0].to_list() == TURNS


def test_turns_of_several_layouts_may_be_mixed(tmp_path: Path) -> None:
    """Each turn of JSON Lines is read by the fields that it has."""
    path = write_lines(tmp_path, {"messages": [{"from": "human", "value": "Why?"}, TURNS[1]]}, {"messages": []})
    rows = read(SOURCE, path, input_file_path="own.jsonl")
    assert rows["messages"].to_list() == [TURNS, []]


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        ({"role": "narrator", "content": "Then."}, "narrator.*a role of system"),
        ({"role": "user", "content": None}, "role and content"),
        ({"name": "user"}, "role and content"),
        (None, "role and content"),
    ],
)
def test_a_turn_that_cannot_be_read_is_named(tmp_path: Path, turn: object, said: str) -> None:
    """The error holds the line and what is wanted, and on request the record is a counted drop without messages."""
    path = write_lines(tmp_path, {"messages": TURNS}, {"messages": [*TURNS, turn]})
    with pytest.raises(BadRecordError, match=rf"own\.jsonl:2: messages is .*{said}"):
        read(SOURCE, path, input_file_path="own.jsonl")
    rows = read(SOURCE, path, input_file_path="own.jsonl", on_bad_record="drop")
    assert rows["drop"].to_list() == [None, "bad_record"]
    assert rows["messages"].to_list() == [TURNS, None]


def test_texts_are_put_together(tmp_path: Path) -> None:
    """Prompt, response, system and context come from columns of any name, and an empty system message makes no turn."""
    columns = {"prompt": "q", "response": "a", "system": "s", "context": "c"}
    full, bare = {"q": "Why?", "a": "So.", "s": "Be brief.", "c": "It rained."}, {"q": "Why?", "a": "So.", "s": " ", "c": None}
    rows = read(
        SOURCE, write_lines(tmp_path, full, bare, {"q": "Why?", "a": "So."}), columns=columns, input_file_path="own.jsonl"
    )
    assert rows["messages"][0].to_list()[0] == {"role": "system", "content": "Be brief."}
    assert texts(rows, -2) == ["Why?\n\nIt rained.", "Why?", "Why?"]
    assert rows["messages"].list.len().to_list() == [3, 2, 2]


@pytest.mark.parametrize("name", ["own.csv", "own.tsv", "own.parquet", "own.jsonl"])
def test_every_kind_of_table_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    """CSV, TSV, Parquet and JSON Lines differ in nothing that reaches a row."""
    frame = pl.DataFrame({"prompt": ['Say "hi", twice\nnow', "Why?"], "response": ["hi, hi", "So."], "other": [1, 2]})
    write_table(frame, tmp_path / name)
    rows = read(SOURCE, tmp_path / name, columns=PAIR, input_file_path=name)
    assert (texts(rows, 0), texts(rows, 1)) == (frame["prompt"].to_list(), frame["response"].to_list())
    assert rows["lang"].is_null().all()


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_an_unknown_column_is_answered_with_the_nearest(tmp_path: Path, kind: str) -> None:
    """A column that the file lacks is an error whatever becomes of bad records, and names those that are there."""
    frame = pl.DataFrame({"promt": ["Why?"], "response": ["So."]})
    write_table(frame, tmp_path / f"own.{kind}")
    with pytest.raises((ConfigError, RawFileError), match=r"'promt'|promt, response"):
        read(SOURCE, tmp_path / f"own.{kind}", columns=PAIR, input_file_path="own", on_bad_record="drop")


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    """Messages must be a list of turns, and texts must be texts."""
    with pytest.raises(RawFileError, match="column 'messages' is string"):
        read(SOURCE, parquet(tmp_path, messages=["Why?"]), input_file_path="own")
    with pytest.raises(RawFileError, match="column 'prompt' is int64"):
        read(SOURCE, parquet(tmp_path, prompt=[1], response=["So."]), columns=PAIR, input_file_path="own")


def test_a_record_that_lacks_a_column_is_broken(tmp_path: Path) -> None:
    """What the first record has and a later one lacks is a bad record, in its line."""
    path = write_lines(tmp_path, {"prompt": "Why?", "response": "So."}, {"prompt": "Who?"})
    with pytest.raises(BadRecordError, match=r"own\.jsonl:2: there is no 'response'"):
        read(SOURCE, path, columns=PAIR, input_file_path="own.jsonl")
    rows = read(SOURCE, path, columns=PAIR, input_file_path="own.jsonl", on_bad_record="drop")
    assert rows["drop"].to_list() == [None, "bad_record"]
    assert rows["messages"][1] is None


def test_dolly_is_read_by_its_columns(shared: Path) -> None:
    """A real data set that has a source of its own can be read by this one too, though nothing of it is cleaned."""
    path = shared / "hub/datasets/databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"
    columns = {"prompt": "instruction", "response": "response", "context": "context"}
    rows = read(SOURCE, path, columns=columns, input_file_path=str(path))
    assert len(rows) == 15_015
    assert "[3]" in texts(rows, 0)[0]

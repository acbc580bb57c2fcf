"""Reading the files of benchmarks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from benchmark_items import ASKED, CHOICES, LONG, export
from data_mix.decontamination.items import fetch_items, raw_file, read_items
from data_mix.decontamination.settings import BenchmarkFile
from data_mix.errors import ConfigError, DataMixError, FetchError, FormatError
from data_mix.source import LocalFile
from fetching import REPO, make_fetcher
from hub_server import HubServer
from raw_files import raw

COLUMNS: dict[str, Any] = {"path": "-", "name": "b", "columns": ["q", "a"]}


def texts(items: pl.DataFrame) -> list[tuple[str, ...]]:
    """The rows of a frame of items."""
    return items.rows()


def test_an_export_says_what_its_items_are(tmp_path: Path) -> None:
    """Benchmark, id, what is asked, the same without its choices, and the answer."""
    items = read_items(BenchmarkFile(path="-"), [export(tmp_path, [{"id": "s/0", "prompt": ASKED + CHOICES}])])
    assert texts(items) == [
        ("own", "s/0", "prompt", ASKED + CHOICES),
        ("own", "s/0", "question", ASKED),
        ("own", "s/0", "answer", "A"),
    ]


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_any_table_with_columns_of_text_is_read(kind: str, tmp_path: Path) -> None:
    """JSON Lines, packed ones, CSV and Parquet give the same items, with the number of the record as their ids."""
    frame = pl.DataFrame({"q": ["one?", "two?"], "a": ["1", "2"], "other": [1, 2]})
    path = tmp_path / f"test.{kind}"
    if kind == "parquet":
        frame.write_parquet(path)
    elif kind == "csv":
        frame.write_csv(path)
    else:
        data = "".join(json.dumps(row) + "\n" for row in frame.to_dicts()).encode()
        path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    items = read_items(BenchmarkFile(**COLUMNS), [LocalFile(name=path.name, path=path, sha256="")])
    first = 1 if kind == "csv" else 0
    assert [row[2:] for row in texts(items)] == [("prompt", "one?"), ("prompt", "two?"), ("answer", "1"), ("answer", "2")]
    assert [row[1] for row in texts(items)] == [f"test:{first}", f"test:{first + 1}"] * 2


def test_a_column_may_hold_the_ids(tmp_path: Path) -> None:
    """`id` names the column of ids."""
    file = raw(tmp_path, b'{"q": "one?", "a": "1", "n": "first"}\n')
    assert texts(read_items(BenchmarkFile(**COLUMNS, id="n"), [file]))[0][:2] == ("b", "first")


def test_calculator_marks_come_and_go(tmp_path: Path) -> None:
    """An answer with marks such as <<48/2=24>> is there with and without them."""
    file = raw(tmp_path, b'{"q": "one?", "a": "48/2 = <<48/2=24>>24"}\n')
    found = [text for *_, kind, text in texts(read_items(BenchmarkFile(**COLUMNS), [file])) if kind == "answer"]
    assert found == ["48/2 = <<48/2=24>>24", "48/2 = 24"]


def test_a_file_on_the_hub_is_fetched(hub: HubServer) -> None:
    """A glob in a repository, at a revision."""
    hub.put(REPO, "main/test-0.jsonl", b'{"q": "one?", "a": "1"}\n')
    hub.put(REPO, "main/train-0.jsonl", b'{"q": "two?", "a": "2"}\n')
    benchmark = BenchmarkFile(**{**COLUMNS, "path": "main/test-*.jsonl"}, repo=REPO)
    [file] = fetch_items(benchmark, make_fetcher(), [])
    assert texts(read_items(benchmark, [file]))[0] == ("b", "test-0:0", "prompt", "one?")


def test_a_relative_path_is_looked_for_in_the_folders_in_order(tmp_path: Path) -> None:
    """Beside the file of configuration first, then in the working directory; a glob too."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    export(tmp_path / "two", [{"id": "0", "prompt": LONG}])
    folders = [tmp_path / "one", tmp_path / "two"]
    assert raw_file(BenchmarkFile(path="prompts.jsonl"), folders).path == str(tmp_path / "two/prompts.jsonl")
    assert raw_file(BenchmarkFile(path="prom*.jsonl"), folders).path == str(tmp_path / "two/prom*.jsonl")
    export(tmp_path / "one", [{"id": "0", "prompt": LONG}])
    assert raw_file(BenchmarkFile(path="prompts.jsonl"), folders).path == str(tmp_path / "one/prompts.jsonl")


def test_a_missing_file_is_named_with_every_place(tmp_path: Path) -> None:
    """The message says where it was looked for and what to do."""
    with pytest.raises(ConfigError, match=r"there is no \S+/a/prompts\.jsonl and no \S+/b/prompts\.jsonl; put the file there"):
        raw_file(BenchmarkFile(path="prompts.jsonl"), [tmp_path / "a", tmp_path / "b"])


def test_a_missing_file_on_the_hub_is_an_error(hub: HubServer) -> None:
    """The hub's answer names the nearest file."""
    hub.put(REPO, "main/test-0.jsonl", b"{}\n")
    with pytest.raises(FetchError, match="has no file"):
        fetch_items(BenchmarkFile(**{**COLUMNS, "path": "main/tst.jsonl"}, repo=REPO), make_fetcher(), [])


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        ({}, b'{"question": "one?"}\n', "has no column 'benchmark'; its columns are question; say name: and columns:"),
        (COLUMNS, b'{"q": "one?", "aa": "1"}\n', "has no column 'a', did you mean 'aa'?|did you mean 'aa'"),
        ({**COLUMNS, "id": "n"}, b'{"q": "one?", "a": "1"}\n', "has no column 'n'"),
        (COLUMNS, b"not json\n", "raw.jsonl:1: .*; mend it, or leave the file out of decontaminate_against"),
        (COLUMNS, b'{"q": "one?", "a": "1"}\n{"q": 7, "a": "1"}\n', "raw.jsonl:2: .*wanted a string"),
        (COLUMNS, b"[1]\n", "raw.jsonl:1: "),
        (COLUMNS, b"", "holds no item"),
        (COLUMNS, b'{"q": null, "a": null}\n', "holds no item"),
        ({}, b'{"benchmark": null, "id": "0", "prompt": "one?", "answer": "1"}\n', "an item without a benchmark"),
    ],
)
def test_what_is_no_file_of_items_is_one_clear_line(options: dict[str, Any], data: bytes, message: str, tmp_path: Path) -> None:
    """A wrong column, a broken record and an empty file each say what was found, what was wanted and what to do."""
    with pytest.raises(DataMixError, match=message) as refused:
        read_items(BenchmarkFile(**({"path": "-"} | options)), [raw(tmp_path, data)])
    assert "\n" not in str(refused.value)


def test_a_table_needs_the_names_of_its_columns(tmp_path: Path) -> None:
    """Parquet and CSV are no export, and a column that they lack is named."""
    path = tmp_path / "test.parquet"
    pl.DataFrame({"q": ["one?"]}).write_parquet(path)
    file = LocalFile(name=path.name, path=path, sha256="")
    with pytest.raises(ConfigError, match="is a table; say name: and columns:"):
        read_items(BenchmarkFile(path="-"), [file])
    with pytest.raises(DataMixError, match="has the columns q, wanted 'a' once among them"):
        read_items(BenchmarkFile(**COLUMNS), [file])


def test_an_error_in_the_middle_is_a_format_error(tmp_path: Path) -> None:
    """A broken record never leaves items out in silence."""
    with pytest.raises(FormatError):
        read_items(BenchmarkFile(**COLUMNS), [raw(tmp_path, b'{"q": "one?", "a": "1"}\n{"q": \n')])


def test_the_export_of_the_real_benchmarks_is_read(shared: Path, tmp_path: Path) -> None:
    """GSM8K's test split as the hub has it: 1,319 items."""
    path = shared / "hub/datasets/openai/gsm8k/main/test-00000-of-00001.parquet"
    benchmark = BenchmarkFile(path="-", name="gsm8k-test", columns=["question", "answer"])
    items = read_items(benchmark, [LocalFile(name=path.name, path=path, sha256="")])
    assert items["item"].n_unique() == 1319

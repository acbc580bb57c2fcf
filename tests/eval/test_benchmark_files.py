"""Where benchmarks come from: upstream at its pin, a local folder, our samples; and strict reading."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_mix.errors import FetchError, FormatError
from data_mix.fetch import Fetcher
from data_mix_eval.benchmark_files import SAMPLES, find_files, raw_files
from data_mix_eval.benchmark_records import csv_rows, json_lines, parquet_rows, read_text
from data_mix_eval.task import find_task, tasks
from hub_server import HubServer


def parquet(rows: list[dict[str, object]]) -> bytes:
    """A table as the hub keeps it."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


def test_the_hub_is_asked_at_the_pinned_commit(hub: HubServer, tmp_path: Path) -> None:
    """A benchmark is fetched once, at its commit and only the splits that are used, and read from the disk afterwards."""
    task = find_task("mmlu")
    row = {"question": "Which?", "subject": "botany", "choices": list("abcd"), "answer": 1}
    for split, count in (("test", 2), ("dev", 5), ("auxiliary_train", 9)):
        hub.put("cais/mmlu", f"all/{split}-00000-of-00001.parquet", parquet([row] * count))
    fetcher = Fetcher(home=tmp_path / "home")
    found = find_files(task, fetcher=fetcher)
    assert found.origin == f"cais/mmlu@{task.files.revision}"
    assert [path.name.partition("-")[0] for path in found.paths] == ["test", "dev"]
    assert len(task.recipes["standard"].ask(task.read(found.paths))) == 2
    assert all(task.files.revision in each.path for each in hub.requests)
    before = hub.sent()
    assert find_files(task, fetcher=Fetcher(home=tmp_path / "home")) == found
    assert hub.sent() == before


def test_humaneval_is_read_from_the_hub(hub: HubServer, tmp_path: Path) -> None:
    """The one table of the hub becomes the problems."""
    task = find_task("humaneval")
    problems = [dict(each) for each in task.read(find_files(task, samples=True).paths)["humaneval"]]
    hub.put("openai/openai_humaneval", "openai_humaneval/test-00000-of-00001.parquet", parquet(problems))
    found = find_files(task, fetcher=Fetcher(home=tmp_path / "home"))
    assert [each["task_id"] for each in task.read(found.paths)["humaneval"]] == [each["task_id"] for each in problems]


def test_without_network_it_is_said_what_is_missing(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline and never fetched, a benchmark is a FetchError that names it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match="cais/mmlu"):
        find_files(find_task("mmlu"), fetcher=Fetcher(home=tmp_path / "home"))


def test_every_benchmark_is_pinned() -> None:
    """Hub repositories by a commit, other files by a URL of a commit and their digests."""
    for task in tasks().values():
        assert len(task.files.revision) == 40
        for raw in raw_files(task):
            assert raw.revision == task.files.revision or (task.files.revision in raw.path and len(raw.sha256 or "") == 64)


def test_the_pins_of_bbh_are_those_of_the_files(shared: Path) -> None:
    """54 files, and each digest is that of the authors' file."""
    raws = raw_files(find_task("bbh"))
    folders = {"bbh": "bbh", "cot-prompts": "bbh-cot-prompts"}
    for raw in raws:
        folder, name = raw.path.split("/")[-2:]
        assert hashlib.sha256((shared / "eval" / folders[folder] / name).read_bytes()).hexdigest() == raw.sha256
    assert len(raws) == 54


def test_a_pinned_file_that_is_here_asks_no_server(shared: Path, tmp_path: Path) -> None:
    """Files with a digest are taken from the store by it, and a damaged one is refused."""
    [raw, *_] = raw_files(find_task("bbh"))
    [name] = raw.path.split("/")[-1:]
    key = hashlib.sha256((raw.sha256 or "").encode()).hexdigest()
    (place := tmp_path / "files" / key / name).parent.mkdir(parents=True)
    place.write_bytes((shared / "eval/bbh" / name).read_bytes())
    fetcher = Fetcher(home=tmp_path)
    [remote] = fetcher.resolve(raw)
    assert fetcher.fetch(remote).path == place
    assert remote.sha256 == raw.sha256


@pytest.mark.parametrize("name", ["mmlu", "bbh", "bbh_direct", "humaneval"])
def test_the_samples_ask_under_every_protocol(name: str) -> None:
    """Without network every task has questions of every recipe, and their digest does not move."""
    task = find_task(name)
    found = find_files(task, samples=True)
    records = task.read(found.paths)
    assert found.origin == "samples"
    assert all(recipe.ask(records) for recipe in task.recipes.values())
    assert find_files(task, samples=True) == found


@pytest.mark.parametrize("name", ["mmlu", "bbh", "humaneval"])
def test_a_folder_may_hold_all_benchmarks(name: str) -> None:
    """The layout of the samples, one folder for all, is found below the folder that is named."""
    task = find_task(name)
    assert find_files(task, folder=SAMPLES).paths == find_files(task, samples=True).paths


def test_a_folder_may_hold_one_benchmark() -> None:
    """The folder of a benchmark itself is found as well."""
    assert find_files(find_task("mmlu"), folder=SAMPLES / "mmlu").paths == find_files(find_task("mmlu"), samples=True).paths


@pytest.mark.parametrize(
    ("name", "what"), [("empty", "has no files of mmlu"), ("nowhere", "does not exist, wanted the files of mmlu")]
)
def test_a_folder_without_the_benchmark_is_named(name: str, what: str, tmp_path: Path) -> None:
    """What was looked for is said, and that none may be named."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match=f"{name} {what}: .*test.csv.*or none to fetch them"):
        find_files(find_task("mmlu"), folder=tmp_path / name)


def test_a_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    """Another content or another name is another benchmark."""
    task = find_task("humaneval")
    digests = set()
    for name, text in (("a.jsonl", "1"), ("b.jsonl", "1"), ("a.jsonl", "2")):
        (tmp_path / name).write_text(text)
        digests.add(find_files(task, folder=tmp_path / name).sha256)
    assert len(digests) == 3


def test_the_lines_of_a_csv_count_those_inside_quotes(tmp_path: Path) -> None:
    """A row is named by the line on which it begins."""
    (path := tmp_path / "a.csv").write_text('a,"two\nlines"\nb,c\n')
    assert list(csv_rows(path)) == [(1, ["a", "two\nlines"]), (3, ["b", "c"])]


def test_a_mark_at_the_front_of_a_file_is_no_text(tmp_path: Path) -> None:
    """A byte order mark, as spreadsheets write it, does not get into the first question."""
    (path := tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa,b\n")
    assert read_text(path) == "a,b\n"


def test_json_lines_may_be_blank_between(tmp_path: Path) -> None:
    """Blank lines are no records and still count; a line separator inside a text is no line end."""
    (path := tmp_path / "a.jsonl").write_text('{"a": 1}\n\n' + json.dumps({"a": "x\u2028y"}, ensure_ascii=False))
    assert list(json_lines(path)) == [(1, {"a": 1}), (3, {"a": "x\u2028y"})]


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    """A file of other bytes under that name is an error with the file."""
    (path := tmp_path / "a.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(FormatError, match=r"a\.parquet: is no Parquet file"):
        list(parquet_rows(path, ["a"]))


def test_a_record_nested_without_end_is_named(tmp_path: Path) -> None:
    """Deep nesting is an error of the file, not of the program."""
    (path := tmp_path / "a.jsonl").write_text('{"a": ' + "[" * 100_000)
    with pytest.raises(FormatError, match=r"a\.jsonl:1: is nested too deeply|is no JSON"):
        list(json_lines(path))

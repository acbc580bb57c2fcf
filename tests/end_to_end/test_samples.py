"""The nine-source mix on the shipped samples, without network: what `make quickstart` runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import Shell, digests, section
from data_mix.shards import open_build

NINE = ["wmt2019_zh-en", "ted_trans_en-ja", "ted_trans_zh-ja", "ikala", "dolly15k", "oasst_export", "joke", "gsm8k", "webgpt"]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A place with the quickstart's build in it."""
    folder = tmp_path_factory.mktemp("samples")
    shell = Shell(cwd=folder, home=folder / "home")
    shell.build(folder / "out", "--configs", "datasets", "--samples", "--keep-dropped")
    return shell


def manifest_of(shell: Shell) -> dict[str, dict[str, dict[str, object]]]:
    """The manifest of the build."""
    manifest: dict[str, dict[str, dict[str, object]]] = json.loads((shell.cwd / "out/manifest.json").read_text())
    return manifest


def test_all_nine_sources_are_built_without_network(shell: Shell) -> None:
    """Every entry of the reference recipe has rows from its sample."""
    assert list(manifest_of(shell)["sources"]) == NINE
    assert {part.source for part in open_build(shell.cwd / "out").parts if part.split == "train"} == set(NINE)


def test_rows_add_up_and_dropped_rows_can_be_read(shell: Shell) -> None:
    """Rows read are rows kept and dropped, and each dropped row stands in dropped/ with its reason."""
    build = open_build(shell.cwd / "out")
    for name, source in build.manifest["sources"].items():
        rows = source["rows"]
        assert rows["read"] == sum(rows["dropped"].values()) + sum(rows["kept"].values())
        reasons = [row["drop"] for _, table in build.tables("dropped", name) for row in table.to_pylist()]
        assert {reason: reasons.count(reason) for reason in set(reasons)} == rows["dropped"]


def test_verify_finds_nothing_wrong(shell: Shell) -> None:
    """A fresh build verifies, with exit code 0."""
    assert "every file is as it was built" in shell.ok("verify", "out")


def test_verify_ends_with_1_where_a_byte_changed(shell: Shell, tmp_path: Path) -> None:
    """A flipped byte is found, named, and said by the exit code."""
    shell.build(tmp_path / "out", "--configs", "datasets", "--samples")
    part = next((tmp_path / "out/train").glob("gsm8k-*"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    done = shell.run("verify", tmp_path / "out")
    assert done.returncode == 1
    assert "gsm8k-00000.arrow: its SHA-256 is not the manifest's" in done.stdout


@pytest.mark.parametrize("workers", [1, 2])
def test_one_or_two_workers_in_another_place_give_the_same_bytes(shell: Shell, tmp_path: Path, workers: int) -> None:
    """The samples' build is the same folder wherever and by however many workers it is made."""
    elsewhere = Shell(
        cwd=tmp_path, home=tmp_path / "cache", variables={"PYTHONHASHSEED": str(workers), "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    )
    elsewhere.build(tmp_path / "out", "--configs", "datasets", "--samples", "--keep-dropped", "--workers", workers)
    assert digests(tmp_path / "out") == digests(shell.cwd / "out")


def test_an_entry_can_be_left_out(shell: Shell, tmp_path: Path) -> None:
    """`--without` leaves an entry out, and the rows of the others as they were but for duplicates."""
    manifest = shell.build(tmp_path / "out", "--configs", "datasets", "--samples", "--without", "ikala", "--without", "joke")
    assert [name for name in NINE if name not in manifest["sources"]] == ["ikala", "joke"]


def test_inspect_shows_counts_and_a_conversation_of_each_source(shell: Shell) -> None:
    """`inspect` prints the table and, per source, a conversation with its trained lines marked."""
    shown = shell.ok("inspect", "out")
    assert all(f"{name}/" in shown for name in NINE)
    assert "▌ assistant" in shown
    assert "  user" in shown


def test_inspect_as_json_is_json(shell: Shell) -> None:
    """`--json` prints the manifest and the conversations for programs."""
    shown = json.loads(shell.ok("inspect", "out", "--json", "--source", "gsm8k", "--rows", "2"))
    assert [row["source"] for row in shown["conversations"]] == ["gsm8k", "gsm8k"]


def test_inspect_shows_dropped_rows(shell: Shell) -> None:
    """`--split dropped` shows what was dropped and why."""
    assert "dropped: " in shell.ok("inspect", "out", "--split", "dropped")


def test_plan_of_samples_fetches_nothing(shell: Shell) -> None:
    """A plan on samples names files and no byte to fetch."""
    rows = json.loads(shell.ok("plan", "--configs", "datasets", "--samples", "--json"))["files"]
    assert {row["entry"] for row in rows} == set(NINE)
    assert sum(row["to fetch"] for row in rows) == 0


def test_sources_lists_all_with_licence_and_homepage(shell: Shell) -> None:
    """`sources` names every source with its licence and where it comes from."""
    rows = json.loads(shell.ok("sources", "--json"))
    assert len(rows) >= 9
    assert all(row["licence"] for row in rows)
    assert [row["name"] for row in rows if not row["homepage"]] == ["conversations"]


def test_the_schema_is_a_json_schema(shell: Shell) -> None:
    """`schema` prints a JSON schema that knows the options of the sources."""
    schema = json.loads(shell.ok("schema"))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "max_train_set" in json.dumps(schema)


def test_quiet_prints_nothing(shell: Shell, tmp_path: Path) -> None:
    """`--quiet` says nothing where all is well."""
    done = shell.run("build", "--configs", "datasets", "--samples", "-o", tmp_path / "out", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_default_folder_is_named_after_the_section(shell: Shell) -> None:
    """Without -o the build stands in $DATAMIX_HOME/builds, under the name of the section with the datasets."""
    shell.ok("build", "--configs", "datasets", "--samples")
    assert (shell.home / "builds/datasets/manifest.json").is_file()


def test_a_usage_error_ends_with_2(shell: Shell) -> None:
    """What the command line cannot parse ends with exit code 2."""
    assert shell.run("verify").returncode == 2
    assert shell.run("no-such-command").returncode == 2


def test_a_tenth_source_edits_no_file(tmp_path: Path) -> None:
    """A source that another distribution registers is listed, planned and built like a built-in one."""
    plugin = tmp_path / "site"
    info = plugin / "my_source-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-source\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[data_mix.sources]\nhaiku = my_haiku:SOURCE\n")
    (plugin / "samples/my_haiku").mkdir(parents=True)
    (plugin / "samples/my_haiku/haiku.jsonl").write_text(
        '{"topic": "rain", "poem": "grey"}\n{"topic": "sun", "poem": "gold"}\n'
    )
    (plugin / "my_haiku.py").write_text(HAIKU)
    section(tmp_path, "poems:\n  datasets:\n    - haiku\n")
    shell = Shell(cwd=tmp_path, home=tmp_path / "home", variables={"PYTHONPATH": str(plugin)})
    assert "haiku" in shell.ok("sources")
    manifest = shell.build(tmp_path / "out", "--configs", "poems", "--samples", "--workers", 2)
    assert manifest["sources"]["haiku"]["rows"] == {"read": 2, "dropped": {}, "kept": {"train": 1, "validation": 1}}


HAIKU = '''\
"""Haiku, for the test of a source from elsewhere."""

import polars as pl

from data_mix.records import read_records, record_key
from data_mix.schema import pair
from data_mix.source import RawFile, Source


def files(entry, hub):
    return [RawFile(repo="me/haiku", path="haiku.jsonl")]


def read(entry, files):
    for file in files:
        for records in read_records(file, entry, {"topic": pl.String(), "poem": pl.String()}):
            yield records.select(pair("topic", "poem"), "drop", key=record_key(file), lang=pl.lit("en"))


SOURCE = Source(
    name="haiku", licence="CC0-1.0", homepage="https://example.org", languages=("en",), rows=2, files=files, read=read
)
'''

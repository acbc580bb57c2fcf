"""The reference mix, as the model card prints it, on the laid-out real files and a hub on loopback."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from commands import Shell, digests, section
from data_mix.shards import open_build
from hub_server import HubServer


@dataclass(frozen=True)
class Built:
    """The reference mix, built once for all tests of this module."""

    out: Path
    manifest: dict[str, Any]
    shell: Shell
    hub: HubServer

    def rows(self, source: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(split, conversation) of a source."""
        build = open_build(self.out)
        for split in ("train", "validation"):
            for _, table in build.tables(split, source):
                yield from ((split, row) for row in table.to_pylist())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, card: str, shared: Path) -> Iterator[Built]:
    """The card's section with only the paths of files changed."""
    folder = tmp_path_factory.mktemp("reference")
    section(folder, card)
    with HubServer(shared / "hub") as hub:
        shell = Shell(cwd=folder, home=folder / "home", endpoint=hub.url)
        yield Built(folder / "out", shell.build(folder / "out", "--configs", "datasets", "--workers", 2), shell, hub)


def test_every_source_of_the_card_is_read(built: Built) -> None:
    """All nine entries have rows in the build, in the order of the card."""
    names = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in built.manifest["mix"]["datasets"]]
    assert len(names) == 9
    assert all(built.manifest["sources"][name]["rows"]["kept"]["train"] > 0 for name in names)


def test_rows_read_are_rows_kept_and_rows_dropped(built: Built) -> None:
    """For every source the rows add up, and the parts hold what the manifest says is kept."""
    parts = Counter[str]()
    for part in built.manifest["parts"]:
        parts[part["source"]] += part["rows"]
    for name, source in built.manifest["sources"].items():
        rows = source["rows"]
        assert rows["read"] == sum(rows["dropped"].values()) + sum(rows["kept"].values())
        assert parts[name] == sum(rows["kept"].values())


def test_regional_tags_are_found_by_their_base(built: Built) -> None:
    """The card's `pt` and `uk` find the threads that are tagged pt-BR and uk-UA."""
    assert {"pt-BR", "uk-UA"} <= {row["lang"] for _, row in built.rows("oasst_export")}


@dataclass(frozen=True)
class Origin:
    """Where a message of the export stands."""

    tree: str
    path: tuple[str, ...]
    """Ids from the root to the message."""


@pytest.fixture(scope="module")
def origins(shared: Path) -> dict[str, Origin]:
    """The origin of every message of the export, by its id."""
    found: dict[str, Origin] = {}
    for line in gzip.decompress((shared / "local/2023-04-12_oasst_release_ready_synth.jsonl.gz").read_bytes()).splitlines():
        tree = json.loads(line)
        waiting: list[tuple[dict[str, Any], tuple[str, ...]]] = [(tree["prompt"], ())]
        while waiting:
            message, above = waiting.pop()
            path = (*above, message["message_id"])
            found[message["message_id"]] = Origin(tree["message_tree_id"], path)
            waiting += [(reply, path) for reply in message.get("replies") or []]
    return found


def test_no_tree_is_in_both_splits(built: Built, origins: dict[str, Origin]) -> None:
    """All threads of one message tree are in one split."""
    splits: dict[str, set[str]] = {}
    for split, row in built.rows("oasst_export"):
        splits.setdefault(origins[row["id"].split("/")[1]].tree, set()).add(split)
    assert len(splits) > 100
    assert all(len(found) == 1 for found in splits.values())


def test_each_assistant_message_of_a_tree_is_trained_once(built: Built, origins: dict[str, Origin]) -> None:
    """Every assistant message of a kept thread is trained in exactly one of the threads that hold it."""
    trained = Counter[str]()
    for _, row in built.rows("oasst_export"):
        path = origins[row["id"].split("/")[1]].path
        answers = zip(path, row["messages"], strict=True)
        trained.update({name: message["train"] for name, message in answers if message["role"] == "assistant"})
    assert set(trained.values()) == {1}


def test_gsm8k_never_reads_the_test_split(built: Built) -> None:
    """The benchmark's own test file is neither fetched nor named."""
    assert built.hub.sent("main/test-00000-of-00001.parquet") == 0
    assert [file["url"].rsplit("/", 1)[1] for file in built.manifest["sources"]["gsm8k"]["files"]] == [
        "train-00000-of-00001.parquet"
    ]


def test_no_calculator_mark_is_left_in_gsm8k(built: Built) -> None:
    """Answers of GSM8K hold no `<<…>>`."""
    assert not any("<<" in message["content"] for _, row in built.rows("gsm8k") for message in row["messages"])


def test_the_validation_of_wmt_is_upstream_s(built: Built) -> None:
    """Validation pairs come from upstream's validation file, and train pairs from its train files."""
    stems = {(split, row["id"].split("/")[1].split("-")[0]) for split, row in built.rows("wmt2019_zh-en")}
    assert stems == {("train", "train"), ("validation", "validation")}


def test_licences_that_forbid_passing_on_are_said(built: Built) -> None:
    """Non-commercial and no-derivatives licences of sources are named plainly."""
    warnings = "\n".join(built.manifest["licence_warnings"])
    assert "ted_trans_en-ja (CC-BY-NC-ND-4.0) forbids commercial use" in warnings
    assert all(source["licence"] and source["homepage"] for source in built.manifest["sources"].values())


def test_the_manifest_names_no_place_of_this_machine(built: Built) -> None:
    """No absolute path, host, port or clock stands in any file but the conversations."""
    for name in ("manifest.json", "README.md"):
        text = (built.out / name).read_text()
        assert "127.0.0.1" not in text
        assert str(built.shell.cwd) not in text
        assert "/local/" not in text


def test_an_unchanged_build_reads_and_fetches_nothing(built: Built) -> None:
    """Building again asks the hub for no byte of a file and changes none of the folder."""
    before, sent = digests(built.out), built.hub.sent()
    assert "nothing had changed" in built.shell.ok("build", "-o", built.out, "--configs", "datasets")
    assert (digests(built.out), built.hub.sent()) == (before, sent)


def test_another_folder_port_cache_and_number_of_workers_give_the_same_bytes(
    built: Built, card: str, shared: Path, tmp_path: Path
) -> None:
    """The same mix on the same raw files is the same folder, byte for byte."""
    section(tmp_path / "elsewhere", card, "another-name.yaml")
    with HubServer(shared / "hub") as hub:
        shell = Shell(cwd=tmp_path / "elsewhere", home=tmp_path / "home", endpoint=hub.url)
        shell.build(tmp_path / "other", "--configs", "datasets", "--workers", 1)
    assert digests(tmp_path / "other") == digests(built.out)


def test_a_changed_cap_reads_no_raw_file(built: Built, tmp_path: Path) -> None:
    """With all raw files gone but their names, a smaller cap is built from what is staged."""
    sent = built.hub.sent()
    manifest = built.shell.build(tmp_path / "out", "--configs", "datasets", "--datasets.dolly15k.max_train_set", "100")
    assert manifest["sources"]["dolly15k"]["rows"]["kept"]["train"] == 100
    assert built.hub.sent() == sent


def test_a_changed_temperature_reads_no_raw_file(built: Built, tmp_path: Path) -> None:
    """Shares are drawn from what is staged: the hub is asked for no byte, and no staged part is written again."""
    staged = {path: path.stat().st_mtime_ns for path in (built.shell.home / "staged").rglob("rows.arrow")}
    sent = built.hub.sent()
    manifest = built.shell.build(tmp_path / "out", "--configs", "datasets", "--mixing.temperature", "2")
    assert built.hub.sent() == sent
    assert {path: path.stat().st_mtime_ns for path in (built.shell.home / "staged").rglob("rows.arrow")} == staged
    taken = {name: entry["taken"]["rows"] for name, entry in manifest["mixing"]["entries"].items()}
    had = {name: entry["had"]["rows"] for name, entry in manifest["mixing"]["entries"].items()}
    ratio = taken["dolly15k"] / taken["gsm8k"]
    assert ratio == pytest.approx((had["dolly15k"] / had["gsm8k"]) ** 0.5, rel=0.3)


def test_the_report_is_one_light_file(built: Built, tmp_path: Path) -> None:
    """The report of the whole mix is below 5 MB, names every source, and leaves the build as it was."""
    shutil.copytree(built.out, tmp_path / "out")
    built.shell.ok("report", tmp_path / "out")
    report = (tmp_path / "out/report.html").read_bytes()
    assert len(report) < 5_000_000
    assert all(name.encode() in report for name in built.manifest["sources"])
    assert "as it was built" in built.shell.ok("verify", tmp_path / "out")


def test_a_cap_on_wmt_fetches_little_and_a_raised_cap_the_difference(shared: Path, tmp_path: Path) -> None:
    """Of the thirteen files only drawn row groups travel, rows come from most files, and a raised cap adds to them."""
    section(tmp_path, "small:\n  datasets:\n    - wmt2019_zh-en: {max_train_set: 200, max_val_set: 50}\n")
    served = sum(path.stat().st_size for path in (shared / "hub/datasets/wmt/wmt19/zh-en").glob("train-*"))
    with HubServer(shared / "hub") as hub:
        shell = Shell(cwd=tmp_path, home=tmp_path / "home", endpoint=hub.url)
        manifest = shell.build(tmp_path / "200", "--configs", "small")
        train = sum(request.sent for request in hub.requests if "/train-" in request.path)
        assert train <= served / 4
        assert len(manifest["sources"]["wmt2019_zh-en"]["files"]) >= 11
        before = hub.sent()
        shell.build(tmp_path / "400", "--configs", "small", "--datasets.wmt2019_zh-en.max_train_set", "900")
        ranges = {(request.path, request.range) for request in hub.requests if request.range and request.sent}
        assert len(ranges) == len([request for request in hub.requests if request.range and request.sent])
        assert before < hub.sent()
        again = replace(shell, home=tmp_path / "home2")
        again.build(tmp_path / "again", "--configs", "small")
    assert digests(tmp_path / "200") == digests(tmp_path / "again")
    stems = {
        row["id"].split("/")[1].split(":")[0]
        for _, table in open_build(tmp_path / "200").tables("train")
        for row in table.to_pylist()
    }
    assert len(stems) >= 10


def test_datasets_and_polars_read_the_folder_as_it_is(built: Built, tmp_path: Path) -> None:
    """`datasets.load_dataset` and `polars.scan_ipc` see all rows of both splits."""
    import datasets
    import polars as pl

    kept = {
        split: sum(part["rows"] for part in built.manifest["parts"] if part["split"] == split)
        for split in ("train", "validation")
    }
    loaded = datasets.load_dataset(str(built.out), cache_dir=str(tmp_path))
    assert {split: loaded[split].num_rows for split in loaded} == kept
    assert {split: pl.scan_ipc(built.out / split / "*.arrow").select(pl.len()).collect().item() for split in kept} == kept

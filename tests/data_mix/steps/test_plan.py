"""Planning: which raw files, or row groups of them, a mix needs, and what of it is known before a byte is fetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from building import entry, mix_of, pairs, write
from commands import section
from data_mix.build import BuildOptions, build, plan_build
from data_mix.config import load
from data_mix.errors import BuildError, ConfigError
from data_mix.fetch import RemoteFile
from data_mix.mix import Mix, resolve_mix
from data_mix.steps.plan import FetchedEntry, PlannedEntry, labels_of, samples_folder
from hub_server import HubServer

FILES, ROWS, GROUP = 4, 400, 20


@pytest.fixture
def wmt(hub: HubServer) -> HubServer:
    """A hub with four train files of twenty row groups each, and a validation file."""
    folder = hub.root / "datasets/wmt/wmt19/de-en"
    folder.mkdir(parents=True)
    for name in [*(f"train-{number:05d}-of-{FILES:05d}" for number in range(FILES)), "validation-00000-of-00001"]:
        texts = [f"{name} {number}" for number in range(ROWS)]
        rows = [{"translation": {"de": f"Satz {text}", "en": f"Sentence {text}"}} for text in texts]
        pl.DataFrame(rows).write_parquet(folder / f"{name}.parquet", row_group_size=GROUP)
    return hub


def mix(tmp_path: Path, text: str) -> Mix:
    """A mix as a user writes it."""
    section(tmp_path, f"mine:\n  datasets:\n    - {text}\n")
    return resolve_mix(load(["mine"], {}, tmp_path / "configs"))


def plan(tmp_path: Path, text: str) -> PlannedEntry:
    """The plan of a mix of one entry."""
    (planned,) = plan_build(mix(tmp_path, text), BuildOptions(home=tmp_path / "home"))
    return planned


def drawn(planned: PlannedEntry, split: str = "train") -> dict[str, tuple[int, ...] | None]:
    """The row groups of each file of a split."""
    return {file.remote.name: file.row_groups for file in planned.files if file.remote.split == split}


def counts(tmp_path: Path, text: str) -> Any:
    """What became of the rows of a mix of one entry, and the notices."""
    built = build(mix(tmp_path, text), tmp_path / "out", BuildOptions(home=tmp_path / "home"))[0]
    (source,) = built.manifest["sources"].values()
    return source["rows"] | {"notices": source["notices"]}


def test_without_a_cap_whole_files_are_planned(wmt: HubServer, tmp_path: Path) -> None:
    """Every file of both splits, and nothing of them is fetched."""
    planned = plan(tmp_path, "wmt2019_de-en")
    assert len(planned.files) == FILES + 1
    assert all(file.row_groups is None for file in planned.files)
    assert wmt.sent("train-00000-of-00004.parquet") == 0


def test_a_cap_plans_row_groups_of_every_file(wmt: HubServer, tmp_path: Path) -> None:
    """A quarter more rows than the cap, from all files, and the validation file whole."""
    planned = plan(tmp_path, "wmt2019_de-en: {max_train_set: 150}")
    groups = drawn(planned)
    assert len(groups) == FILES
    assert 150 * 1.25 <= sum(len(each or ()) for each in groups.values()) * GROUP <= 250
    assert list(drawn(planned, "validation").values()) == [None]


def test_what_is_planned_is_what_is_fetched(wmt: HubServer, tmp_path: Path) -> None:
    """The bytes that a plan names are those that then travel, footers left aside, and after that none are left."""
    planned = plan(tmp_path, "wmt2019_de-en: {max_train_set: 40, max_val_set: 10}")
    announced = sum(planned.bytes_to_fetch(file) or 0 for file in planned.files)
    before = wmt.sent()
    planned.fetch()
    assert wmt.sent() - before == announced > 0
    assert [planned.bytes_to_fetch(file) for file in planned.files] == [0] * len(planned.files)


@pytest.mark.parametrize("option", ["max_train_set", "size"])
def test_a_fraction_beside_a_cap_draws_so_many_more(wmt: HubServer, tmp_path: Path, option: str) -> None:
    """What `fraction` takes away is drawn in addition, so that the cap can still be filled."""
    found = counts(tmp_path, f"wmt2019_de-en: {{{option}: 150, fraction: 0.25}}")
    assert found["kept"]["train"] == 150


def test_no_validation_rows_wanted_is_not_no_validation_upstream(wmt: HubServer, tmp_path: Path) -> None:
    """With `max_val_set: 0` no train row is set aside for a validation split that nobody wants."""
    found = counts(tmp_path, "wmt2019_de-en: {max_val_set: 0, max_train_set: 300}")
    assert found["kept"] == {"train": 300, "validation": 0}
    assert set(found["dropped"]) <= {"max_train_set"}


def test_nothing_wanted_at_all_is_a_build_without_rows(wmt: HubServer, tmp_path: Path) -> None:
    """Caps of 0 for both splits fetch no row group and end in an empty build."""
    found = counts(tmp_path, "wmt2019_de-en: {max_val_set: 0, max_train_set: 0}")
    assert (found["read"], found["kept"]) == (0, {"train": 0, "validation": 0})


def test_a_capped_file_of_one_s_own_is_read_whole(wmt: HubServer, tmp_path: Path) -> None:
    """It costs no network, so all of its rows are read, split by val_split, and capped."""
    own = wmt.root / "datasets/wmt/wmt19/de-en/train-00001-of-00004.parquet"
    found = counts(tmp_path, f"wmt2019_de-en: {{input_file_path: {own}, max_train_set: 100, val_split: 0.1}}")
    assert (found["read"], found["kept"]["train"]) == (ROWS, 100)
    assert 10 < found["kept"]["validation"] < 80
    assert wmt.sent() == 0


def test_rows_are_the_same_by_row_group_as_by_file(wmt: HubServer, tmp_path: Path) -> None:
    """A cap that draws every row group keeps the ids that reading whole files gives."""
    ids = []
    for number, cap in enumerate(("", "max_train_set: 1600")):
        built = build(mix(tmp_path, f"wmt2019_de-en: {{{cap}}}"), tmp_path / f"out{number}", BuildOptions(home=tmp_path / "h"))
        ids.append([row for _, table in built[0].tables("train") for row in table["id"].to_pylist()])
    assert ids[0] == ids[1]
    assert len(ids[0]) == FILES * ROWS


@pytest.mark.parametrize(
    ("text", "repo", "path"),
    [
        ("wmt2019_de-en", "wmt/wmt19", "de-en/{split}-0.parquet"),
        ("ted_trans_en-ja", "IWSLT/ted_talks_iwslt", "data/XML_releases.tgz"),
        ("dolly15k", "databricks/databricks-dolly-15k", "databricks-dolly-15k.jsonl"),
        ("oasst_export", "OpenAssistant/oasst1", "2023-04-12_oasst_ready.trees.jsonl.gz"),
        ("joke", "theblackcat102/joke_explaination", "main.jsonl"),
        ("gsm8k", "openai/gsm8k", "main/train-0.parquet"),
        ("webgpt", "openai/webgpt_comparisons", "default/train/0.parquet"),
        ("chats: {type: hub, repo: a/b}", "a/b", "train.jsonl"),
    ],
)
def test_the_revision_of_an_entry_is_asked_for(hub: HubServer, tmp_path: Path, text: str, repo: str, path: str) -> None:
    """Whatever a source pins, the entry's own revision is the one that the hub is asked for, and the plan names it."""
    for split in ("train", "validation"):
        hub.put(repo, path.format(split=split), b"x")
    commit, name = "ab" * 20, text.partition(":")[0]
    resolved = mix(tmp_path, text)
    (with_revision,) = (replace(one, options=one.options.model_copy(update={"revision": commit})) for one in resolved.entries)
    (planned,) = plan_build(replace(resolved, entries=(with_revision,)), BuildOptions(home=tmp_path / "home"))
    assert planned.entry.name == name
    assert {file.remote.commit for file in planned.files} == {commit}
    assert all(f"@{commit}/" in file.remote.url for file in planned.files)


def remote(path: str, split: Any = None) -> RemoteFile:
    """A file of a repository."""
    return RemoteFile(name=path.rpartition("/")[2], path=path, url=path, location="", size=1, split=split)


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["a/x.jsonl", "b/y.jsonl"], {}),
        (["a/x.jsonl", "b/x.jsonl", "y.jsonl"], {"a/x.jsonl": "a/x", "b/x.jsonl": "b/x"}),
        (["x.jsonl", "b/x.jsonl"], {"x.jsonl": "x", "b/x.jsonl": "b/x"}),
        (["a/x.v1.jsonl", "a/x.v2.jsonl"], {"a/x.v1.jsonl": "a/x.v1.jsonl", "a/x.v2.jsonl": "a/x.v2.jsonl"}),
        (["/data/a/x.jsonl", "/data/b/x.jsonl"], {}),
        (["https://a.org/x.jsonl", "https://b.org/x.jsonl"], {}),
    ],
)
def test_files_of_one_stem_are_told_apart_by_their_path(paths: list[str], labels: dict[str, str]) -> None:
    """Only where stems are equal, and never by where a file lies on this machine or which host serves it."""
    assert labels_of([remote(path) for path in paths]) == labels


def test_files_of_other_splits_may_have_one_stem() -> None:
    """A source sets its splits apart by itself, so a stem in each needs no label."""
    assert labels_of([remote("train/0000.parquet", "train"), remote("test/0000.parquet", "validation")]) == {}


def test_what_is_read_together_stays_apart_by_split(tmp_path: Path) -> None:
    """A source that reads all its files in one call gets one call per split, so that no row changes its split."""
    files = [replace(write(tmp_path / f"{name}.jsonl", pairs(3, name)), split=name) for name in ("train", "validation")]
    each = entry("e", *files)
    together = replace(each, source=replace(each.source, together=True))
    (planned,) = plan_build(mix_of(together), BuildOptions(home=tmp_path / "home"))
    fetched: FetchedEntry = planned.fetch()
    assert [[file.split for file in task] for task in fetched.tasks] == [["train"], ["validation"]]


def test_a_source_that_names_no_file_is_an_error(tmp_path: Path) -> None:
    """An entry without files is no silent empty source."""
    with pytest.raises(ConfigError, match="entry 'e': its source names no file"):
        plan_build(mix_of(entry("e")), BuildOptions(home=tmp_path))


def test_a_source_without_a_sample_says_so() -> None:
    """`--samples` on a source that ships none names the folder that it looked for."""
    with pytest.raises(BuildError, match="source 'own' ships no sample, wanted a folder samples/building"):
        samples_folder(entry("e").source)

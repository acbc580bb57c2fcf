"""A whole build beside a slow reference: every promise is worked out again from the rows, on samples and on real files."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from commands import Shell, section
from hub_server import HubServer
from reading import SAMPLES
from slow_reference import (
    LATE,
    SPLITS,
    Folder,
    content,
    counted,
    expected_split,
    is_in_order,
    number,
    read_folder,
    rendered,
    walk,
)

CAPS: Final = """\
capped:
  datasets:
    - wmt2019_zh-en: {{max_val_set: 5, max_train_set: 20}}
    - ted_trans_en-ja: {{max_train_set: 12, val_split: 0.2}}
    - ted_trans_zh-ja: {{size: 10, val_split: 0.2}}
    - ikala: {{input_file_path: {local}/export_conversation_v4.4.jsonl, fraction: 0.75}}
    - dolly15k: {{val_split: 0.3, max_val_set: 2}}
    - oasst_export:
        lang: "bg,ca,cs,da,de,en,es,fr,hr,hu,it,nl,pl,pt,ro,ru,sl,sr,sv,uk,zh,ja,th,ko"
        input_file_path: {local}/2023-04-12_oasst_release_ready_synth.jsonl.gz
        val_split: 0.3
    - joke: {{val_split: 0}}
    - gsm8k
    - webgpt: {{input_file_path: {local}/webgpt/comparisons.jsonl}}
  data_seed: 11
"""


@dataclass(frozen=True)
class Case:
    """A build with all of its rows, and the raw files that it was made from."""

    folder: Folder
    raw: dict[str, Path]
    trees: dict[str, str]
    paths: dict[str, tuple[str, ...]]
    langs: dict[str, str]

    @property
    def sources(self) -> list[str]:
        """The names of the entries."""
        return list(self.folder.manifest["sources"])


def case_of(out: Path, raw: dict[str, Path]) -> Case:
    """Read a build, and the export's trees."""
    trees, paths, langs = {}, {}, {}
    for line in gzip.decompress(raw["oasst_export"].read_bytes()).splitlines():
        record = json.loads(line)
        for message, path in walk(record) if "prompt" in record else [(record, (record["message_id"],))]:
            name = message["message_id"]
            trees[name], paths[name], langs[name] = record["message_tree_id"], path, message["lang"]
    return Case(read_folder(out), raw, trees, paths, langs)


def built(out: Path, folder: Path, hub: str | None, local: Path) -> None:
    """The mix with caps, from the samples where there is no hub."""
    section(folder, CAPS.format(local=local))
    shell = Shell(cwd=folder, home=folder / "home", endpoint=hub or Shell.endpoint)
    shell.build(out, "--configs", "capped", "--keep-dropped", *([] if hub else ["--samples"]))


@pytest.fixture(scope="module", params=["samples", "real"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """The mix with caps of every kind, on the shipped samples and on the laid-out real files."""
    folder, hub, local = tmp_path_factory.mktemp(request.param), SAMPLES, SAMPLES
    raw = {
        "oasst_export": SAMPLES / "oasst_export/2023-04-12_oasst_ready.trees.jsonl.gz",
        "dolly15k": SAMPLES / "dolly15k/databricks-dolly-15k.jsonl",
        "joke": SAMPLES / "joke/main.jsonl",
        "gsm8k": SAMPLES / "gsm8k/main",
    }
    with ExitStack() as stack:
        url = None
        if request.param == "real":
            shared: Path = request.getfixturevalue("shared")
            hub, local = shared / "hub/datasets", shared / "local"
            raw = {
                "oasst_export": local / "2023-04-12_oasst_release_ready_synth.jsonl.gz",
                "dolly15k": hub / "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl",
                "joke": hub / "theblackcat102/joke_explaination/main.jsonl",
                "gsm8k": hub / "openai/gsm8k/main",
            }
            url = stack.enter_context(HubServer(shared / "hub")).url
        built(folder / "out", folder, url, local)
        yield case_of(folder / "out", raw)


def test_ids_are_unique_and_begin_with_the_entry(case: Case) -> None:
    """Over all splits and dropped rows, no id comes twice, and each is `<entry>/<key>`."""
    rows = [row for source in case.sources for row in case.folder.of(source, *SPLITS, "dropped")]
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["id"].startswith(f"{row['source']}/") and len(row["id"]) > len(row["source"]) + 1 for row in rows)


def test_every_raw_record_is_a_row_read(case: Case) -> None:
    """Of files with a record per line or per row, as many rows are read as there are records."""
    read = {source: case.folder.manifest["sources"][source]["rows"]["read"] for source in case.sources}
    for source in ("dolly15k", "joke"):
        assert read[source] == len(case.raw[source].read_bytes().splitlines())
    assert read["gsm8k"] == sum(pq.read_metadata(path).num_rows for path in case.raw["gsm8k"].glob("train-*"))


def test_counts_of_the_manifest_are_those_of_the_rows(case: Case) -> None:
    """Read, dropped by reason, kept by split and kept by language are what counting the rows gives."""
    for source in case.sources:
        said = case.folder.manifest["sources"][source]
        assert said["rows"] == counted(case.folder, source)
        assert said["languages"] == dict(Counter(row["lang"] for row in case.folder.of(source, *SPLITS)))


def test_kept_turns_are_in_order(case: Case) -> None:
    """A kept conversation is one that can be trained on, whatever its source."""
    assert all(is_in_order(row) for source in case.sources for row in case.folder.of(source, *SPLITS))


def test_texts_are_the_template_s(case: Case) -> None:
    """`text` is the messages in the layout that the manifest names."""
    template = case.folder.manifest["template"]
    rows = [row for source in case.sources for row in case.folder.of(source, *SPLITS)]
    assert all(row["text"] == rendered(row, template["name"], template["eos"]) for row in rows)


def test_of_equal_conversations_one_is_left_and_it_is_the_first(case: Case) -> None:
    """No two rows that passed the duplicates are the same, and each duplicate's twin is in its entry or an earlier one."""
    seen: dict[Any, int] = {}
    for place, source in enumerate(case.sources):
        dropped = case.folder.of(source, "dropped")
        passed = [*case.folder.of(source, *SPLITS), *(row for row in dropped if row["drop"] in LATE)]
        assert not {content(row) for row in passed} & seen.keys()
        assert len({content(row) for row in passed}) == len(passed)
        seen |= {content(row): place for row in passed}
        assert all(seen[content(row)] <= place for row in dropped if row["drop"] == "duplicate")


def test_a_duplicate_comes_after_its_twin_in_the_file(case: Case) -> None:
    """Within one file the record of the lower number stays."""
    rows = case.folder.of("dolly15k", *SPLITS, "dropped")
    first = {content(row): int(row["id"].rpartition(":")[2]) for row in rows if row.get("drop") != "duplicate"}
    duplicates = [row for row in rows if row.get("drop") == "duplicate" and content(row) in first]
    assert duplicates
    assert all(first[content(row)] < int(row["id"].rpartition(":")[2]) for row in duplicates)


def test_the_splits_are_drawn_by_the_hash_of_the_group(case: Case) -> None:
    """Every row that got as far as a split has the one that the reference gives it."""
    seed = case.folder.manifest["mix"]["data_seed"]
    for source in case.sources:
        if source.startswith("wmt2019"):  # upstream's own
            continue
        late = [row for row in case.folder.of(source, "dropped") if row["drop"] in LATE]
        kept = {row["id"]: split for split in SPLITS for row in case.folder.of(source, split)}
        kept |= {row["id"]: "validation" if row["drop"] == "max_val_set" else "train" for row in late}
        rows = [*case.folder.of(source, *SPLITS), *late]
        assert kept == expected_split(rows, case.folder.options(source)["val_split"], seed, case.trees)


def test_the_split_of_wmt_is_upstream_s(case: Case) -> None:
    """The stem of a row's file is its split."""
    for split in SPLITS:
        rows = case.folder.of("wmt2019_zh-en", split)
        assert {row["id"].split("/")[1].split("-")[0] for row in rows} == {split}


def test_a_talk_is_in_one_split_of_both_its_pairs(case: Case) -> None:
    """A talk that two entries read is validation in both or in neither."""
    splits: dict[str, set[str]] = {}
    for source in ("ted_trans_en-ja", "ted_trans_zh-ja"):
        for split in SPLITS:
            for row in case.folder.of(source, split):
                splits.setdefault(row["id"].split("/")[1].split(":")[0], set()).add(split)
    assert all(len(found) == 1 for found in splits.values())


@pytest.mark.parametrize("cap", ["size", "max_train_set", "max_val_set"])
def test_a_cap_keeps_the_lowest_hashes(case: Case, cap: str) -> None:
    """What a cap took away has higher hashes than all that it left, and what is left is as many as it allows."""
    seed, split = case.folder.manifest["mix"]["data_seed"], "validation" if cap == "max_val_set" else "train"
    capped = [source for source in case.sources if case.folder.options(source)[cap] is not None]
    assert capped
    for source in capped:
        kept = [number(row["id"], seed, "cap") for row in case.folder.of(source, split)]
        gone = [number(row["id"], seed, "cap") for row in case.folder.of(source, "dropped") if row["drop"] == cap]
        assert not gone or (len(kept) == case.folder.options(source)[cap] and max(kept) < min(gone))


def test_a_fraction_keeps_the_hashes_below_it(case: Case) -> None:
    """`fraction` is a share of the hashes, so that a larger one only adds."""
    seed = case.folder.manifest["mix"]["data_seed"]
    kept = [number(row["id"], seed, "cap") for row in case.folder.of("ikala", "train")]
    gone = [number(row["id"], seed, "cap") for row in case.folder.of("ikala", "dropped") if row["drop"] == "fraction"]
    assert max(kept) < 0.75 * 2**64 <= min(gone)


def test_only_assistant_turns_are_trained_and_all_but_shared_ones(case: Case) -> None:
    """Outside of trees every assistant turn is trained, and no other turn ever is."""
    for source in case.sources:
        for row in case.folder.of(source, *SPLITS):
            trained = [(message["role"] == "assistant", message["train"]) for message in row["messages"]]
            assert all(is_assistant or not train for is_assistant, train in trained)
            assert source == "oasst_export" or all(is_assistant == train for is_assistant, train in trained)


def test_each_message_of_a_tree_is_trained_once_in_its_first_thread(case: Case) -> None:
    """Of the kept threads that hold an assistant message, the first one trains it, and no message goes untrained."""
    for split in SPLITS:
        trained: set[str] = set()
        for row in case.folder.of("oasst_export", split):
            path = case.paths[row["id"].split("/")[1]]
            for name, message in zip(path, row["messages"], strict=True):
                if message["role"] == "assistant":
                    assert message["train"] == (name not in trained)
                    trained.add(name)


def test_a_thread_s_language_is_that_of_its_last_message(case: Case) -> None:
    """The tag comes from the export's last assistant message, in canonical case."""
    for row in case.folder.of("oasst_export", *SPLITS):
        assert row["lang"].lower() == case.langs[row["id"].split("/")[1]].lower().replace("_", "-")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A place with the samples built in the default template."""
    folder = tmp_path_factory.mktemp("templates")
    shell = Shell(cwd=folder, home=folder / "home")
    shell.build(folder / "plain", "--configs", "datasets", "--samples")
    return shell


@pytest.mark.parametrize(("name", "eos"), [("openassistant", "</s>"), ("chatml", None), ("llama3", None)])
def test_other_templates_change_the_texts_alone(samples: Shell, name: str, eos: str | None) -> None:
    """With another template or eos, the same rows in the same splits are laid out in its way."""
    options = ["--template.name", name, *(["--template.eos", eos] if eos else [])]
    samples.build(samples.cwd / name, "--configs", "datasets", "--samples", *options)
    folders = [read_folder(samples.cwd / each) for each in ("plain", name)]
    plain, other = ([row for source in each.rows["train"].values() for row in source] for each in folders)
    assert [row["text"] for row in other] == [rendered(row, name, eos or "") for row in plain]
    assert [row | {"text": ""} for row in plain] == [row | {"text": ""} for row in other]

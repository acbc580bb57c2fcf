"""The manifest: where every byte came from, what became of every row, and nothing of this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from building import build_mix, entry, mix_of, pairs, read, rows_of, write
from commands import section
from data_mix.build import BuildOptions, build
from data_mix.config import load
from data_mix.mix import resolve_mix
from data_mix.shards import Build
from data_mix.source import Entry, LocalFile
from data_mix.stage import stages
from hub_server import HubServer

CHAT = json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}).encode()


def written(tmp_path: Path, text: str) -> Build:
    """A mix as a user writes it, built."""
    section(tmp_path, f"mine:\n  datasets:\n    - {text}\n")
    mix = resolve_mix(load(["mine"], {}, tmp_path / "configs"))
    return build(mix, tmp_path / "out", BuildOptions(home=tmp_path / "home"))[0]


def source_of(built: Build) -> Any:
    """What the manifest says of the only entry."""
    (source,) = built.manifest["sources"].values()
    return source


def test_read_is_kept_and_dropped_by_reason_and_split(tmp_path: Path) -> None:
    """Every record is counted once, under the reason or the split that it has."""
    records = [*pairs(40), {"q": "", "a": "x"}, {"q": "What is  0?", "a": " 0."}]
    rows = source_of(build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "r.jsonl", records), max_train_set=30))))["rows"]
    assert rows["read"] == 42
    assert rows["dropped"]["empty_turn"] == rows["dropped"]["duplicate"] == 1
    assert sum(rows["dropped"].values()) + sum(rows["kept"].values()) == 42


def test_languages_are_counted_over_the_kept_rows(tmp_path: Path) -> None:
    """A dropped row's language is no language of the build."""
    records = [{"q": "a", "a": "b", "lang": "fr"}, {"q": "c", "a": "d", "lang": "pt-br"}, {"q": "", "a": "x", "lang": "de"}]
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "r.jsonl", records))))
    assert source_of(built)["languages"] == {"fr": 1, "pt-BR": 1}
    assert sorted(row["lang"] for split in ("train", "validation") for row in rows_of(built, split)) == ["fr", "pt-BR"]


def test_a_file_of_one_s_own_is_named_by_its_base_name_and_digest(tmp_path: Path) -> None:
    """Neither its folder nor its time is in the manifest."""
    raw = write(tmp_path / "deep/down/raw.jsonl", pairs(3))
    built = build_mix(tmp_path, mix_of(entry("e", raw)))
    data = Path(raw.path).read_bytes()
    (file,) = source_of(built)["files"]
    assert file == {"url": "raw.jsonl", "revision": None, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert str(tmp_path) not in (built.path / "manifest.json").read_text()


def test_a_file_of_the_hub_is_named_by_its_commit(hub: HubServer, tmp_path: Path) -> None:
    """A branch is resolved to the commit that it means, and no endpoint is named."""
    hub.put("a/b", "train.jsonl", CHAT)
    (file,) = source_of(built := written(tmp_path, "chats: {type: hub, repo: a/b, revision: a-branch}"))["files"]
    assert file["url"] == f"hf://datasets/a/b@{file['revision']}/train.jsonl"
    assert len(file["revision"]) == 40
    assert file["sha256"] == hashlib.sha256(CHAT).hexdigest()
    assert hub.url not in (built.path / "manifest.json").read_text()


def test_row_groups_are_named_by_etag_ranges_and_digests(hub: HubServer, tmp_path: Path) -> None:
    """Of a file that was fetched in part, each range has its place and the digest of its bytes."""
    folder = hub.root / "datasets/wmt/wmt19/de-en"
    folder.mkdir(parents=True)
    for name in ("train-0", "validation-0"):
        rows = [{"translation": {"de": f"Satz {name} {number}", "en": f"Sentence {name} {number}"}} for number in range(100)]
        pl.DataFrame(rows).write_parquet(folder / f"{name}.parquet", row_group_size=10)
    file = source_of(written(tmp_path, "wmt2019_de-en: {max_train_set: 20}"))["files"][0]
    data = (folder / "train-0.parquet").read_bytes()
    assert set(file) == {"url", "revision", "bytes", "etag", "ranges"}
    assert len(file["ranges"]) == 3
    for part in file["ranges"]:
        assert hashlib.sha256(data[part["start"] : part["end"]]).hexdigest() == part["sha256"]


def test_no_secret_of_a_url_is_in_any_file(hub: HubServer, tmp_path: Path) -> None:
    """User, password and query of an address stay out of the build; what is left tells where the bytes are from."""
    hub.put("a/b", "chats.jsonl", CHAT)
    host = hub.url.removeprefix("http://")
    address = f"http://harriet:hunter2@{host}/datasets/a/b/resolve/main/chats.jsonl?token=s3cret"
    built = written(tmp_path, f"chats: {{type: conversations, input_file_path: '{address}'}}")
    for path in built.path.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(secret in data for secret in (b"hunter2", b"s3cret", b"harriet"))


def test_the_mix_is_resolved_with_every_default(tmp_path: Path) -> None:
    """A reader of the manifest need not know the defaults of the version that built it."""
    mix = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "r.jsonl", pairs(3)), max_train_set=2))).manifest["mix"]
    assert mix["datasets"][0]["e"] | {"max_train_set": 2, "val_split": 0.05, "type": "own"} == mix["datasets"][0]["e"]
    assert (mix["data_seed"], mix["deduplicate"]) == (0, True)
    assert list(mix["stages"]) == [stage.name for stage in stages()]


def test_a_mix_pasted_from_a_manifest_gives_the_same_manifest(hub: HubServer, tmp_path: Path) -> None:
    """To write a default down changes no byte of the build."""
    hub.put("a/b", "train.jsonl", CHAT)
    hub.put("a/b", "test.jsonl", CHAT.replace(b"Hello", b"Bye"))
    first = written(tmp_path, "chats: {type: hub, repo: a/b, validation_split: test}").manifest
    section(tmp_path, "mine: " + json.dumps(first["mix"]))
    mix = resolve_mix(load(["mine"], {}, tmp_path / "configs"))
    assert build(mix, tmp_path / "again", BuildOptions(home=tmp_path / "home"))[0].manifest == first


def shouted(one: Entry, files: tuple[LocalFile, ...]) -> Iterator[pl.DataFrame]:
    """Another reading of the same records."""
    for frame in read(one, files):
        message = pl.element().struct
        louder = pl.struct(message.field("role"), content=message.field("content").str.to_uppercase())
        yield frame.with_columns(pl.col("messages").list.eval(louder))


def test_equal_fingerprints_mean_equal_rows(tmp_path: Path) -> None:
    """What another version of a source makes of the same raw file has another fingerprint; twice the same has the same."""
    one = entry("e", write(tmp_path / "r.jsonl", pairs(3)))
    other = replace(one, source=replace(one.source, read=shouted))
    found = [build_mix(tmp_path / f"{number}", mix_of(each)) for number, each in enumerate((one, one, other))]
    prints = [built.manifest["fingerprint"] for built in found]
    assert prints[0] == prints[1] != prints[2]
    assert found[0].manifest["sources"] == found[2].manifest["sources"]


def test_a_size_that_cannot_be_had_is_noted(tmp_path: Path) -> None:
    """A number larger than the set is no error, but it is said."""
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "r.jsonl", pairs(30)), val_split=0.0, size=50)))
    assert source_of(built)["notices"] == ["size: 50 was asked for, 30 could be had"]


@pytest.mark.parametrize("options", [{"size": 20, "max_train_set": 10}, {"max_train_set": 500}, {"max_val_set": 500}])
def test_an_upper_bound_is_not_noted(tmp_path: Path, options: dict[str, Any]) -> None:
    """`max_train_set` and `max_val_set` ask for no number of rows, and what they take away could have been had."""
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "r.jsonl", pairs(300)), val_split=0.0, **options)))
    assert source_of(built)["notices"] == []


def test_restrictive_licences_are_said_by_entry(tmp_path: Path) -> None:
    """`licence:` is in the manifest, and what it forbids is a sentence there."""
    raw = write(tmp_path / "r.jsonl", pairs(3))
    built = build_mix(tmp_path, mix_of(entry("e", raw, licence="(MIT OR CC-BY-NC-ND-4.0)")))
    assert source_of(built)["licence"] == "(MIT OR CC-BY-NC-ND-4.0)"
    assert [line.partition(") ")[0] for line in built.manifest["licence_warnings"]] == ["e ((MIT OR CC-BY-NC-ND-4.0)"] * 2

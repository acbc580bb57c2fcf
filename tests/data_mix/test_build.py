"""Building: what a whole build promises, on small mixes of a source of the tests' own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from building import build_mix, entry, mix_of, pairs, rows_of, splits_of, write
from commands import digests
from data_mix.build import BuildOptions, build, default_folder
from data_mix.config import load
from data_mix.errors import BuildError
from data_mix.mix import resolve_mix
from data_mix.shards import verify
from hub_server import HubServer


def test_a_build_holds_every_row_once_under_entry_and_key(tmp_path: Path) -> None:
    """Ids are the entry's name and the record's key, in the order of the raw file, and no row is lost."""
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "raw.jsonl", pairs(120)))))
    split = splits_of(built)
    assert sorted(split, key=lambda name: int(name.partition(":")[2])) == [f"e/raw:{number}" for number in range(120)]
    train = [row["id"] for row in rows_of(built, "train")]
    assert train == [name for name in (f"e/raw:{number}" for number in range(120)) if split[name] == "train"]


def test_another_entry_changes_no_row_s_split(tmp_path: Path) -> None:
    """A mix that grows keeps every row where it was, caps included."""
    first = entry("e", write(tmp_path / "raw.jsonl", pairs(200)), max_train_set=100)
    other = entry("f", write(tmp_path / "other.jsonl", pairs(200, "more")))
    alone = splits_of(build_mix(tmp_path, mix_of(first), out="1"))
    for place, entries in enumerate([(first, other), (other, first)]):
        assert splits_of(build_mix(tmp_path, mix_of(*entries), out=f"2{place}"), "e") == alone


def test_another_order_of_files_changes_no_row_s_split(tmp_path: Path) -> None:
    """A row's place depends on its id, not on when its file is read."""
    files = [write(tmp_path / f"{name}.jsonl", pairs(100, name)) for name in "ab"]
    one = build_mix(tmp_path, mix_of(entry("e", *files, max_train_set=90, max_val_set=4)), out="1")
    two = build_mix(tmp_path, mix_of(entry("e", *reversed(files), max_train_set=90, max_val_set=4)), out="2")
    assert splits_of(one) == splits_of(two)


def test_another_data_seed_draws_another_split(tmp_path: Path) -> None:
    """The seed of the mix decides which rows are validation, and nothing else does."""
    raw = write(tmp_path / "raw.jsonl", pairs(200))
    one, two, again = (
        build_mix(tmp_path, mix_of(entry("e", raw), data_seed=seed), out=str(place)) for place, seed in enumerate((0, 1, 0))
    )
    assert splits_of(one) != splits_of(two)
    assert digests(one.path) == digests(again.path)


def test_of_the_same_conversation_in_two_entries_the_first_stays(tmp_path: Path) -> None:
    """Duplicates are found over the whole build and both splits, and counted where they were dropped."""
    raw = [write(tmp_path / f"{name}.jsonl", pairs(20)) for name in "ab"]
    built = build_mix(tmp_path, mix_of(entry("e", raw[0]), entry("f", raw[1])))
    assert {name.partition("/")[0] for name in splits_of(built)} == {"e"}
    assert built.manifest["sources"]["f"]["rows"]["dropped"] == {"duplicate": 20}
    kept = build_mix(tmp_path, mix_of(entry("e", raw[0]), entry("f", raw[1]), deduplicate=False), out="all")
    assert len(splits_of(kept)) == 40


def test_upstream_s_validation_split_is_used_with_a_notice(tmp_path: Path) -> None:
    """Rows stay in the split that upstream gave them, and the manifest says that val_split was not asked."""
    files = [replace(write(tmp_path / f"{name}.jsonl", pairs(30, name)), split=name) for name in ("train", "validation")]
    built = build_mix(tmp_path, mix_of(entry("e", *files)))
    assert {(name[2:].partition(":")[0], split) for name, split in splits_of(built).items()} == {
        ("train", "train"),
        ("validation", "validation"),
    }
    assert "upstream's own validation split is used, not val_split: 0.05" in built.manifest["sources"]["e"]["notices"]


def test_a_message_that_two_entries_share_is_trained_once(tmp_path: Path) -> None:
    """Threads of one tree and split train a shared message once, also where two entries read the tree."""
    shared = {"group": "tree", "turn_ids": ["m1"]}
    files = [write(tmp_path / f"{name}.jsonl", [{"q": name, "a": "same", "key": name, **shared}]) for name in "ab"]
    built = build_mix(tmp_path, mix_of(entry("e", files[0]), entry("f", files[1])))
    assert [row["messages"][1]["train"] for row in rows_of(built, "train")] == [True, False]


def test_turns_of_no_group_are_the_entry_s_own(tmp_path: Path) -> None:
    """Without a group, two entries that happen to name a turn alike both train it."""
    files = [write(tmp_path / f"{name}.jsonl", [{"q": name, "a": "x", "turn_ids": ["m1"]}]) for name in "ab"]
    built = build_mix(tmp_path, mix_of(entry("e", files[0]), entry("f", files[1])))
    assert [row["messages"][1]["train"] for row in rows_of(built, "train")] == [True, True]


def test_a_declared_language_is_that_of_rows_without_one(tmp_path: Path) -> None:
    """`lang` fills what a record does not say, and overwrites nothing that it does."""
    raw = write(tmp_path / "raw.jsonl", [{"q": "a", "a": "b"}, {"q": "c", "a": "d", "lang": "fr"}, {"q": "e", "a": "f"}])
    built = build_mix(tmp_path, mix_of(entry("e", raw, lang="de", val_split=0)))
    assert [row["lang"] for row in rows_of(built, "train")] == ["de", "fr", "de"]


def test_an_unchanged_build_is_left_as_it_is(tmp_path: Path) -> None:
    """The second build of a mix says that it was there, and touches no file."""
    mix = mix_of(entry("e", write(tmp_path / "raw.jsonl", pairs(30))))
    before = {path: path.stat().st_mtime_ns for path in build_mix(tmp_path, mix).path.rglob("*")}
    built, was_there = build(mix, tmp_path / "out", BuildOptions(home=tmp_path / "home"))
    assert was_there
    assert {path: path.stat().st_mtime_ns for path in built.path.rglob("*")} == before


def test_a_lost_card_is_written_again(tmp_path: Path) -> None:
    """A folder that lacks its README is not taken for a whole build."""
    mix = mix_of(entry("e", write(tmp_path / "raw.jsonl", pairs(30))))
    before = digests(build_mix(tmp_path, mix).path)
    (tmp_path / "out/README.md").unlink()
    assert digests(build_mix(tmp_path, mix).path) == before


def test_a_smaller_mix_leaves_no_part_of_the_larger_one(tmp_path: Path) -> None:
    """An entry that is gone takes its parts with it, and the folder verifies."""
    files = {name: write(tmp_path / f"{name}.jsonl", pairs(20, name)) for name in "ab"}
    build_mix(tmp_path, mix_of(*(entry(name, raw) for name, raw in files.items())), keep_dropped=True)
    built = build_mix(tmp_path, mix_of(entry("a", files["a"])))
    assert {part.source for part in built.parts} == {"a"}
    assert verify(built.path) == []


def test_records_of_one_id_end_the_build(tmp_path: Path) -> None:
    """Two records of one key are an error that names the id, and nothing that looks whole is left."""
    raw = write(tmp_path / "raw.jsonl", [{"q": "a", "a": "b", "key": "k"}, {"q": "c", "a": "d", "key": "k"}])
    with pytest.raises(BuildError, match="the id 'e/k' stands for 2 rows"):
        build_mix(tmp_path, mix_of(entry("e", raw)))
    assert not (tmp_path / "out").exists()


def test_a_mix_of_nothing_but_empty_files_is_a_build_without_rows(tmp_path: Path) -> None:
    """No row at all is no error: the manifest counts none, and the card is valid."""
    built = build_mix(tmp_path, mix_of(entry("e", write(tmp_path / "raw.jsonl", []))))
    assert built.manifest["sources"]["e"]["rows"] == {"read": 0, "dropped": {}, "kept": {"train": 0, "validation": 0}}


def test_the_fingerprint_is_another_where_any_row_is(tmp_path: Path) -> None:
    """Two builds with one fingerprint have the same rows: another text of the same length changes it."""
    mixes = [mix_of(entry("e", write(tmp_path / place / "raw.jsonl", [{"q": "a", "a": place}]))) for place in ("1", "2")]
    one, two = (build_mix(tmp_path, mix, out=f"out{place}") for place, mix in enumerate(mixes))
    assert one.manifest["fingerprint"] != two.manifest["fingerprint"]


def hub_mix(tmp_path: Path, text: str) -> dict[str, object]:
    """The manifest of a mix that a user wrote, built anew or from what is kept."""
    (tmp_path / "configs").mkdir(exist_ok=True)
    (tmp_path / "configs/mix.yaml").write_text(f"mine:\n  datasets:\n    - chats: {text}\n")
    mix = resolve_mix(load(["mine"], {}, tmp_path / "configs"))
    return build(mix, tmp_path / "out", BuildOptions(home=tmp_path / "home"))[0].manifest


def on_hub(hub: HubServer, name: str, text: str) -> None:
    """Put a file into the data set a/b of the hub."""
    path = hub.root / "datasets/a/b" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf8")


CHAT = json.dumps({"messages": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}) + "\n"


def test_the_manifest_names_the_commit_that_the_raw_files_are_of(hub: HubServer, tmp_path: Path) -> None:
    """Where a branch moves on and the file stays the same, a second build names the new commit, as a first one would."""
    on_hub(hub, "data/train-0.jsonl", CHAT)
    first = hub_mix(tmp_path, "{type: hub, repo: a/b}")
    on_hub(hub, "NOTES.md", "moved on")
    second = hub_mix(tmp_path, "{type: hub, repo: a/b}")
    (one,), (two,) = first["sources"]["chats"]["files"], second["sources"]["chats"]["files"]  # type: ignore[index]
    assert one["sha256"] == two["sha256"]
    assert one["revision"] != two["revision"]


def test_a_hub_data_set_s_licence_and_homepage_are_its_own(hub: HubServer, tmp_path: Path) -> None:
    """What the front matter of its README says is in the manifest, and what it forbids is said."""
    on_hub(hub, "data/train-0.jsonl", CHAT)
    on_hub(hub, "README.md", "---\nlicense: cc-by-nc-4.0\n---\n")
    manifest = hub_mix(tmp_path, "{type: hub, repo: a/b}")
    source = manifest["sources"]["chats"]  # type: ignore[index]
    assert (source["licence"], source["homepage"]) == ("CC-BY-NC-4.0", "https://huggingface.co/datasets/a/b")
    assert manifest["licence_warnings"] == ["chats (CC-BY-NC-4.0) forbids commercial use"]


def test_a_licence_of_the_mix_comes_before_that_of_the_readme(hub: HubServer, tmp_path: Path) -> None:
    """`licence:` is what the user knows better."""
    on_hub(hub, "data/train-0.jsonl", CHAT)
    on_hub(hub, "README.md", "---\nlicense: other\n---\n")
    manifest = hub_mix(tmp_path, "{type: hub, repo: a/b, licence: CC0-1.0}")
    assert manifest["sources"]["chats"]["licence"] == "CC0-1.0"  # type: ignore[index]


def test_hub_files_of_one_name_get_ids_by_their_folder(hub: HubServer, tmp_path: Path) -> None:
    """Where two files of an entry have one stem, as much of their path stands in the ids as tells them apart."""
    for folder in ("de", "fr"):
        on_hub(hub, f"{folder}/part.jsonl", CHAT.replace("Hello", folder))
    on_hub(hub, "other.jsonl", CHAT)
    hub_mix(tmp_path, "{type: hub, repo: a/b, data_files: '**.jsonl', val_split: 0}")
    built = build_mix(tmp_path, resolve_mix(load(["mine"], {}, tmp_path / "configs")))
    assert sorted(splits_of(built)) == ["chats/de/part:0", "chats/fr/part:0", "chats/other:0"]


def test_the_default_folder_is_named_after_the_mix(tmp_path: Path) -> None:
    """`data_path` names the folder; else it stands in the cache under the name of the mix."""
    raw = write(tmp_path / "raw.jsonl", pairs(2))
    assert default_folder(mix_of(entry("e", raw)), tmp_path) == tmp_path / "builds/own-mix"
    assert default_folder(mix_of(entry("e", raw), data_path=str(tmp_path / "x")), tmp_path) == tmp_path / "x"

"""Mixing in whole builds: copies, counts, and no raw file read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from building import build_mix, entry, mix_of, pairs, rows_of, splits_of, write
from commands import Shell, section
from data_mix.mix import Mix
from data_mix.tokens import load_tokenizer, tokenize_build
from sample_tokenizers import byte_level


def two(folder: Path, first: dict[str, Any] | None = None, **mixing: Any) -> Mix:
    """A mix of an entry of 60 rows and one of 20."""
    raws = [write(folder / f"{name}.jsonl", pairs(count, name)) for name, count in (("a", 60), ("b", 20))]
    entries = entry("a", raws[0], val_split=0.1, **(first or {})), entry("b", raws[1], val_split=0.1)
    return mix_of(*entries, mixing=mixing)


def test_copies_have_names_of_their_own_and_the_first_s_content(tmp_path: Path) -> None:
    """Every copy is the row again under its id and its number; ids are unique."""
    built = build_mix(tmp_path, two(tmp_path, {"epochs": 2.5}))
    rows = {row["id"]: row for row in rows_of(built, "train", "a")}
    firsts = {name: row for name, row in rows.items() if "#" not in name}
    assert len(rows) == built.manifest["sources"]["a"]["rows"]["kept"]["train"] == int(2.5 * len(firsts))
    for name, row in rows.items():
        assert {**row, "id": ""} == {**firsts[name.partition("#")[0]], "id": ""}


def test_read_and_copies_are_kept_and_dropped(tmp_path: Path) -> None:
    """Nothing is lost in silence, and a copy is not taken for a row that was read."""
    built = build_mix(tmp_path, two(tmp_path, {"epochs": 2.5}))
    counts = built.manifest["sources"]["a"]["rows"]
    assert counts["copies"] > 0
    assert counts["read"] + counts["copies"] == sum(counts["kept"].values()) + sum(counts["dropped"].values())
    cut = build_mix(tmp_path, two(tmp_path, temperature="inf"), out="cut").manifest["sources"]["a"]["rows"]
    assert "copies" not in cut
    assert cut["dropped"]["mixing"] == cut["read"] - sum(cut["kept"].values())


def test_another_share_reads_no_raw_file_again(tmp_path: Path) -> None:
    """Once staged, weight, temperature, epochs and budgets change with the raw files gone from the cache's view."""
    mix = two(tmp_path)
    build_mix(tmp_path, mix)
    staged = {path: path.stat().st_mtime_ns for path in (tmp_path / "home/staged").rglob("*.arrow")}
    tokenizer = str(byte_level(tmp_path / "tokenizer"))
    for options, mixing in (
        ({"weight": 0.5}, {}),
        ({}, {"temperature": 2.0}),
        ({"epochs": 1.5}, {}),
        ({"max_train_tokens": 300}, {"tokenizer": tokenizer}),
    ):
        build_mix(tmp_path, two(tmp_path, options, **mixing))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "home/staged").rglob("*.arrow")} == staged


def test_a_budget_is_one_of_the_token_shards(tmp_path: Path) -> None:
    """What `datamix tokenize` then writes of the entry is within the budget, and misses it by less than a conversation."""
    tokenizer = byte_level(tmp_path / "tokenizer")
    options = {"max_train_tokens": 900, "epochs": 5.0}
    built = build_mix(tmp_path, two(tmp_path, options, tokenizer=str(tokenizer)))
    tokens, _ = tokenize_build(built.path, load_tokenizer(tokenizer))
    lengths = tokens.lengths("train")
    mine = [source == "a" for source in tokens.table("train")["source"].to_pylist()]
    assert 900 - max(lengths) < sum(lengths[mine]) <= 900


def test_validation_does_not_move(tmp_path: Path) -> None:
    """However train is mixed, the rows to measure by are the same."""
    builds = [
        build_mix(tmp_path, two(tmp_path, options, **mixing), out=str(place))
        for place, (options, mixing) in enumerate([({}, {}), ({"epochs": 3.0}, {}), ({}, {"temperature": 4.0, "total": 30})])
    ]
    found = [{name for name, split in splits_of(built).items() if split == "validation"} for built in builds]
    assert found[0] == found[1] == found[2]


def test_any_number_of_workers_writes_the_same(tmp_path: Path) -> None:
    """Copies stand in the same order, and the fingerprints are equal."""
    mix = two(tmp_path, temperature="inf", total=90, max_epochs=4.0)
    prints = {build_mix(tmp_path, mix, out=str(count), workers=count).manifest["fingerprint"] for count in (1, 2)}
    assert len(prints) == 1


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A place with a mix of two sources."""
    folder = tmp_path_factory.mktemp("mixing")
    section(folder, "mine: {datasets: [joke, gsm8k]}\n")
    return Shell(cwd=folder, home=folder / "home")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mixing.temperture", "2", "nearest: temperature"),
        ("mixing.temperature", "0", "mixing.temperature"),
        ("mixing.max_epochs", "-1", "mixing.max_epochs"),
        ("datasets.joke.epochs", "0", "datasets.joke.epochs"),
        ("datasets.joke.max_train_tokens", "100", "mixing.tokenizer: found none, wanted one"),
    ],
)
def test_what_cannot_be_mixed_is_one_clear_line(shell: Shell, key: str, value: str, said: str) -> None:
    """The key is named, whether it is unknown, out of its bounds or lacks another."""
    done = shell.run("build", "--configs", "mine", "--samples", "-o", "bad", f"--{key}", value)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (shell.cwd / "bad" / "manifest.json").exists()


def test_keys_of_mixing_are_given_on_the_command_line(shell: Shell) -> None:
    """A temperature and a total need no file, and the manifest names them."""
    manifest = shell.build(
        shell.cwd / "out", "--configs", "mine", "--samples", "--mixing.temperature", "inf", "--mixing.total", "10"
    )
    kept = [source["rows"]["kept"]["train"] for source in manifest["sources"].values()]
    assert kept == [5, 5]
    assert (manifest["mix"]["mixing"]["temperature"], manifest["mix"]["mixing"]["total"]) == ("inf", 10)
    assert json.dumps(manifest, allow_nan=False)


def test_a_total_that_cannot_be_had_is_said_when_the_build_ends(shell: Shell) -> None:
    """Who asks for more rows than there are reads so, from the build and from a look at it."""
    said = shell.ok("build", "--configs", "mine", "--samples", "-o", "out", "--mixing.total", "1000")
    assert "note: mixing.total: 1000 rows were asked for" in said
    assert "note: mixing.total: 1000 rows were asked for" in shell.ok("inspect", "out", "--rows", "0")


def test_a_mix_that_its_smallest_entry_cuts_short_says_so(shell: Shell) -> None:
    """Who weighs entries without a total reads which of them left the others so few rows."""
    shares = ["--mixing.temperature", "inf", "--datasets.joke.max_train_set", "2"]
    said = shell.ok("build", "--configs", "mine", "--samples", "-o", "short", *shares)
    assert "rows are taken, since joke has 2 and the others are held to their shares beside it" in said
    assert "say mixing.total, or raise max_epochs" in said

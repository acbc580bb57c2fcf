"""A build → token shards: the same bytes whatever the way, and nothing half-written believed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from building import build_mix, entry, mix_of, pairs, write
from commands import Shell, digests
from data_mix.errors import FormatError, OutputError
from data_mix.files import hold
from data_mix.shards import open_build
from data_mix.template import TEMPLATES, chat_template
from data_mix.tokens import Tokenizer, load_tokenizer, read_tokens, tokenize_build
from sample_tokenizers import as_users_have_it, byte_level, rendered_ids

FAMILIES = {
    **dict.fromkeys(("bytes", "neox", "gpt2"), "<|endoftext|>"),
    **dict.fromkeys(("bloom", "bloom-split", "llama", "llama-first"), "</s>"),
}


def shards_of(out: Path) -> dict[str, str]:
    """SHA-256 of everything below `tokens`."""
    return digests(out / "tokens")


def copy_of(build: Path, folder: Path) -> Path:
    """The build without token shards, elsewhere."""
    return shutil.copytree(build, folder, ignore=shutil.ignore_patterns("tokens"))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_build_s_ids_are_those_of_its_texts(
    name: str, family: str, tokenizers: dict[str, Path], sample_builds: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    """Every row of the nine sources without control-like text has exactly the ids of its column `text`."""
    out = copy_of(sample_builds[name, FAMILIES[family]], tmp_path / "build")
    tokens, _ = tokenize_build(out, load_tokenizer(tokenizers[family]))
    template = chat_template(name, FAMILIES[family])
    reference, compared = as_users_have_it(tokenizers[family], template), 0
    for split in ("train", "validation"):
        rows = [row for _, table in open_build(out).tables(split) for row in table.to_pylist()]
        found, wanted = tokens.table(split)["input_ids"].to_pylist(), rendered_ids(reference, [row["text"] for row in rows])
        tame = [not any("<|" in turn["content"] or "</s>" in turn["content"] for turn in row["messages"]) for row in rows]
        assert all(one == other for one, other, is_tame in zip(found, wanted, tame, strict=True) if is_tame)
        compared += sum(tame)
    assert compared > 180


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_bytes(
    workers: int, sample_build: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """Shards and manifest do not depend on who wrote them, or where."""
    other = copy_of(sample_build, tmp_path / "elsewhere")
    tokenize_build(sample_build, tokenizer)
    tokenize_build(other, tokenizer, workers=workers)
    assert shards_of(other) == shards_of(sample_build)
    assert len(shards_of(sample_build)) == 3


def test_a_second_run_touches_nothing(sample_build: Path, tokenizer: Tokenizer) -> None:
    """With nothing changed, the shards that stand are returned."""
    tokens, was_there = tokenize_build(sample_build, tokenizer)
    before = {path: path.stat() for path in tokens.path.parent.iterdir()}
    again, is_there = tokenize_build(sample_build, tokenizer)
    assert (was_there, is_there, again.manifest) == (False, True, tokens.manifest)
    assert {path: path.stat() for path in tokens.path.parent.iterdir()} == before


def test_shards_of_two_tokenizers_lie_side_by_side(sample_build: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A second tokenizer takes nothing from the first."""
    first, _ = tokenize_build(sample_build, tokenizer)
    before = shards_of(sample_build)
    second, _ = tokenize_build(sample_build, load_tokenizer(byte_level(tmp_path / "small", vocabulary=500)))
    assert first.path != second.path
    assert before.items() <= shards_of(sample_build).items()
    assert len(shards_of(sample_build)) == 6


def test_a_damaged_shard_is_written_again(sample_build: Path, tokenizer: Tokenizer) -> None:
    """Shards that are not whole are made anew, and come out the same."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    before = shards_of(sample_build)
    tokens.path.with_suffix(".train.arrow").write_bytes(b"ARROW1")
    assert tokenize_build(sample_build, tokenizer)[1] is False
    assert shards_of(sample_build) == before


def test_what_a_killed_run_left_is_cleared(sample_build: Path, tokenizer: Tokenizer) -> None:
    """Unfinished files and staged parts, of this tokenizer and of others, are gone in the end."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    before = shards_of(sample_build)
    tokens.path.unlink()
    own, others = tokens.path.with_suffix(".parts"), tokens.path.with_name("0123456789abcdef.parts")
    for folder in (own, others):
        folder.mkdir()
        (folder / "00000.arrow").write_bytes(b"half")
    (tokens.path.parent / ".x.arrow.01234567.partial").write_bytes(b"half")
    tokenize_build(sample_build, tokenizer)
    assert shards_of(sample_build) == before


def test_a_folder_that_is_being_written_is_refused(sample_build: Path, tokenizer: Tokenizer) -> None:
    """While a build or another tokenize holds the folder, nothing is written into it."""
    held = hold(sample_build)
    assert held is not None
    with pytest.raises(OutputError, match="another datamix is writing it; wait until it ends"):
        tokenize_build(sample_build, tokenizer)
    os.close(held)
    assert tokenize_build(sample_build, tokenizer)[1] is False


def test_a_build_made_anew_has_no_token_shards_of_its_own(sample_build: Path, tokenizer: Tokenizer) -> None:
    """Shards are known by the build's fingerprint, so those of other rows are never read for them."""
    first, _ = tokenize_build(sample_build, tokenizer)
    manifest = sample_build / "manifest.json"
    manifest.write_text(manifest.read_text().replace(open_build(sample_build).manifest["fingerprint"], "0" * 64))
    second, was_there = tokenize_build(sample_build, tokenizer)
    assert not was_there
    assert second.path != first.path
    assert read_tokens(sample_build, tokenizer).manifest["build"] == "0" * 64


def test_token_shards_are_read_by_others(sample_build: Path, tokenizer: Tokenizer) -> None:
    """A shard is an Arrow file like any other."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    table = pa.ipc.open_file(str(tokens.path.with_suffix(".train.arrow"))).read_all()
    assert table.column_names == ["source", "input_ids", "loss"]
    assert table.schema.field("input_ids").type == pa.list_(pa.uint16())


class EndedError(Exception):
    """What ends a run in the middle."""


def end_after(parts: int, build: Path, tokenizer: Tokenizer) -> None:
    """Begin to write token shards, and end when so many parts are told to be staged; what was begun by then is staged too."""

    def report(_step: str, done: int, _total: int) -> None:
        if done == parts:
            raise EndedError

    with pytest.raises(EndedError):
        tokenize_build(build, tokenizer, report=report)


def staged_by(build: Path, tokenizer: Tokenizer) -> int:
    """How many parts a run has to encode."""
    told = list[tuple[int, int]]()
    tokenize_build(build, tokenizer, report=lambda _step, done, total: told.append((done, total)))
    assert told == [(done, told[0][1]) for done in range(told[0][1] + 1)]
    return told[0][1]


def staged_in(build: Path) -> int:
    """How many parts an ended run has left staged."""
    return len(list((build / "tokens").glob("*.parts/*.proof")))


@pytest.mark.parametrize("parts", [0, 1, 5])
def test_a_run_goes_on_where_the_last_one_was_ended(
    parts: int, sample_build: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """What is staged is not encoded again, the shards are the same, and nothing staged is left."""
    other = copy_of(sample_build, tmp_path / "other")
    count = staged_by(other, tokenizer)
    end_after(parts, sample_build, tokenizer)
    assert not list((sample_build / "tokens").glob("*.json"))
    staged = staged_in(sample_build)
    assert parts <= staged <= (parts and parts + 3)
    assert staged_by(sample_build, tokenizer) == count - staged
    assert shards_of(sample_build) == shards_of(other)


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no proof", "proof of another", "noise for a proof"])
def test_a_staged_part_that_is_damaged_is_encoded_again(
    damage: str, sample_build: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """Of some staged parts the one that is not as it was written is not believed, and the others are."""
    other = copy_of(sample_build, tmp_path / "other")
    count = staged_by(other, tokenizer)
    end_after(3, sample_build, tokenizer)
    (folder,) = (sample_build / "tokens").glob("*.parts")
    staged = staged_in(sample_build)
    damage_staged(damage, folder / "00001.arrow")
    assert staged_by(sample_build, tokenizer) == count - staged + 1
    assert shards_of(sample_build) == shards_of(other)


def damage_staged(damage: str, part: Path) -> None:
    """Do it."""
    data, proof = part.read_bytes(), part.with_suffix(".proof")
    if damage == "flip":
        part.write_bytes(bytes([*data[:1000], data[1000] ^ 1, *data[1001:]]))
    elif damage == "cut":
        part.write_bytes(data[:-8])
    elif damage == "remove":
        part.unlink()
    elif damage == "no proof":
        proof.unlink()
    else:
        proof.write_bytes(b"noise" if damage == "noise for a proof" else part.with_name("00000.proof").read_bytes())


def test_a_build_that_is_damaged_is_refused_and_leaves_no_manifest(sample_build: Path, tokenizer: Tokenizer) -> None:
    """A part of noise, of the right size, ends the run; what was written before is not taken for whole shards."""
    part = sorted((sample_build / "validation").glob("*.arrow"))[-1]
    part.write_bytes(b"x" * part.stat().st_size)
    with pytest.raises(FormatError, match=rf"{part.name}: is damaged or missing"):
        tokenize_build(sample_build, tokenizer)
    assert not list((sample_build / "tokens").glob("*.json"))


@pytest.mark.parametrize(
    ("limits", "empty"),
    [
        ({"val_split": 0.5, "max_train_set": 0}, ["train"]),
        ({"val_split": 0.0}, ["validation"]),
        ({"val_split": 0.0, "max_train_set": 0}, ["train", "validation"]),
    ],
)
def test_a_split_without_rows_has_a_shard_without_rows(
    limits: dict[str, Any], empty: list[str], tmp_path: Path, tokenizer: Tokenizer
) -> None:
    """A mix may leave train or validation empty, or both: the shards are there all the same."""
    build_mix(tmp_path, mix_of(entry("one", write(tmp_path / "raw.jsonl", pairs(20, "word")), **limits)))
    tokens, _ = tokenize_build(tmp_path / "out", tokenizer)
    assert [name for name, file in tokens.manifest["files"].items() if file["rows"] == 0] == empty
    assert [name for name in ("train", "validation") if len(tokens.lengths(name)) == 0] == empty
    assert tokens.table("train").schema == tokens.table("validation").schema
    assert tokenize_build(tmp_path / "out", tokenizer)[1] is True


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.6, 0.9, 1.2, 1.5, 1.8])
def test_a_killed_run_goes_on_to_the_same_bytes(
    delay: float, sample_build: Path, tokenizers: dict[str, Path], tmp_path: Path
) -> None:
    """Whenever it is killed, no manifest stands that is not whole, and the next run ends with the same shards."""
    shell, other = Shell(cwd=tmp_path, home=tmp_path / "home"), copy_of(sample_build, tmp_path / "other")
    tokenize_build(other, load_tokenizer(tokenizers["bytes"]))
    command = shell.start("tokenize", sample_build, "--tokenizer", tokenizers["bytes"], "--workers", 2)
    time.sleep(delay)
    command.send_signal(signal.SIGKILL)
    command.communicate()
    time.sleep(0.5)  # its workers end with it
    shell.ok("tokenize", sample_build, "--tokenizer", tokenizers["bytes"], "--workers", 2)
    assert shards_of(sample_build) == shards_of(other)

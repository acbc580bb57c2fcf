"""What becomes of token shards that nobody can use any more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_mix.errors import FormatError
from data_mix.shards import open_build
from data_mix.tokens import Tokenizer, Tokens, load_tokenizer, tokenize_build
from sample_tokenizers import byte_level


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A second tokenizer for the same template."""
    return load_tokenizer(byte_level(tmp_path_factory.mktemp("other"), vocabulary=500))


def with_packs(tokens: Tokens) -> Tokens:
    """Token shards with an index of packs beside them, as the trainer leaves it."""
    folder = tokens.path.with_suffix(".packs")
    folder.mkdir()
    for name in ("2048-truncate-0123456789abcdef.json", "2048-truncate-0123456789abcdef.pieces.npy"):
        (folder / name).write_bytes(b"an index")
    return tokens


def named(tokens: Tokens) -> set[str]:
    """What stands below tokens/ by the key of these shards, their packs included."""
    return {f"{tokens.path.stem}.{end}" for end in ("json", "train.arrow", "validation.arrow", "packs")}


def standing(build: Path) -> set[str]:
    """What stands below tokens/."""
    return {path.name for path in (build / "tokens").iterdir()}


def build_again(build: Path) -> None:
    """Make it a build of other rows, as far as anybody can tell."""
    manifest = build / "manifest.json"
    manifest.write_text(manifest.read_text().replace(open_build(build).manifest["fingerprint"], "0" * 64))


def test_the_shards_of_an_earlier_build_go_with_their_packs(sample_build: Path, tokenizer: Tokenizer, other: Tokenizer) -> None:
    """Of whatever tokenizer they are: no row of them is a row of this build."""
    for each in (tokenizer, other):
        with_packs(tokenize_build(sample_build, each)[0])
    build_again(sample_build)
    tokens, _ = tokenize_build(sample_build, tokenizer)
    assert standing(sample_build) == named(tokens) - {f"{tokens.path.stem}.packs"}


def test_the_shards_of_other_tokenizers_on_this_build_stay(sample_build: Path, tokenizer: Tokenizer, other: Tokenizer) -> None:
    """A second tokenizer takes neither shards nor packs from the first."""
    first, second = with_packs(tokenize_build(sample_build, tokenizer)[0]), with_packs(tokenize_build(sample_build, other)[0])
    tokenize_build(sample_build, tokenizer)
    assert standing(sample_build) == named(first) | named(second)


def test_shards_that_stood_already_take_the_earlier_ones_away_too(sample_build: Path, tokenizer: Tokenizer) -> None:
    """A run that was ended before it cleared away is made good by the next."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    for path in list(tokens.path.parent.iterdir()):
        (path.parent / path.name.replace(tokens.path.stem, "0123456789abcdef")).write_bytes(path.read_bytes())
    stale = tokens.path.with_stem("0123456789abcdef")
    stale.write_text(json.dumps(tokens.manifest | {"build": "1" * 64}))
    assert tokenize_build(sample_build, tokenizer)[1] is True
    assert standing(sample_build) == named(tokens) - {f"{tokens.path.stem}.packs"}


def test_nothing_goes_before_the_new_shards_stand(sample_build: Path, tokenizer: Tokenizer) -> None:
    """Where a part of the build is damaged, the run ends with what stood there before."""
    earlier = with_packs(tokenize_build(sample_build, tokenizer)[0])
    build_again(sample_build)
    part = next((sample_build / "train").glob("*.arrow"))
    part.write_bytes(b"x" * part.stat().st_size)
    with pytest.raises(FormatError, match="is damaged or missing"):
        tokenize_build(sample_build, tokenizer)
    assert named(earlier) <= standing(sample_build)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"build": 7}', "[" * 100_000, "\xff"])
def test_shards_without_a_manifest_that_can_be_read_go(text: str, sample_build: Path, tokenizer: Tokenizer) -> None:
    """Nobody can say what they are of, so nobody may read them."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    dead = tokens.path.with_name("0123456789abcdef.json")
    dead.write_bytes(text.encode("latin1"))
    dead.with_suffix(".train.arrow").write_bytes(b"half")
    tokens.path.with_name("fedcba9876543210.validation.arrow").write_bytes(b"half")
    tokens.path.with_name("fedcba9876543210.packs").mkdir()
    tokenize_build(sample_build, tokenizer)
    assert standing(sample_build) == named(tokens) - {f"{tokens.path.stem}.packs"}


def test_shards_of_this_build_by_a_newer_version_stay(sample_build: Path, tokenizer: Tokenizer) -> None:
    """Another version's shards of the same rows are not this one's to remove."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    newer = tokens.path.with_name("0123456789abcdef.json")
    newer.write_text(json.dumps({"format": "datamix-tokens", "version": 99, "build": tokens.manifest["build"]}))
    newer.with_suffix(".train.arrow").write_bytes(b"of another layout")
    tokenize_build(sample_build, tokenizer)
    assert {newer.name, newer.with_suffix(".train.arrow").name} <= standing(sample_build)


def test_what_is_not_named_by_a_key_stays(sample_build: Path, tokenizer: Tokenizer) -> None:
    """Somebody's own files are not touched, whatever they are called."""
    tokens, _ = tokenize_build(sample_build, tokenizer)
    mine = ["notes.txt", "notes.json", "0123456789ABCDEF.json", "0123456789abcdef.json.bak", "0123456789abcdef.test.arrow"]
    for name in mine:
        (tokens.path.parent / name).write_text("mine")
    build_again(sample_build)
    tokenize_build(sample_build, tokenizer)
    assert set(mine) <= standing(sample_build)
    assert tokens.path.name not in standing(sample_build)

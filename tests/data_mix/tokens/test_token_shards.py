"""Token shards on disk: what is in them, and what a reader refuses."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data_mix.errors import FormatError
from data_mix.shards import open_build
from data_mix.tokens import Tokenizer, Tokens, load_tokenizer, open_tokens, read_tokens, tokenize_build, verify_tokens
from data_mix.tokens.token_shards import template_of, token_schema


@pytest.fixture
def tokens(sample_build: Path, tokenizer: Tokenizer) -> Tokens:
    """Token shards of the shipped samples."""
    return tokenize_build(sample_build, tokenizer)[0]


def test_rows_stand_in_the_order_of_the_build(tokens: Tokens, sample_build: Path) -> None:
    """Row i of a shard is row i of the split, over all parts in the manifest's order."""
    sources = [part.source for part, table in open_build(sample_build).tables("train") for _ in range(table.num_rows)]
    assert tokens.table("train")["source"].to_pylist() == sources


def test_the_manifest_counts_what_is_there(tokens: Tokens) -> None:
    """Rows, tokens and trained tokens of the manifest are those of the shards."""
    for split, said in tokens.manifest["files"].items():
        table = tokens.table(split)
        trained = sum(span["end"] - span["start"] for spans in table["loss"].to_pylist() for span in spans)
        assert (said["rows"], said["tokens"], said["trained"]) == (table.num_rows, tokens.lengths(split).sum(), trained)
        assert 0 < trained < said["tokens"]


def test_lengths_are_those_of_the_rows(tokens: Tokens) -> None:
    """Lengths are read from offsets alone."""
    lengths = tokens.lengths("validation")
    assert lengths.dtype == np.int64
    assert lengths.tolist() == [len(ids) for ids in tokens.table("validation")["input_ids"].to_pylist()]


def test_shards_can_lie_below_a_path_that_is_not_utf8(sample_build: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """The name of the folder changes neither what is written nor that it can be read."""
    odd = shutil.copytree(sample_build, tmp_path / os.fsdecode(b"not-utf8-\xff"))
    tokens, usual = tokenize_build(odd, tokenizer)[0], tokenize_build(sample_build, tokenizer)[0]
    assert tokens.manifest == usual.manifest
    assert tokens.table("train").equals(usual.table("train"))


@pytest.mark.parametrize(("vocabulary", "wanted"), [(65_536, pa.uint16()), (65_537, pa.uint32())])
def test_ids_are_as_small_as_the_vocabulary_allows(vocabulary: int, wanted: pa.DataType) -> None:
    """The largest id of 65,536 rows is 65,535, which 16 bits hold."""
    assert token_schema(vocabulary).field("input_ids").type.value_type == wanted


def test_no_path_host_or_time_stands_in_the_manifest(tokens: Tokens, tmp_path: Path) -> None:
    """The same build and tokenizer give the same manifest wherever they are."""
    assert str(tmp_path) not in tokens.path.read_text()
    assert set(tokens.manifest) == {"format", "version", "build", "template", "tokenizer", "control", "added", "files"}


def test_missing_shards_are_an_error_with_the_command_that_makes_them(sample_build: Path, tokenizer: Tokenizer) -> None:
    """Nothing is tokenised by reading."""
    with pytest.raises(FormatError, match=r"has no token shards of .*; make them with datamix tokenize .* --tokenizer "):
        read_tokens(sample_build, tokenizer)


def test_shards_of_another_tokenizer_are_not_taken(tokens: Tokens, sample_build: Path, tokenizer: Tokenizer) -> None:
    """The error says that there are others."""
    other = Tokenizer(where="other", json=tokenizer.json + " ", eos=tokenizer.eos)
    assert read_tokens(sample_build, tokenizer).manifest == tokens.manifest
    with pytest.raises(FormatError, match="no token shards of other; there are 1 of another tokenizer or an earlier build"):
        read_tokens(sample_build, other)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_truncated_shard_is_refused(split: str, tokens: Tokens) -> None:
    """A shard whose size is not the manifest's is an error that names it."""
    shard = tokens.path.with_suffix(f".{split}.arrow")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(FormatError, match=rf"{shard.name}: has \d+ bytes, .* says \d+; tokenize again"):
        open_tokens(tokens.path)
    shard.unlink()
    with pytest.raises(FormatError, match=f"{shard.name}: is missing"):
        open_tokens(tokens.path)


def test_a_shard_of_noise_is_refused(tokens: Tokens) -> None:
    """A shard of the right size that is no Arrow file is an error, not a traceback."""
    shard = tokens.path.with_suffix(".train.arrow")
    shard.write_bytes(b"x" * shard.stat().st_size)
    with pytest.raises(FormatError, match=r"train\.arrow: is damaged or missing"):
        open_tokens(tokens.path).table("train")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"version": 99}, "version 99, wanted 'datamix-tokens' version 1"),
        ({"format": "datamix-build"}, "is 'datamix-build'"),
        ({"files": {}}, "is damaged or missing"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(change: dict[str, object], wanted: str, tokens: Tokens) -> None:
    """Only what this version writes is read."""
    tokens.path.write_text(json.dumps(tokens.manifest | change))
    with pytest.raises(FormatError, match=wanted):
        open_tokens(tokens.path)


def test_a_split_that_is_not_there_is_refused(tokens: Tokens) -> None:
    """The error names the splits that are."""
    with pytest.raises(FormatError, match="has no split 'test', wanted one of train, validation"):
        tokens.table("test")


def test_a_template_that_is_laid_out_otherwise_is_refused(sample_build: Path) -> None:
    """A build whose template this version would encode in another way has to be made anew."""
    path = sample_build / "manifest.json"
    path.write_text(path.read_text().replace('"<|prompter|>"', '"<|human|>"'))
    with pytest.raises(FormatError, match="its template openassistant is laid out otherwise"):
        template_of(open_build(sample_build))


def test_the_tokenizer_of_a_lone_file_reads_the_same_shards(tokens: Tokens, sample_build: Path, tokenizer: Tokenizer) -> None:
    """Shards belong to tokenizer.json, not to where it was named from."""
    lone = load_tokenizer(Path(tokenizer.where) / "tokenizer.json")
    assert read_tokens(sample_build, lone).path == tokens.path


@pytest.mark.parametrize("place", [0, 0.5, 1])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_verify_finds_any_bit_that_changed(split: str, place: float, tokens: Tokens, sample_build: Path) -> None:
    """A shard of the right size is believed by its digest only, and the others are not accused."""
    assert verify_tokens(sample_build) == []
    shard = tokens.path.with_suffix(f".{split}.arrow")
    data = bytearray(shard.read_bytes())
    data[int((len(data) - 1) * place)] ^= 0x80
    shard.write_bytes(data)
    (problem,) = verify_tokens(sample_build)
    assert problem.startswith(f"{shard}: its SHA-256 is not {tokens.manifest['files'][split]['sha256']}, which ")


def test_verify_names_shards_that_are_missing_or_cut_short(tokens: Tokens, sample_build: Path) -> None:
    """A line says which, and which manifest would have it."""
    shard = tokens.path.with_suffix(".train.arrow")
    shard.write_bytes(shard.read_bytes()[:100])
    assert verify_tokens(sample_build)[0].startswith(f"{shard}: has 100 bytes, {tokens.path.name} says ")
    shard.unlink()
    assert verify_tokens(sample_build) == [f"{shard}: is missing; tokenize again"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "datamix-tokens", "version": 1, "files": {"train": {}}}', "\xff"])
def test_verify_names_a_manifest_that_is_damaged(text: str, tokens: Tokens, sample_build: Path) -> None:
    """It is one problem, and no traceback."""
    tokens.path.write_bytes(text.encode("latin1"))
    (problem,) = verify_tokens(sample_build)
    assert problem.startswith(f"{tokens.path}: is damaged or missing (")


def test_a_manifest_without_a_digest_is_damaged(tokens: Tokens) -> None:
    """What cannot be verified is not opened either."""
    del tokens.manifest["files"]["train"]["sha256"]
    tokens.path.write_text(json.dumps(tokens.manifest))
    with pytest.raises(FormatError, match="is damaged or missing"):
        open_tokens(tokens.path)


def test_verify_passes_over_packs_staged_parts_and_a_build_without_token_shards(
    tokens: Tokens, sample_build: Path, tmp_path: Path
) -> None:
    """They are believed by checksums of their own, or are not there."""
    for suffix in (".packs", ".parts"):
        tokens.path.with_suffix(suffix).mkdir()
        (tokens.path.with_suffix(suffix) / "2048.json").write_bytes(b"noise")
    assert verify_tokens(sample_build) == []
    assert verify_tokens(tmp_path / "nothing") == []
